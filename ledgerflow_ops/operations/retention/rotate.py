"""Rotates an environment's backups: plans which expire and why, and removes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.history import Removal
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, Busy, LedgerError, Refused
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention import retention_plan
from ledgerflow_ops.core.retention.retention_plan import (
    BackupCopy,
    RetentionCandidate,
    RetentionDecision,
    RetentionPlan,
)
from ledgerflow_ops.operations import catalog, journal, removal_history
from ledgerflow_ops.operations.archive.location_retention import environment_policy
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.retention import location_rotations, pins, removal
from ledgerflow_ops.operations.retention.location_rotations import LocationOutcome


@dataclass(frozen=True, slots=True)
class PlannedRotation:
    """What a rotation would do. `manifests` are those of the backups, by name.

    `strangers` are dumps and manifests that are not backups of this environment: they are never touched.
    `unfinished` are removals begun earlier, which are finished first.
    """

    env: EnvironmentContext
    plan: RetentionPlan
    manifests: Mapping[str, Manifest]
    strangers: tuple[str, ...]
    unfinished: tuple[Removal, ...]

    @property
    def size(self) -> int:
        """Bytes of the dumps that would be removed."""
        return sum(self.manifests[decision.name].dump.size for decision in self.plan.expired)

    def file_of(self, name: str) -> str:
        """The dump's file of one of the backups, by name."""
        return self.manifests[name].dump.file

    def asks(self, confirmed: str) -> bool:
        """Whether the rotation needs a confirmation that `confirmed`, the name typed, does not give."""
        return bool(self.plan.asks) and confirmed != self.env.environment

    def require(self, confirmed: str) -> None:
        """Refused (3) when the rotation needs a confirmation and has none."""
        environment = self.env.environment
        if not self.asks(confirmed):
            return
        mistyped = f" CONFIRM={confirmed!r} is not its name." if confirmed else ""
        raise Refused(
            f"This rotation of {environment} has to be confirmed: {self.plan.asks}.{mistyped} "
            "Nothing was removed.",
            hint=location_rotations.confirmation_hint(self.env),
        )

    def as_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "environment": str(self.env.environment),
            "edge": plan.edge.isoformat() if plan.edge else None,
            "measured_from": plan.since.isoformat() if plan.since else None,
            "stalled": plan.stalled,
            "asks": plan.asks,
            "keep": len(plan.decisions) - len(plan.expired),
            "expire": len(plan.expired),
            "expire_bytes": self.size,
            "backups": [_decision_json(self.manifests, decision) for decision in plan.decisions],
            "not_known": list(self.strangers),
            "unfinished": [begun.file for begun in self.unfinished],
        }


@dataclass(frozen=True, slots=True)
class RotationResult:
    """A rotation that took place. `left` are backups that should have been removed, with why they were not.

    `days` have lost their last backup, in this rotation or an earlier one, and Dagster still records them.
    `locations` are the archive locations with a retention of their own.
    """

    planned: PlannedRotation
    removed: tuple[str, ...]
    finished: tuple[str, ...]
    left: Mapping[str, str]
    days: tuple[date, ...]
    locations: tuple[LocationOutcome, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            **self.planned.as_json(),
            "locations": [outcome.as_json() for outcome in self.locations],
            "removed": list(self.removed),
            "finished": list(self.finished),
            "left": dict(self.left),
            "days_to_wipe": [day.isoformat() for day in self.days],
        }


def plan_rotation(env: EnvironmentContext) -> PlannedRotation:
    """What a rotation would do now, and why. Nothing is touched."""
    candidates, manifests, strangers = _candidates(env)
    policy, now = environment_policy(env), env.ctx.clock()
    removed = [backup.recovery_point for backup in removal_history.removed_backups(env)]
    plan = retention_plan.plan_retention(
        candidates, policy, now, now.astimezone(env.settings.zone).date(), removed
    )
    return PlannedRotation(env, plan, manifests, strangers, tuple(removal_history.unfinished_removals(env)))


def carry_out_rotation(env: EnvironmentContext, request: RotateRequest) -> RotationResult:
    """Rotate the environment's folder under its lock, and then each location with a retention of its own.

    Busy or Refused (3) with nothing removed anywhere. LedgerError (1) when the folder's file system fails on
    the way: the next rotation continues from there. What a location cannot do is in the result.
    """
    ctx = env.ctx
    with journal.recorded(env, "rotate") as note:
        with locks.environment_lock(ctx.settings.state_dir, env.environment, "rotate", ctx.clock()):
            done = _rotate_folder(env, request, note)
        done = replace(done, locations=location_rotations.rotate_locations(env, request.confirm))
        note["locations"] = [outcome.as_journal() for outcome in done.locations]
        ctx.reporter.step(Step.JOURNAL)
    return done


def _rotate_folder(env: EnvironmentContext, request: RotateRequest, note: dict[str, Any]) -> RotationResult:
    """Finish an earlier rotation, plan, and remove what expires. Requires the environment's lock."""
    leftover_sweep.sweep_before_operation(env)
    env.ctx.reporter.step(Step.PLAN)
    finished = list(finish_removals(env))
    planned = plan_rotation(env)
    planned.require(request.confirm)
    removed, left = list[str](), dict[str, str]()
    try:
        for decision in planned.plan.expired:
            if why := _remove(env, planned.manifests[decision.name], decision):
                left[decision.name] = why
            else:
                removed.append(decision.name)
        list(finish_removals(env))  # archives of files that only the last of these needed
        if planned.plan.since:
            removal_history.prune_history(env, planned.plan.since)
    finally:
        done = _result(env, planned, removed, finished, left)
        note |= _journal_fields(done, request.confirm)
    return done


