"""Copies an environment's proven backups to its archive locations, each within bounded time.

It only adds: what a location no longer keeps is removed by the rotation.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat
from ledgerflow_ops.core.archive.copies import CopyState, PlacedCopy
from ledgerflow_ops.core.archive.copy_plan import CopyDecision, CopyPlan, plan_copies
from ledgerflow_ops.core.catalog.catalog import CatalogEntry, newest_proven
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionCandidate
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.archive import copies_record
from ledgerflow_ops.operations.archive.archive_result import ArchiveResult, LocationResult
from ledgerflow_ops.operations.archive.copies import archive_contexts, copy_in, place_name
from ledgerflow_ops.operations.archive.copying import copy_backup
from ledgerflow_ops.operations.archive.location_access import bounded, is_read_only, require_reachable
from ledgerflow_ops.operations.archive.location_retention import location_candidates, location_policy
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import anchors


def archive_backups(env: EnvironmentContext) -> ArchiveResult:
    """Copy each proven backup to each archive location that lacks it, newest first.

    Never an error of a location: what failed is in the result. A location that makes no progress for
    `stall_seconds` is given up. Does not take the environment's lock: a backup may be taken meanwhile.
    """
    with journal.recorded(env, "archive") as note:
        env.ctx.reporter.step(Step.PLAN)
        entries = catalog.newest_first(env)
        results = tuple(_archive_to(env, at, entries) for at in archive_contexts(env))
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


def plan_all(env: EnvironmentContext) -> list[CopyPlan | LedgerError]:
    """What a run would do at each location, or why that cannot be said. Nothing is touched."""
    entries, plans = catalog.newest_first(env), list[CopyPlan | LedgerError]()
    for at in archive_contexts(env):
        try:
            plans.append(bounded(env, at, partial(_planned, env, at, entries)))
        except LedgerError as error:
            plans.append(error)
    return plans


def plan_location(
    env: EnvironmentContext, at: EnvironmentContext, entries: Iterable[CatalogEntry]
) -> CopyPlan:
    """Which of the primary folder's backups are copied to the location. Nothing is touched.

    LedgerError (1) where the location is not there.
    """
    require_reachable(at)
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
) -> CopyPlan:
    copies = plan_location(env, at, entries)
    heartbeat()
    return _without_copies(copies) if is_read_only(at) else copies


def _archive_to(
    env: EnvironmentContext, at: EnvironmentContext, entries: list[CatalogEntry]
) -> LocationResult:
    """Copy what one location lacks, in bounded time."""
    result = LocationResult(place_name(at))
    result.files = {entry.name.stem: entry.name.dump for entry in entries}
    try:
        bounded(env, at, lambda heartbeat: _LocationRun(env, at, result, heartbeat).carry_out(entries))
    except LedgerError as error:
        result.trouble = error
        env.ctx.reporter.say(f"{result.location}: {error.message}")
    return result


class _LocationRun:
    """The copies to one location."""

    def __init__(
        self, env: EnvironmentContext, at: EnvironmentContext, result: LocationResult, heartbeat: Heartbeat
    ) -> None:
        self.env, self.at, self.result, self.heartbeat = env, at, result, heartbeat

    def carry_out(self, entries: list[CatalogEntry]) -> None:
        self.result.plan = CopyPlan(self.result.location, tuple(_awaited(entries)))
        plan = plan_location(self.env, self.at, entries)
        self.heartbeat()
        self.result.plan = plan
        if is_read_only(self.at):
            if plan.to_copy:
                self.env.ctx.reporter.say(f"{self.at.store.location} is read-only: nothing is copied to it")
                self.result.plan = _without_copies(plan)
            return
        if plan.to_copy:
            self._copy_all(plan)
        self._anchor()

    def _copy_all(self, plan: CopyPlan) -> None:
        """Make the copies, under the location's lock."""
        ctx = self.env.ctx
        with locks.location_lock(
            ctx.settings.state_dir, self.env.environment, self.result.location, "archive", ctx.clock()
        ):
            for swept in self.at.store.sweep() if self.at.store.exists() else ():
                ctx.reporter.say(f"swept {swept} in {self.result.location}: left by an interrupted copy")
            for decision in plan.to_copy:
                self._copy(decision)

    def _anchor(self) -> None:
        """Write the signed history there. Where that fails the copies count: the watch tries it again."""
        self.heartbeat()
        try:
            anchors.anchor(self.env, self.at.store)
        except LedgerError as error:
            self.env.ctx.reporter.say(
                f"{self.result.location}: the history was not anchored there: {error.message}"
            )

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
