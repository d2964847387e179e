"""Whether a dump holds all objects of its database: pg_dump's warnings, and what it omits without one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import extension_members, missing_rights
from ledgerflow_ops.adapters.inspection.source import Snapshot
from ledgerflow_ops.adapters.inspection.standby import Standby
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.proof import INCOMPLETE, Proof
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, warned
from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.postgres import dump_warnings
from ledgerflow_ops.core.postgres.dump_warnings import DumpWarning, Meaning
from ledgerflow_ops.core.postgres.qualified_names import quote
from ledgerflow_ops.core.restore.compatibility import Reason
from ledgerflow_ops.operations.context import EnvironmentContext

_OURS = "ledgerflow_ops"
_SHOWN = 10
_PG_DUMP_HINT = Hint(
    "Is pg_dump the real one, without options of its own? ", make("doctor"), " shows where it is taken from."
)
_ENTRY = re.compile(rb"\d+; \d+ \d+ (SUBSCRIPTION|USER MAPPING) (?!TABLE )")


def collect_warnings(
    env: EnvironmentContext,
    snapshot: Snapshot,
    pg_dump_output: str,
    pg_dumpall_output: str,
    entries: Sequence[bytes],
) -> tuple[DumpWarning, ...] | None:
    """All warnings about a dump; None where there are none. `entries` is the archive's table of contents."""
    warnings = [
        *dump_warnings.parse_warnings("pg_dump", pg_dump_output),
        *dump_warnings.parse_warnings("pg_dumpall", pg_dumpall_output),
    ]
    warnings += [warning.warning() for warning in missing_rights.find_omitted_objects(snapshot.connection)]
    if not any(warning.missing for warning in warnings):
        warnings += _missing_objects(snapshot.connection, entries)
    warnings += standby_warnings(snapshot.standby)
    return tuple(warning.within(env.environment) for warning in warnings) or None


def _missing_objects(connection: Connection, entries: Iterable[bytes]) -> Iterator[DumpWarning]:
    """Objects that the archive lacks, of the kinds that no comparison of a restored copy covers."""
    kinds = [match[1] for line in entries if (match := _ENTRY.match(line))]
    for kind, existing in (
        ("SUBSCRIPTION", missing_rights.subscriptions(connection)),
        ("USER MAPPING", missing_rights.user_mappings(connection)),
    ):
        dumped = kinds.count(kind.encode())
        if dumped < len(existing):
            text = f"{kind.lower()}s: {len(existing)} in the database, {dumped} in the dump"
            yield DumpWarning(program=_OURS, text=text, meaning=Meaning.MISSING, hint=_PG_DUMP_HINT)


def standby_warnings(standby: Standby | None) -> list[DumpWarning]:
    """Warnings about a standby as the source: it lacks unlogged data, and may lag behind its primary."""
    if standby is None:
        return []
    texts = []
    if standby.unlogged:
        names = [name.key for name in standby.unlogged]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        texts.append(
            "the source is a standby, which has no data of unlogged tables, so neither has the dump: "
            f"{', '.join(names[:_SHOWN])}{more}"
        )
    if not standby.current:
        since = f"{standby.replayed:%Y-%m-%d %H:%M:%S %Z}" if standby.replayed else "an instant not known"
        texts.append(
            f"the source is a standby that does not keep up with its primary: its data is of {since}"
        )
    return [DumpWarning(program=_OURS, text=text, meaning=Meaning.NOTED) for text in texts]


def restore_notes(manifest: Manifest, proof: Proof | None) -> Iterator[Reason]:
    """Reasons why a restore of this backup does not bring everything back."""
    message, hint = proof.incomplete if proof and not manifest.lacks else ("", NO_HINT)
    if message:
        yield Reason("incomplete", message, hint)
    if manifest.lacks:
        yield Reason(
            "incomplete", f"The dump does not hold all of its database: {manifest.lacks}.", manifest.remedy
        )
    if manifest.unheld:
        text = f"It was taken from a standby. These come back empty: {', '.join(manifest.unheld)}."
        yield Reason("unlogged", text, Hint("Unlogged data is on the primary alone."))


def incomplete_checks(manifest: Manifest) -> Iterator[Check]:
    """A warning where a backup equals its seal but cannot be proven, because its dump is incomplete."""
    if manifest.ceiling < Rung.VALID:
        message = f"The dump does not hold all of the database, and cannot be proven: {manifest.lacks}."
        yield warned("restorable", INCOMPLETE, message, Hint(manifest.remedy, " Then: ", make("backup")))


def extension_member_checks(
    manifest: Manifest, copy: Database, extensions: Mapping[str, str]
) -> Iterator[Check]:
    """A warning about relations that belong to an extension but are not created by its script.

    Somebody has added them by ALTER EXTENSION … ADD. pg_dump omits an extension's members with their rows
    (PostgreSQL manual, "Packaging Related Objects into an Extension"). `extensions` are the copy's, with
    versions; an extension of another version is not compared.
    """
    same_version = {
        name for name, version in extensions.items() if manifest.seal.extensions.get(name) == version
    }
    with copy.connect() as connection:
        made = extension_members.extension_relations(connection)
    lost = {
        name: extension
        for name, extension in (manifest.members or {}).items()
        if name not in made and extension in same_version
    }
    if lost:
        listed = ", ".join(f"{name} (of the extension {extension})" for name, extension in lost.items())
        name, extension = next(iter(lost.items()))
        yield warned(
            "restorable",
            INCOMPLETE,
            f"The dump does not hold all of the database, and cannot be proven: {listed}. They belong to an "
            "extension that does not create them, and pg_dump omits an extension's members.",
            Hint(
                f"Remove each from it: ALTER EXTENSION {quote(extension)} DROP {name}; Then: ", make("backup")
            ),
        )
