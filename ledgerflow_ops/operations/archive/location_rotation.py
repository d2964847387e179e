"""Removes what an archive location with a retention of its own no longer keeps.

The plan is the retention's own. A removal is recorded in the state folder before the first file goes, the
manifest goes first, and the next rotation of the location finishes what a crash interrupts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.adapters.system.bounded_work import Heartbeat
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.archive.spared_copies import spare_only_copies
from ledgerflow_ops.core.catalog.history import RemovalPart
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionDecision, RetentionPlan, plan_retention
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.archive.copies import PRIMARY, copy_in, place_name
from ledgerflow_ops.operations.archive.location_retention import location_candidates, location_policy
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import pins, removal

_RECORD = ".removal.json"


@dataclass(frozen=True, slots=True)
class LocationRotation:
    """What a location's retention would remove. `files` are the dumps, by name, `sizes` bytes of each expired
    backup, by name.
    """

    env: EnvironmentContext
    location: str
    plan: RetentionPlan
    files: Mapping[str, str]
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes that would be freed. Archives of files that other backups need are not counted."""
        return sum(self.sizes.values())

    def asks(self, confirmed: str) -> bool:
        """Whether it needs a confirmation that `confirmed`, the name typed, does not give."""
        return bool(self.plan.asks) and confirmed != self.env.environment

    def as_json(self) -> dict[str, Any]:
        plan, expired = self.plan, self.plan.expired
        return {
            "edge": plan.edge.isoformat() if plan.edge else None,
            "asks": plan.asks,
            "keep": len(plan.decisions) - len(expired),
            "expire": len(expired),
            "expire_bytes": self.size,
            "backups": [self._decision_json(decision) for decision in plan.decisions],
        }

    def _decision_json(self, decision: RetentionDecision) -> dict[str, Any]:
        return {
            "file": self.files[decision.name],
            "day": decision.day.isoformat(),
            "decision": "expire" if decision.expires else "keep",
            "reasons": list(decision.reasons),
        }


def plan_rotation(env: EnvironmentContext, at: EnvironmentContext) -> LocationRotation:
    """What a location with a retention of its own would remove now, and why. Nothing is touched.

    LedgerError (1) where the location cannot be read.
    """
    policy = location_policy(at)
    assert policy
    pinned = {BackupName.of(pin.file).stem: pin for pin in pins.active_pins(env)}
    candidates = [
        replace(candidate, pinned=pin.reason, pinned_until=pin.until)
        if (pin := pinned.get(candidate.name))
        else candidate
        for candidate in location_candidates(at)
    ]
    plan = plan_retention(candidates, policy, env.ctx.clock(), env.today())
    spared = {decision.name for decision in plan.expired if _is_only_proven_copy(env, at, decision.name)}
    plan = spare_only_copies(plan, spared)
    files = {entry.name.stem: entry.name.dump for entry in catalog.entries(at)}
    sizes = {decision.name: _size(at, decision.name) for decision in plan.expired}
    return LocationRotation(env, place_name(at), plan, files, sizes)


def rotate(
    env: EnvironmentContext, at: EnvironmentContext, confirmed: str, heartbeat: Heartbeat
) -> tuple[LocationRotation, list[str]]:
    """Remove what expires in a location; returns the plan, and the dumps removed.

    Requires the location's lock. A plan that asks is carried out only if `confirmed` is the environment's
    name.
    """
    _finish_removals(env, at)
    planned = plan_rotation(env, at)
    if not planned.plan.expired or planned.asks(confirmed):
        return planned, []
    removed = list[str]()
    with journal.recorded(env, "rotate", part=True) as note:
        note |= {"location": planned.location, "removed": removed, "edge": planned.plan.edge}
        for decision in planned.plan.expired:
            heartbeat()
            removed.append(_remove(env, at, decision.name))
    return planned, removed


def _is_only_proven_copy(env: EnvironmentContext, at: EnvironmentContext, stem: str) -> bool:
    """Whether the primary folder still keeps this backup and no other location has a good copy of it."""
    name = BackupName(stem)
    if not env.store.taken(name.manifest):
        return False
    others = [other for other in env.locations() if place_name(other) != place_name(at)]
    return not any(copy_in(other, name, "").state is CopyState.GOOD for other in others)


def _size(at: EnvironmentContext, stem: str) -> int:
    manifest = catalog.read_manifest(at, BackupName(stem))
    roles = manifest.globals.size if manifest and manifest.globals else 0
    return (manifest.dump.size if manifest else 0) + roles


def _remove(env: EnvironmentContext, at: EnvironmentContext, stem: str) -> str:
    """Remove one backup from the location; returns its dump."""
    name = BackupName(stem).among(at.store.taken)
    with hold_backup(env, name, "rotate"):
        at.ctx.reporter.step(Step.NOTE)
        part = removal.recorded_part(at.store, name, at.store.home)
        record = _write(env, at, stem, part)
        at.ctx.reporter.step(Step.REMOVE_COPY)
        _settle(at, record, removal.remove_files(at, part, iter(())))
    return name.dump


def _finish_removals(env: EnvironmentContext, at: EnvironmentContext) -> None:
    for record in _records(env, at):
        with translated(record):
            part = RemovalPart.model_validate(regular_files.read_json(record))
        _settle(at, record, removal.remove_files(at, part, iter(())))


def _settle(at: EnvironmentContext, record: Path, left: RemovalPart | None) -> None:
    """Delete the record of a removal that is complete; one that an archive of files waits for stays."""
    at.ctx.reporter.step(Step.SETTLE)
    if left is None:
        with translated(record):
            record.unlink(missing_ok=True)
    else:
        durable_record.write(record.parent, record.name, left.model_dump_json())


def _write(env: EnvironmentContext, at: EnvironmentContext, stem: str, part: RemovalPart) -> Path:
    folder = _folder(env, at)
    durable_record.write(folder, stem + _RECORD, part.model_dump_json())
    return folder / (stem + _RECORD)


def _records(env: EnvironmentContext, at: EnvironmentContext) -> Iterator[Path]:
    folder = _folder(env, at)
    yield from sorted(folder.glob(f"*{_RECORD}"))


def _folder(env: EnvironmentContext, at: EnvironmentContext) -> Path:
    assert place_name(at) != PRIMARY
    return env.ctx.settings.state_dir / "removals" / env.environment / place_name(at)
