"""Copies an environment's proven backups to its archive locations, each within bounded time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar

from ledgerflow_ops.adapters.storage.stored_file import CHUNK
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat, run_bounded
from ledgerflow_ops.core.archive.copies import CopyState, PlacedCopy
from ledgerflow_ops.core.archive.copy_plan import CopyDecision, CopyPlan, plan_copies
from ledgerflow_ops.core.catalog.catalog import CatalogEntry, newest_proven
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import ArchiveRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionCandidate
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.archive import copies_record, location_rotation
from ledgerflow_ops.operations.archive.archive_result import ArchiveResult, LocationResult
from ledgerflow_ops.operations.archive.copies import archive_contexts, copy_in, place_name
from ledgerflow_ops.operations.archive.copying import copy_backup
from ledgerflow_ops.operations.archive.location_retention import location_candidates, location_policy
from ledgerflow_ops.operations.archive.location_rotation import LocationRotation
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import anchors

Result = TypeVar("Result")
_PLAIN = ArchiveRequest()


@dataclass(frozen=True, slots=True)
class LocationPlan:
    """What a run would do at one location: the copies, and then what its own retention removes there.

    `rotation` is None where the location follows the primary folder, or is read-only.
    """

    copies: CopyPlan
    rotation: LocationRotation | None = None


def archive_backups(env: EnvironmentContext, request: ArchiveRequest = _PLAIN) -> ArchiveResult:
    """Copy each proven backup to each archive location that lacks it, newest first, and rotate the locations
    that have a retention of their own.

    Never an error of a location: what failed is in the result. A location that makes no progress for
    `stall_seconds` is given up. Does not take the environment's lock: a backup may be taken meanwhile.
    """
    with journal.recorded(env, "archive") as note:
        env.ctx.reporter.step(Step.PLAN)
        entries = catalog.newest_first(env)
        results = tuple(_archive_to(env, at, entries, request.confirm) for at in archive_contexts(env))
        result = ArchiveResult(env, results, tuple(entry for entry in entries if entry.proven))
        note |= result.as_json()
        if result.troubles:
            note |= {"result": "failed", "error": "; ".join(error.message for error in result.troubles)}
        env.ctx.reporter.step(Step.JOURNAL)
        if result.proven:
            newest = result.proven[0].name
            copies_record.write_record(env, newest.dump, result.checks(newest), env.ctx.clock())
    return result


def require_locations(env: EnvironmentContext) -> None:
    """Refused (3) where no archive location is set for the environment."""
    if not archive_contexts(env):
        raise Refused(
            f"No archive location is set for {env.environment}.",
            hint=Hint("Write [[locations]] into ledgerflow.toml (docs/archive.md); then ", make("doctor")),
        )


def proven_backup_of(env: EnvironmentContext, day: date) -> BackupName:
    """The newest proven backup of a day; Refused (3) where the day has none: only these are copied."""
    for entry in catalog.newest_first(env):
        if entry.day == day and entry.proven:
            return entry.name
    raise Refused(
        f"There is no proven backup of {env.environment} of {day}: only proven ones are copied.",
        hint=Hint("Prove it: ", make("restore-test", env.environment, FILE=day)),
    )


def newest_proven_day(env: EnvironmentContext) -> date:
    """The day of the newest proven backup; Refused (3) where nothing is proven."""
    newest = newest_proven(catalog.newest_first(env))
    if newest is None or newest.day is None:
        raise Refused(
            f"No backup of {env.environment} is proven: only proven ones are copied.",
            hint=Hint("Take one: ", make("backup", env.environment)),
        )
    return newest.day


def plan_all(env: EnvironmentContext) -> list[LocationPlan | LedgerError]:
    """What a run would do at each location, or why that cannot be said. Nothing is touched."""
    entries, plans = catalog.newest_first(env), list[LocationPlan | LedgerError]()
    for at in archive_contexts(env):
        try:
            plans.append(_bounded(env, at, partial(_planned, env, at, entries)))
        except LedgerError as error:
            plans.append(error)
    return plans


def plan_location(
    env: EnvironmentContext, at: EnvironmentContext, entries: Iterable[CatalogEntry]
) -> CopyPlan:
    """Which of the primary folder's backups are copied to the location. Nothing is touched.

    LedgerError (1) where the location is not there.
    """
    _require_reachable(at)
    listed = list(entries)
    states = {entry.name.stem: copy_in(at, entry.name, _digest(entry)) for entry in listed}
    policy = location_policy(at)
    kept = location_candidates(at) if policy else []
    now = env.ctx.clock()
    candidates = [_candidate(entry) for entry in listed if entry.manifest]
    there = {name: _state_to_continue(copy) for name, copy in states.items()}
    return plan_copies(place_name(at), candidates, there, policy, now, env.today(), kept)


def _planned(
    env: EnvironmentContext, at: EnvironmentContext, entries: list[CatalogEntry], heartbeat: Heartbeat
) -> LocationPlan:
    copies = plan_location(env, at, entries)
    heartbeat()
    if _is_read_only(at):
        return LocationPlan(_without_copies(copies))
    names = {decision.name for decision in copies.to_copy}
    coming = [_candidate(entry) for entry in entries if entry.name.stem in names]
    return LocationPlan(copies, location_rotation.plan_rotation(env, at, coming))


def _is_read_only(at: EnvironmentContext) -> bool:
    return at.store.exists() and not at.store.writable()


def _archive_to(
    env: EnvironmentContext, at: EnvironmentContext, entries: list[CatalogEntry], confirmed: str
) -> LocationResult:
    """Copy what one location lacks, in bounded time."""
    result = LocationResult(place_name(at))
    result.files = {entry.name.stem: entry.name.dump for entry in entries}
    try:
        _bounded(
            env, at, lambda heartbeat: _LocationRun(env, at, result, heartbeat).carry_out(entries, confirmed)
        )
    except LedgerError as error:
        result.trouble = error
        env.ctx.reporter.say(f"{result.location}: {error.message}")
    return result


def _bounded(env: EnvironmentContext, at: EnvironmentContext, work: Callable[[Heartbeat], Result]) -> Result:
    """The result of work at a location; Unanswered (1) once it makes no progress for `stall_seconds`.

    A low rate limit is no standstill: progress is reported after each chunk.
    """
    rate = at.archive.rate_limit if at.archive else None
    patience = max(env.settings.stall_seconds, 2 * CHUNK / rate if rate else 0)
    return run_bounded(f"The archive location {place_name(at)}", work, patience)


class _LocationRun:
    """The copies to one location."""

    def __init__(
        self, env: EnvironmentContext, at: EnvironmentContext, result: LocationResult, heartbeat: Heartbeat
    ) -> None:
        self.env, self.at, self.result, self.heartbeat = env, at, result, heartbeat

    def carry_out(self, entries: list[CatalogEntry], confirmed: str) -> None:
        self.result.plan = CopyPlan(self.result.location, tuple(_awaited(entries)))
        plan = plan_location(self.env, self.at, entries)
        self.heartbeat()
        self.result.plan = plan
        works = plan.to_copy or location_policy(self.at) is not None
        if _is_read_only(self.at):
            if works:
                self.env.ctx.reporter.say(f"{self.at.store.location} is read-only: nothing is copied to it")
                self.result.plan = _without_copies(plan)
            return
        if works:
            self._work(plan, confirmed)
        self._anchor()

    def _work(self, plan: CopyPlan, confirmed: str) -> None:
        """Make the copies and rotate the location, under its lock."""
        ctx = self.env.ctx
        with locks.location_lock(
            ctx.settings.state_dir, self.env.environment, self.result.location, "archive", ctx.clock()
        ):
            for swept in self.at.store.sweep() if self.at.store.exists() else ():
                ctx.reporter.say(f"swept {swept} in {self.result.location}: left by an interrupted copy")
            for decision in plan.to_copy:
                self._copy(decision)
            self._rotate(confirmed)

    def _anchor(self) -> None:
        """Write the signed history there. Where that fails the copies count: the watch tries it again."""
        self.heartbeat()
        try:
            anchors.anchor(self.env, self.at.store)
        except LedgerError as error:
            self.env.ctx.reporter.say(
                f"{self.result.location}: the history was not anchored there: {error.message}"
            )

    def _rotate(self, confirmed: str) -> None:
        """Remove what the location's own retention no longer keeps."""
        self.heartbeat()
        self.result.removed, self.result.left = location_rotation.rotate(self.env, self.at, confirmed)
        for file in self.result.removed:
            self.env.ctx.reporter.say(f"{file}: removed from {self.result.location} by its retention")
        if self.result.left:
            self.env.ctx.reporter.say(f"{self.result.location}: {self.result.left}")

    def _copy(self, decision: CopyDecision) -> None:
        name = BackupName(decision.name).among(self.env.store.taken)
        try:
            with hold_backup(self.env, name, "archive"):
                manifest = catalog.read_manifest(self.env, name)
                if manifest is None:  # a rotation was quicker
                    return
                sent = copy_backup(self.env, self.at, manifest, self.heartbeat)
        except (BadBackup, Refused) as error:
            self.result.failed[decision.name] = error
            self.env.ctx.reporter.say(f"{self.result.location}: {error.message}")
        else:
            self.result.copied[decision.name] = sent
            where = f"copied to {self.result.location} and read back there"
            self.env.ctx.reporter.say(f"{name.dump}: {where} ({format_size(sent)} sent)")


