"""Plans a restore: its actions with their reasons, or all reasons against it at once."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint, joined, make
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.core.restore.compatibility import (
    Reason,
    compatibility_warnings,
    incompatibilities,
    missing_roles,
)
from ledgerflow_ops.core.restore.database_names import DatabaseRole, sibling_name
from ledgerflow_ops.core.restore.restore_target import RequiredSpace, RestoreTarget
from ledgerflow_ops.core.sizes import format_size

_ROOM_FOR_BACKUP = 2
_ROOM_FOR_DATABASE = 1.25


@dataclass(frozen=True, slots=True)
class Candidate:
    """The backup to restore. `rung` is how far it was just proven, `trouble` why it could not be."""

    name: BackupName
    manifest: Manifest | None
    rung: Rung | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the restore would do, in order."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """A restore as it would be carried out. A plan with refusals is not carried out."""

    request: RestoreRequest
    candidate: Candidate
    target: RestoreTarget
    id: str
    actions: tuple[Action, ...]
    refusals: tuple[Reason, ...]
    warnings: tuple[Reason, ...]

    @property
    def restoring(self) -> str:
        return sibling_name(self.target.database, DatabaseRole.RESTORING, self.id)

    @property
    def before(self) -> str:
        return sibling_name(self.target.database, DatabaseRole.BEFORE, self.id)

    @property
    def missing_roles(self) -> tuple[str, ...]:
        manifest = self.candidate.manifest
        return missing_roles(manifest, self.target.server) if manifest else ()

    def require(self) -> Manifest:
        """The manifest of the backup to restore; Refused (exit 3), with every refusal of the plan."""
        if self.refusals:
            listed = "\n".join(f"  {reason.message}" for reason in self.refusals)
            raise Refused(
                f"{self.request.environment} is not restored, and nothing was changed:\n{listed}",
                hint=joined((reason.hint for reason in self.refusals), "\n  "),
            )
        assert self.candidate.manifest is not None
        return self.candidate.manifest

    def as_json(self) -> dict[str, Any]:
        manifest = self.candidate.manifest
        return {
            "environment": self.request.environment,
            "from_environment": str(self.request.origin),
            "file": self.candidate.name.dump,
            "recovery_point": manifest.recovery_point.isoformat() if manifest else None,
            "database": self.target.database,
            "actions": [asdict(action) for action in self.actions],
            "refusals": [reason.as_json(self.request.environment) for reason in self.refusals],
            "warnings": [reason.as_json(self.request.environment) for reason in self.warnings],
        }


def plan_restore(
    request: RestoreRequest,
    candidate: Candidate,
    target: RestoreTarget,
    rooms: Sequence[RequiredSpace],
    ident: str,
    *,
    against: Sequence[Reason] = (),
    notes: Sequence[Reason] = (),
) -> RestorePlan:
    """The plan of a restore. Every rule is checked, so that one answer names all that must be fixed.

    `against` and `notes` are refusals and warnings about the files that go with the database.
    """
    refusals = [
        *_backup_refusals(request, candidate, target),
        *_target_refusals(request, target),
        *_space_refusals(rooms),
        *against,
    ]
    warnings = [*_space_warnings(rooms), *_application_warnings(request, target), *notes]
    if candidate.manifest:
        refusals += incompatibilities(candidate.manifest, target)
        warnings += compatibility_warnings(candidate.manifest, target)
    draft = RestorePlan(request, candidate, target, ident, (), tuple(refusals), tuple(warnings))
    return RestorePlan(
        request, candidate, target, ident, tuple(_actions(draft)), tuple(refusals), tuple(warnings)
    )


def needs_confirmation(request: RestoreRequest, manifest: Manifest | None) -> bool:
    """Whether CONFIRM=prod must be typed: data of another environment would go into prod."""
    prod = Environment.PROD
    return request.environment == prod and (
        request.origin is not prod or (manifest is not None and manifest.environment is not prod)
    )


def space_needed(manifest: Manifest, live_size: int, force: bool) -> tuple[int, int]:
    """Bytes needed in the backup folder and on the server's disk.

    The server keeps the old database until somebody drops it, so the new one needs space of its own. The
    folder takes the safety backup, which may be as large as its database.
    """
    folder = _ROOM_FOR_BACKUP * manifest.dump.size + (live_size if force else 0)
    return folder, int(manifest.source.size * _ROOM_FOR_DATABASE)


def _backup_refusals(
    request: RestoreRequest, candidate: Candidate, target: RestoreTarget
) -> Iterator[Reason]:
    """Refusals unless the file is intact and belongs to the environment that it is to be restored into."""
    manifest, name = candidate.manifest, candidate.name.dump
    elsewhere = Hint("Choose another: ", make("status"), " lists the backups.")
    if candidate.trouble:
        yield Reason("file", f"{name}: {candidate.trouble}", elsewhere)
    elif candidate.rung is None or candidate.rung < Rung.READABLE:
        yield Reason("file", f"{name} could not be read to its end.", elsewhere)
    if manifest is None:
        yield Reason(
            "manifest",
            f"{name} has no manifest: what it restores cannot be compared with anything.",
            Hint(make("restore-test", FILE=name), " shows what can be known of it."),
        )
        return
    if manifest.environment is not request.origin:
        hint = Hint(f"If you want that, add FROM_ENV={manifest.environment}")
        yield Reason("environment", f"{name} is a backup of {manifest.environment}.", hint)
    elif manifest.sample and not target.sample and request.confirm != request.environment:
        yield Reason(
            "sample",
            f"{name} holds SAMPLE DATA, and {target.database} is not the sample database.",
            Hint(f"If the sample is really to take its place, say CONFIRM={request.environment}"),
        )
    elif needs_confirmation(request, manifest) and request.confirm != Environment.PROD:
        yield Reason(
            "confirmation",
            f"{name} is {manifest.environment}'s, and this is prod.",
            Hint(f"If {manifest.environment}'s data is to become prod's, say CONFIRM=prod as well."),
        )


def _target_refusals(request: RestoreRequest, target: RestoreTarget) -> Iterator[Reason]:
    """Refusals unless the target is unused and holds nothing that would be lost."""
    if target.sessions and not request.force:
        listed = "".join(f"\n    {session}" for session in target.sessions)
        yield Reason(
            "sessions",
            f"{target.database} is in use by {count_of(len(target.sessions), 'session')}:{listed}",
            Hint("Stop the application first. restore-force would end these sessions."),
        )
    yield from prepared_transactions(target)
    if target.application.running and not request.force:
        yield Reason(
            "application",
            f"The application of {target.database} is running: {target.application}.",
            Hint(f"Stop it first: {target.application.stop}"),
        )
    if not target.empty and not request.force:
        assert target.live is not None
        yield Reason(
            "not empty",
            f"{target.database} holds {target.live.relations} relations "
            f"({format_size(target.live.source.size)}). restore goes only into an empty or absent database.",
            Hint(make("restore-force"), " keeps them aside, after a safety backup."),
        )


def prepared_transactions(target: RestoreTarget) -> Iterator[Reason]:
    """Prepared transactions: they prevent a rename, and only somebody who knows their purpose
    may end them.
    """
    if target.prepared:
        literals = [f"'{gid.replace(chr(39), 2 * chr(39))}'" for gid in target.prepared]
        yield Reason(
            "prepared transactions",
            f"{target.database} has {count_of(len(literals), 'prepared transaction')}, so it cannot be "
            "renamed: "
            f"{', '.join(literals)}.",
            Hint(
                f"In psql, in {target.database}: COMMIT PREPARED {literals[0]}; or: "
                f"ROLLBACK PREPARED {literals[0]};"
            ),
        )


def _space_refusals(rooms: Sequence[RequiredSpace]) -> Iterator[Reason]:
    for room in rooms:
        if room.lacking:
            yield Reason(
                "room",
                f"Not enough space {room.where}: about {room.figures}.",
                Hint("Free space there. ", make("status"), " shows what old databases take."),
            )


def _space_warnings(rooms: Sequence[RequiredSpace]) -> Iterator[Reason]:
    for room in rooms:
        if room.free is None:
            yield Reason(
                "room",
                f"Needed {room.where}: about {format_size(room.needed)}. Free space is unknown here.",
            )


def _application_warnings(request: RestoreRequest, target: RestoreTarget) -> Iterator[Reason]:
    """A warning: force ends sessions, but a running application connects again, to the restored database."""
    if target.application.running and request.force:
        yield Reason(
            "application",
            f"The application ({target.application}) keeps running: its sessions are ended, and what it "
            "writes until the swap is "
            f"only in the safety backup or in the previous database. To stop it first: "
            f"{target.application.stop}",
        )


def _actions(plan: RestorePlan) -> Iterator[Action]:
    """The actions in order, each with its reason."""
    live, database = plan.target.live, plan.target.database
    if live and not plan.target.empty:
        yield Action("take a safety backup, prove it and pin it", f"{database} holds data now")
    if plan.missing_roles:
        yield Action(f"create the roles {', '.join(plan.missing_roles)}", "objects and grants name them")
    yield Action(f"restore into {plan.restoring}", "nothing half-restored is ever the live database")
    yield Action("compare with the seal, then check the data rules", "only an equal copy may become live")
    yield Action("ANALYZE", "a restored database has no statistics")
    yield Action("carry over owner, grants, settings, comment and limits", "a dump does not hold them")
    manifest = plan.candidate.manifest
    if manifest and manifest.files and manifest.environment == plan.request.environment:
        what = f"unpack {count_of(len(manifest.files.files), 'file')}, and swap them in after the database"
        yield Action(what, "they were backed up with the database")
    if live:
        ended = f"; end {count_of(len(plan.target.sessions), 'session')}" if plan.target.sessions else ""
        yield Action(f"swap by two renames in one transaction{ended}", f"the old one stays as {plan.before}")
    else:
        yield Action(f"rename it {database}", "there is no such database now")
    yield Action(
        "check connection, application, samples and logs", "a restored database is not yet in service"
    )
