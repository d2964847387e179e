"""Decides a restore: what would be done and why, or everything that speaks against it, at once."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
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
    """The backup in hand. `rung` is how far it was just shown to hold, `trouble` why it does not."""

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
    """A restore as it would be carried out. With refusals it will not be."""

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
        """The manifest of what is to be restored; Refused, with every reason that speaks against it."""
        if self.refusals:
            listed = "\n".join(f"  {reason.message}" for reason in self.refusals)
            hints = dict.fromkeys(reason.hint for reason in self.refusals if reason.hint)
            raise Refused(
                f"{self.request.environment} is not restored, and nothing was touched:\n{listed}",
                hint="\n  ".join(hints),
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
            "refusals": [asdict(reason) for reason in self.refusals],
            "warnings": [asdict(reason) for reason in self.warnings],
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
    """What a restore would do. Every rule is asked, so that one answer names all that must be mended.

    `against` and `notes` are what was found about the files that go with the database.
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
    """Whether prod must be typed: somebody else's data would go into it."""
    prod = Environment.PROD
    return request.environment == prod and (
        request.origin is not prod or (manifest is not None and manifest.environment is not prod)
    )


def space_needed(manifest: Manifest, live_size: int, force: bool) -> tuple[int, int]:
    """Bytes needed in the backup folder and on the server's disk.

    The server holds the old database until it is dropped on purpose, so the new one comes on top. The
    folder holds the safety backup, which may be as large as the database it is of.
    """
    folder = _ROOM_FOR_BACKUP * manifest.dump.size + (live_size if force else 0)
    return folder, int(manifest.source.size * _ROOM_FOR_DATABASE)


def _backup_refusals(
    request: RestoreRequest, candidate: Candidate, target: RestoreTarget
) -> Iterator[Reason]:
    """The file is whole and belongs where it is to go."""
    manifest, name = candidate.manifest, candidate.name.dump
    elsewhere = "Choose another: make status lists what there is."
    if candidate.trouble:
        yield Reason("file", f"{name}: {candidate.trouble}", elsewhere)
    elif candidate.rung is None or candidate.rung < Rung.READABLE:
        yield Reason("file", f"{name} could not be read to its end.", elsewhere)
    if manifest is None:
        yield Reason(
            "manifest",
            f"{name} has no manifest: what it restores to cannot be compared with anything.",
            f"make restore-test FILE={name} shows what can be known of it.",
        )
        return
    if manifest.environment is not request.origin:
        hint = f"If you mean it, say so: FROM_ENV={manifest.environment}"
        yield Reason("environment", f"{name} is a backup of {manifest.environment}.", hint)
    elif manifest.sample and not target.sample and request.confirm != request.environment:
        yield Reason(
            "sample",
            f"{name} holds SAMPLE DATA, and {target.database} is somebody's own database.",
            f"If the sample is really to take its place, say CONFIRM={request.environment}",
        )
    elif needs_confirmation(request, manifest) and request.confirm != Environment.PROD:
        yield Reason(
            "confirmation",
            f"{name} is {manifest.environment}'s, and this is prod.",
            f"If {manifest.environment}'s data is to become prod's, say CONFIRM=prod as well.",
        )


def _target_refusals(request: RestoreRequest, target: RestoreTarget) -> Iterator[Reason]:
    """The target stands still, and there is nothing in it that would be lost."""
    if target.sessions and not request.force:
        listed = "".join(f"\n    {session}" for session in target.sessions)
        yield Reason(
            "sessions",
            f"{target.database} is in use by {len(target.sessions)} session(s):{listed}",
            "Stop the application first. restore-force would end these sessions.",
        )
    yield from prepared_transactions(target)
    if target.application.running and not request.force:
        yield Reason(
            "application",
            f"The application of {target.database} is running: {target.application}.",
            f"Stop it first: {target.application.stop}",
        )
    if not target.empty and not request.force:
        assert target.live is not None
        yield Reason(
            "not empty",
            f"{target.database} holds {target.live.relations} relations "
            f"({format_size(target.live.source.size)}). restore goes only into an empty or absent database.",
            "make restore-force keeps them aside, after a safety backup.",
        )


def prepared_transactions(target: RestoreTarget) -> Iterator[Reason]:
    """What keeps a database from being renamed and is ended by nobody but whoever knows what it was for."""
    if target.prepared:
        literals = [f"'{gid.replace(chr(39), 2 * chr(39))}'" for gid in target.prepared]
        yield Reason(
            "prepared transactions",
            f"{target.database} has {len(literals)} prepared transaction(s), and cannot be put aside: "
            f"{', '.join(literals)}.",
            f"In psql, in {target.database}: COMMIT PREPARED {literals[0]}; or: "
            f"ROLLBACK PREPARED {literals[0]};",
        )


def _space_refusals(rooms: Sequence[RequiredSpace]) -> Iterator[Reason]:
    for room in rooms:
        if room.lacking:
            yield Reason(
                "room",
                f"Not enough room {room.where}: about {room.figures}.",
                "Free room there. make status shows what old databases take.",
            )


def _space_warnings(rooms: Sequence[RequiredSpace]) -> Iterator[Reason]:
    for room in rooms:
        if room.free is None:
            yield Reason(
                "room", f"Needed {room.where}: about {format_size(room.needed)}. It cannot be seen from here."
            )


def _application_warnings(request: RestoreRequest, target: RestoreTarget) -> Iterator[Reason]:
    """Force ends sessions; who runs on will be back, and meet the restored database."""
    if target.application.running and request.force:
        yield Reason(
            "application",
            f"{target.application} will go on running: sessions are ended, and what it writes until the swap "
            f"is only in the safety backup or in the database kept aside. To stop it first: "
            f"{target.application.stop}",
        )


def _actions(plan: RestorePlan) -> Iterator[Action]:
    """The steps in order, each with its reason."""
    live, database = plan.target.live, plan.target.database
    if live and not plan.target.empty:
        yield Action("take a safety backup, prove it and pin it", f"{database} holds data now")
    if plan.missing_roles:
        yield Action(f"create the roles {', '.join(plan.missing_roles)}", "objects and grants name them")
    yield Action(f"restore into {plan.restoring}", "nothing half-restored is ever the live database")
    yield Action("compare with the seal, then ask the data rules", "only an equal copy may become live")
    yield Action("ANALYZE", "a restored database has no statistics")
    yield Action("carry over owner, grants, settings, comment and limits", "a dump does not hold them")
    manifest = plan.candidate.manifest
    if manifest and manifest.files and manifest.environment == plan.request.environment:
        what = f"unpack {len(manifest.files.files)} files beside theirs, and swap them in after the database"
        yield Action(what, "they were backed up as a pair")
    if live:
        ended = f"; end {len(plan.target.sessions)} session(s)" if plan.target.sessions else ""
        yield Action(f"swap by two renames in one transaction{ended}", f"the old one stays as {plan.before}")
    else:
        yield Action(f"rename it {database}", "there is no such database now")
    yield Action("check connection, application, samples and logs", "restored is not yet in service")
