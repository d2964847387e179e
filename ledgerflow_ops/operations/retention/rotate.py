"""Rotates an environment's backups: plans what may go and why, and carries that out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.history import Removal
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup, Busy, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention import retention_plan
from ledgerflow_ops.core.retention.retention_plan import (
    BackupCopy,
    RetentionCandidate,
    RetentionDecision,
    RetentionPlan,
    RetentionPolicy,
)
from ledgerflow_ops.operations import catalog, journal, removal_history
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import pins, removal


@dataclass(frozen=True, slots=True)
class PlannedRotation:
    """What a rotation would do. `strangers` are dumps and manifests that are no backup of this environment:

    they are never touched. `unfinished` are removals that were begun before, to be finished first.
    """

    env: EnvironmentContext
    plan: RetentionPlan
    known: Mapping[str, Manifest]
    strangers: tuple[str, ...]
    unfinished: tuple[Removal, ...]

    @property
    def size(self) -> int:
        """Bytes of dumps that would go."""
        return sum(self.known[decision.name].dump.size for decision in self.plan.expired)

    def asks(self, confirmed: str) -> bool:
        """Whether somebody must agree who has not typed the environment's name."""
        return bool(self.plan.asks) and confirmed != self.env.environment

    def require(self, confirmed: str) -> None:
        """Refused when somebody must agree and nobody did."""
        environment = self.env.environment
        if not self.asks(confirmed):
            return
        said = f" CONFIRM={confirmed!r} is not its name." if confirmed else ""
        raise Refused(
            f"This rotation of {environment} has to be confirmed: {self.plan.asks}.{said} "
            "Nothing was removed.",
            hint=Hint(
                make("rotate", DRY_RUN=1),
                " lists what goes. If it is right: ",
                make("rotate", CONFIRM=environment),
                " (in the web page: confirm in the run's settings).",
            ),
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
            "backups": [_decision_json(self.known, decision) for decision in plan.decisions],
            "not_known": list(self.strangers),
            "unfinished": [going.file for going in self.unfinished],
        }


@dataclass(frozen=True, slots=True)
class RotationResult:
    """A rotation that took place. `left` are those that should have gone, with why they did not.

    `days` have lost their last backup, in this rotation or one before, and are still on Dagster's record.
    """

    planned: PlannedRotation
    removed: tuple[str, ...]
    finished: tuple[str, ...]
    left: Mapping[str, str]
    days: tuple[date, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            **self.planned.as_json(),
            "removed": list(self.removed),
            "finished": list(self.finished),
            "left": dict(self.left),
            "days_to_wipe": [day.isoformat() for day in self.days],
        }


def plan_rotation(env: EnvironmentContext) -> PlannedRotation:
    """What a rotation would do now, and why; nothing is touched."""
    held, known, strangers = _candidates(env)
    settings, now = env.settings, env.ctx.clock()
    policy = RetentionPolicy(
        days=settings.retention_days,
        minimum=settings.minimum_redundancy,
        weekly=settings.keep_weekly,
        monthly=settings.keep_monthly,
        yearly=settings.keep_yearly,
        share=settings.expire_share,
    )
    past = [one.recovery_point for one in removal_history.removed_backups(env)]
    made = retention_plan.plan_retention(held, policy, now, now.astimezone(settings.zone).date(), past)
    return PlannedRotation(env, made, known, strangers, tuple(removal_history.unfinished_removals(env)))


