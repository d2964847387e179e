"""Drills, night after night, the backups whose proof is oldest."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.schedule import drill_rotation
from ledgerflow_ops.core.schedule.drill_rotation import DrillCandidate, PlannedDrill, RotationStatus
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.operations.verification.examination import Examination


@dataclass(frozen=True, slots=True)
class RollingDrillResult:
    """The result of one planned drill: the examination, or `trouble` where there could be none."""

    planned: PlannedDrill
    seconds: float
    examination: Examination | None
    trouble: LedgerError | None = None


def drill_candidates(env: EnvironmentContext) -> list[DrillCandidate]:
    """The environment's backups as candidates of the rolling drill. Dumps without a manifest are left out."""
    return [_candidate(entry) for entry in catalog.entries(env) if entry.manifest]


def drill_status(env: EnvironmentContext) -> RotationStatus:
    """How much the rolling drill has covered in this environment, and how far its budget reaches."""
    settings = env.settings
    return drill_rotation.rotation_status(
        drill_candidates(env), env.ctx.clock(), settings.redrill_days, settings.redrill_minutes
    )


def plan_drills(env: EnvironmentContext) -> list[PlannedDrill]:
    """The drills that would run now, in order."""
    settings = env.settings
    return drill_rotation.plan_tonight(
        drill_candidates(env), env.ctx.clock(), settings.redrill_days, settings.redrill_minutes
    )


def run_rolling_drill(
    env: EnvironmentContext, budget_seconds: float | None = None
) -> Iterator[RollingDrillResult]:
    """Run tonight's drills one after the other, while the time lasts: the settings' budget, or
    `budget_seconds` if that is less.

    A drill that cannot be carried out, or finds a bad backup, does not stop the others.
    """
    whole = env.settings.redrill_minutes * 60.0
    watch, left = Stopwatch(), whole if budget_seconds is None else min(whole, budget_seconds)
    for planned in plan_drills(env):
        if planned.seconds > left:
            env.ctx.reporter.say(f"{planned.kept.file} waits: the night's time is used up")
            continue
        examination, trouble = None, None
        with watch.phase(planned.kept.file):
            try:
                examination = drill.drill(env, BackupName.of(planned.kept.file))
            except LedgerError as error:
                trouble = error
        spent = watch.durations[planned.kept.file]
        left -= spent
        yield RollingDrillResult(planned, spent, examination, trouble)


def _candidate(entry: CatalogEntry) -> DrillCandidate:
    proof, manifest = entry.proof, entry.manifest
    assert manifest is not None
    restored = proof if proof and proof.server_version else None
    seconds = restored.durations.get("drill") if restored else None
    return DrillCandidate(
        file=entry.name.dump,
        day=manifest.backup_day,
        size=manifest.dump.size,
        restored_at=restored.examined_at if restored else None,
        seconds=seconds,
        trouble="its bytes are in the cloud only" if not entry.local else "it is bad" if entry.bad else "",
    )
