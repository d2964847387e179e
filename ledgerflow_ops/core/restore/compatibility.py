"""Whether a backup can be restored on a server: all incompatibilities are reported at once."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.restore import restore_rights
from ledgerflow_ops.core.restore.restore_rights import MissingRight
from ledgerflow_ops.core.restore.restore_target import RestoreTarget, TargetServer

_SUPERUSERS_ONLY = ("event trigger ", "foreign-data wrapper ", "subscription ", "language ")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for a plan's refusal or warning. For a refusal, `hint` says what to do."""

    cause: str
    message: str
    hint: Hint = NO_HINT

    def as_json(self, environment: str) -> dict[str, str]:
        """The reason as JSON output has it."""
        return {"cause": self.cause, "message": self.message, "hint": str(self.hint.within(environment))}


def incompatibilities(manifest: Manifest, target: RestoreTarget) -> Iterator[Reason]:
    """What prevents the restore there: versions, rights, roles, extensions, encoding, locale."""
    server, seal, source = target.server, manifest.seal, manifest.source
    if server.major < source.major:
        yield Reason(
            "version",
            f"The server is PostgreSQL {server.version}; the backup is of {source.server_version}.",
            Hint(f"Restore into PostgreSQL {source.major} or later."),
        )
    yield from _missing_rights(manifest, target)
    if absent := sorted(set(seal.extensions) - server.extensions):
        sentence = f"The server lacks the extensions {', '.join(absent)}."
        yield Reason("extensions", sentence, Hint("Install them on the server."))
    if target.live and target.live.source.encoding != source.encoding:
        yield Reason(
            "encoding",
            f"{target.database} is in {target.live.source.encoding}, the backup in {source.encoding}.",
            Hint("Drop the empty database, or restore into one of the backup's encoding."),
        )
    unknown = sorted({source.collate, source.ctype} - server.locales) if not target.live else []
    if unknown:
        sentence = f"The server does not know the locale {', '.join(unknown)}."
        yield Reason(
            "collation", sentence, Hint("Install it on the server's machine and restart the server.")
        )


def _missing_rights(manifest: Manifest, target: RestoreTarget) -> Iterator[Reason]:
    """What the account may not do there. Whose objects it may create is only found out by pg_restore."""
    server = target.server
    if server.superuser:
        return
    if not server.createdb:
        yield _rights_reason(restore_rights.may_not_create_databases(server.account))
    if target.live and not server.owns_live:
        yield _rights_reason(MissingRight(f"{server.account} does not own {target.database}."))
    missing = missing_roles(manifest, server)
    if missing and not server.createrole:
        yield _rights_reason(restore_rights.may_not_create_roles(server.account, missing), "roles")
    if special := sorted(name for name in manifest.seal.objects if name.startswith(_SUPERUSERS_ONLY)):
        sentence = f"Only a superuser may create: {', '.join(special)}."
        yield _rights_reason(MissingRight(sentence))


def _rights_reason(right: MissingRight, cause: str = "rights") -> Reason:
    return Reason(cause, right.message, restore_rights.rights_hint([right]))


def compatibility_warnings(manifest: Manifest, target: RestoreTarget) -> Iterator[Reason]:
    """Differences that do not prevent a correct restore, but should be known."""
    roles = target.server.roles
    changed = sorted(n for n, role in manifest.seal.roles.items() if n in roles and roles[n] != role)
    if changed:
        sentence = f"These roles have other attributes now than in the backup: {', '.join(changed)}."
        yield Reason("roles", sentence)
    live, source = target.live, manifest.source
    if live and (live.source.collate, live.source.ctype) != (source.collate, source.ctype):
        sentence = f"{target.database} sorts as {live.source.collate}, the backup as {source.collate}."
        yield Reason("collation", sentence)
    if manifest.globals is None and missing_roles(manifest, target.server):
        yield Reason(
            "roles", "The backup has no roles file: missing roles are created without their settings."
        )


def missing_roles(manifest: Manifest, server: TargetServer) -> tuple[str, ...]:
    """The backup's roles that the server lacks, sorted."""
    return tuple(sorted(set(manifest.seal.roles) - set(server.roles)))