def carry_out_rotation(env: EnvironmentContext, request: RotateRequest) -> RotationResult:
    """Finish what an earlier rotation has left, plan anew, and remove what expires.

    All of it under the environment's lock. Busy or Refused (3): nothing was removed. LedgerError (1) when the
    file system says no in the middle: the next rotation goes on from there.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "rotate") as note,
        locks.exclusive(ctx.settings.state_dir, env.environment, "rotate", ctx.clock()),
    ):
        leftover_sweep.sweep_before_operation(env)
        ctx.reporter.step(Step.PLAN)
        finished = list(_finish_removals(env))
        planned = plan_rotation(env)
        planned.require(request.confirm)
        removed, left = list[str](), dict[str, str]()
        try:
            for decision in planned.plan.expired:
                if why := _remove(env, planned.known[decision.name], decision):
                    left[decision.name] = why
                else:
                    removed.append(decision.name)
            list(_finish_removals(env))  # archives of files that none but the last of these needed
            if planned.plan.since:
                removal_history.prune_history(env, planned.plan.since)
        finally:
            done = _result(env, planned, removed, finished, left)
            ctx.reporter.step(Step.JOURNAL)
            note |= _journal_fields(done, request.confirm)
        return done


def _remove(env: EnvironmentContext, manifest: Manifest, decision: RetentionDecision) -> str:
    """Remove one backup; why it was left in peace after all, empty when it is gone."""
    name = BackupName.of(manifest.dump.file)
    try:
        with locks.alone(env.ctx.settings.state_dir, env.environment, name.stem):
            if pinned := pins.pin_reason(env, name):
                return f"pinned meanwhile: {pinned}"
            removal.continue_removal(env, removal.begin_removal(env, manifest, decision))
    except Busy as error:
        env.ctx.reporter.say(error.message)
        return error.message
    return ""


def _finish_removals(env: EnvironmentContext) -> Iterator[str]:
    """Go on with the removals that were begun; the names. One that was only noted is planned anew, and so is
    one whose backup somebody has brought back since."""
    for going in removal_history.unfinished_removals(env):
        if removal.is_untouched(env, going):
            removal_history.withdraw_removal(env, going)
        elif removal.was_reinstated(env, going):
            env.ctx.reporter.say(f"{going.file} is a backup again: what is left of its removal is called off")
            removal_history.record_removal(env, going.model_copy(update={"parts": ()}))
        elif going.parts or not going.retired:
            removal.continue_removal(env, going)
            yield going.file


def _result(
    env: EnvironmentContext,
    planned: PlannedRotation,
    removed: list[str],
    finished: list[str],
    left: Mapping[str, str],
) -> RotationResult:
    present = {manifest.backup_day for name, manifest in planned.known.items() if name not in removed}
    removal_history.mark_wiped(env, present)  # a day that has another backup keeps its record
    days = sorted(removal_history.days_to_wipe(env, present))
    return RotationResult(planned, tuple(removed), tuple(finished), left, tuple(days))


def _candidates(
    env: EnvironmentContext,
) -> tuple[list[RetentionCandidate], dict[str, Manifest], tuple[str, ...]]:
    """The backups as retention sees them, their manifests by name, and what is no backup of ours."""
    busy = locks.in_use(env.ctx.settings.state_dir, env.environment)
    held, known, strangers = [], dict[str, Manifest](), list[str]()
    for entry in catalog.entries(env):
        if entry.manifest is None or not _is_own_backup(env, entry, entry.manifest):
            strangers.append(entry.name.dump)
            continue
        known[entry.name.stem] = entry.manifest
        held.append(_candidate(env, entry, entry.manifest, busy.get(entry.name.stem, "")))
    return held, known, tuple(strangers)


def _is_own_backup(env: EnvironmentContext, entry: CatalogEntry, manifest: Manifest) -> bool:
    """Whether the manifest commits this very dump, of this environment, and the dump is a plain file."""
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
    """A pin's reason and end. One that cannot be read, or is only in the cloud, holds without an end."""
    if env.store.evicted(name.pin):
        return f"{name.pin} is only in the cloud", None
    try:
        found = pins.read_pin(env, name)
    except BadBackup as error:
        return error.message, None
    return (found.reason, found.until) if found else ("", None)


def _copies(env: EnvironmentContext, name: BackupName, manifest: Manifest) -> Iterator[BackupCopy]:
    """The same backup in the further locations; one that is not whole is there, and not proven."""
    for at in env.locations()[1:]:
        if not at.store.taken(name.dump) and not at.store.taken(name.manifest):
            continue
        try:
            entry = catalog.entry(at, name)
        except LedgerError:
            yield BackupCopy(at.store.location, proven=False)
            continue
        if entry.manifest is None or entry.manifest.digest == manifest.digest:
            yield BackupCopy(at.store.location, proven=entry.proven)


def _decision_json(known: Mapping[str, Manifest], decision: RetentionDecision) -> dict[str, Any]:
    manifest = known[decision.name]
    return {
        "file": manifest.dump.file,
        "day": decision.day.isoformat(),
        "recovery_point": manifest.recovery_point.isoformat(),
        "size": manifest.dump.size,
        "decision": "expire" if decision.expires else "keep",
        "reasons": list(decision.reasons),
    }


def _journal_fields(done: RotationResult, confirmed: str) -> dict[str, Any]:
    """What the journal says of it: what went and why, not what stayed."""
    planned = done.planned
    return {
        "removed": [f"{name}.dump" for name in done.removed],
        "finished": list(done.finished),
        "left": dict(done.left),
        "kept": len(planned.plan.decisions) - len(done.removed),
        "edge": planned.plan.edge,
        "measured_from": planned.plan.since,
        "asked": planned.plan.asks,
        "confirmed": confirmed,
    }