def _remove(env: EnvironmentContext, manifest: Manifest, decision: RetentionDecision) -> str:
    """Remove one backup; returns why it was kept after all, empty when it was removed."""
    name = BackupName.of(manifest.dump.file)
    try:
        with locks.lock_for_removal(env.ctx.settings.state_dir, env.environment, name.stem):
            if pinned := pins.pin_reason(env, name):
                return f"pinned meanwhile: {pinned}"
            removal.continue_removal(env, removal.begin_removal(env, manifest, decision))
    except Busy as error:
        env.ctx.reporter.say(error.message)
        return error.message
    return ""


def finish_removals(env: EnvironmentContext) -> Iterator[str]:
    """Continue the removals that were begun; returns the files. One that was only recorded is planned again,
    and so is one whose backup somebody has put back since."""
    for unfinished in removal_history.unfinished_removals(env):
        if removal.is_untouched(env, unfinished):
            removal_history.withdraw_removal(env, unfinished)
            recording.record_removal(env, Kind.UNDO, unfinished.file)
        elif removal.was_reinstated(env, unfinished):
            env.ctx.reporter.say(f"{unfinished.file} is a backup again: its removal is cancelled")
            removal_history.record_removal(env, unfinished.model_copy(update={"parts": ()}))
            recording.record_removal(env, Kind.UNDO, unfinished.file)
        elif unfinished.parts or not unfinished.retired:
            removal.continue_removal(env, unfinished)
            yield unfinished.file


def _result(
    env: EnvironmentContext,
    planned: PlannedRotation,
    removed: list[str],
    finished: list[str],
    left: Mapping[str, str],
) -> RotationResult:
    present = {manifest.backup_day for name, manifest in planned.manifests.items() if name not in removed}
    removal_history.mark_wiped(env, present)  # a day that has another backup keeps its record
    days = sorted(removal_history.days_to_wipe(env, present))
    return RotationResult(planned, tuple(removed), tuple(finished), left, tuple(days))


def _candidates(
    env: EnvironmentContext,
) -> tuple[list[RetentionCandidate], dict[str, Manifest], tuple[str, ...]]:
    """The candidates of retention, their manifests by name, and the files that are not our backups."""
    users = locks.backups_in_use(env.ctx.settings.state_dir, env.environment)
    candidates, manifests, strangers = [], dict[str, Manifest](), list[str]()
    for entry in catalog.entries(env):
        if entry.manifest is None or not _is_own_backup(env, entry, entry.manifest):
            strangers.append(entry.name.dump)
            continue
        manifests[entry.name.stem] = entry.manifest
        candidates.append(_candidate(env, entry, entry.manifest, users.get(entry.name.stem, "")))
    return candidates, manifests, tuple(strangers)


def _is_own_backup(env: EnvironmentContext, entry: CatalogEntry, manifest: Manifest) -> bool:
    """Whether the manifest commits this dump, of this environment, and the dump is a plain file."""
    store, name = env.store, entry.name
    plain = store.size(name.dump) is not None or store.evicted(name.dump) or not store.taken(name.dump)
    return manifest.environment is env.environment and manifest.dump.file == name.dump and plain


def _candidate(
    env: EnvironmentContext, entry: CatalogEntry, manifest: Manifest, busy: str
) -> RetentionCandidate:
    reason, until = _pin(env, entry.name)
    return RetentionCandidate(
        name=entry.name.stem,
        day=manifest.backup_day,
        recovery_point=manifest.recovery_point,
        proven=entry.proven,
        bad=entry.bad,
        local=entry.local,
        pinned=reason,
        pinned_until=until,
        in_use=busy,
        copies=tuple(_copies(env, entry.name, manifest)),
    )


def _pin(env: EnvironmentContext, name: BackupName) -> tuple[str, datetime | None]:
    """A pin's reason and end. One that cannot be read, or is only in the cloud, has no end."""
    if env.store.evicted(name.pin):
        return f"{name.pin} is only in the cloud", None
    try:
        pin = pins.read_pin(env, name)
    except BadBackup as error:
        return error.message, None
    return (pin.reason, pin.until) if pin else ("", None)


def _copies(env: EnvironmentContext, name: BackupName, manifest: Manifest) -> Iterator[BackupCopy]:
    """The copies of the backup in further folders; a damaged copy counts as not proven.

    An object store is not asked: a rotation of the primary folder does not wait for a network.
    """
    for at in env.locations()[1:]:
        if at.location is None:
            continue
        if not at.store.taken(name.dump) and not at.store.taken(name.manifest):
            continue
        try:
            entry = catalog.entry(at, name)
        except LedgerError:
            yield BackupCopy(at.store.location, proven=False)
            continue
        if entry.manifest is None or entry.manifest.digest == manifest.digest:
            yield BackupCopy(at.store.location, proven=entry.proven)


def _decision_json(manifests: Mapping[str, Manifest], decision: RetentionDecision) -> dict[str, Any]:
    manifest = manifests[decision.name]
    return {
        "file": manifest.dump.file,
        "day": decision.day.isoformat(),
        "recovery_point": manifest.recovery_point.isoformat(),
        "size": manifest.dump.size,
        "decision": "expire" if decision.expires else "keep",
        "reasons": list(decision.reasons),
    }


def _journal_fields(done: RotationResult, confirmed: str) -> dict[str, Any]:
    """The fields of its journal entry: what was removed and why."""
    planned = done.planned
    return {
        "removed": [planned.file_of(name) for name in done.removed],
        "finished": list(done.finished),
        "left": dict(done.left),
        "kept": len(planned.plan.decisions) - len(done.removed),
        "edge": planned.plan.edge,
        "measured_from": planned.plan.since,
        "asked": planned.plan.asks,
        "confirmed": confirmed,
    }