def _awaited(entries: Iterable[CatalogEntry]) -> Iterator[CopyDecision]:
    """What a location should hold that has not been read yet: every proven backup."""
    for entry in entries:
        if entry.proven and entry.day:
            yield CopyDecision(entry.name.stem, entry.day, True, "it is proven", awaited=True)


def _without_copies(plan: CopyPlan) -> CopyPlan:
    """The plan of a location that somebody else fills: nothing is awaited from us."""
    reason = "the location is read-only: its copies are made by others"
    decisions = (
        CopyDecision(decision.name, decision.day, False, reason) if decision.copies else decision
        for decision in plan.decisions
    )
    return CopyPlan(plan.location, tuple(decisions))


def _require_reachable(at: EnvironmentContext) -> None:
    if not at.store.reachable():
        raise LedgerError(
            f"The archive location {place_name(at)} ({at.store.home}) is not there.",
            hint=Hint(
                "Is its disk mounted, its network up? Then ", make("archive"), " copies what is missing."
            ),
        )


def _state_to_continue(copy: PlacedCopy) -> CopyState:
    """The state that the plan sees: a committed copy without a proof is read back, and its proof copied."""
    return CopyState.INCOMPLETE if copy.state is CopyState.UNPROVEN else copy.state


def _digest(entry: CatalogEntry) -> str:
    return entry.manifest.digest if entry.manifest else ""


def _candidate(entry: CatalogEntry) -> RetentionCandidate:
    assert entry.manifest
    return RetentionCandidate(
        name=entry.name.stem,
        day=entry.manifest.backup_day,
        recovery_point=entry.manifest.recovery_point,
        proven=entry.proven,
        bad=entry.bad,
        local=entry.local,
    )
