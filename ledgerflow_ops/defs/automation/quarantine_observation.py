"""What an environment's watch records of the quarantine: an observation for each move, in and back out.

The records in the quarantine are compared with the observations in Dagster's storage. So a move is recorded
once, whoever made it, also where a tick was cut off or its cursor was lost. A backup that was moved back
before the next tick leaves none.
"""

import hashlib
from collections.abc import Sequence

import dagster as dg

from ledgerflow_ops.core.catalog.quarantine import ENDING, Quarantined
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.defs.names import DUMP, asset_key
from ledgerflow_ops.operations.context import EnvironmentContext

_INSIDE = "in quarantine: no backup any more"
_READ = 1000
"""The number of newest observations that are read. Only moves into quarantine and back make any."""

_Move = tuple[str, str]
"""The file, and the instant of its quarantine: "" in observations of earlier versions."""


def read_quarantine(
    env: EnvironmentContext, instance: dg.DagsterInstance, before: str
) -> tuple[str, list[dg.AssetObservation]]:
    """The digest of the quarantine now, and the observations that are missing in the storage.

    `before` is the digest that the last tick has left. Dagster is asked only if it differs.
    """
    from ledgerflow_ops.operations.quarantined import quarantined_backups

    records = quarantined_backups(env)
    digest = hashlib.sha256(b"".join(record.encode() for record in records)).hexdigest()
    if digest == before:
        return digest, []
    shown = _shown_inside(env, instance)
    return digest, [*_moved_out(env, records, shown), *_moved_in(env, records, shown)]


def _shown_inside(env: EnvironmentContext, instance: dg.DagsterInstance) -> dict[_Move, str]:
    """The moves whose newest observation says that the backup is in quarantine, with their partitions."""
    observed = instance.fetch_observations(asset_key(env, DUMP), _READ).records
    newest: dict[_Move, dg.AssetObservation] = {}
    for record in reversed(observed):
        if observation := record.asset_observation:
            newest[_text(observation, "file"), _text(observation, "moved")] = observation
    return {
        move: str(observation.partition)
        for move, observation in newest.items()
        if _text(observation, "state") == _INSIDE
    }


def _text(observation: dg.AssetObservation, name: str) -> str:
    return str(observation.metadata[name].value) if name in observation.metadata else ""


def _move(record: Quarantined) -> _Move:
    return record.file, record.at.isoformat()


def _moved_in(
    env: EnvironmentContext, records: Sequence[Quarantined], shown: dict[_Move, str]
) -> list[dg.AssetObservation]:
    """The observations of the finished moves that are not shown; without days that have no partition."""
    days = backup_days(env)
    return [
        _observation(env, record.day.isoformat(), _facts_inside(env, record))
        for record in records
        if record.complete
        and not shown.keys() & {_move(record), (record.file, "")}
        and record.day
        and days.has_partition_key(record.day.isoformat())
    ]


def _moved_out(
    env: EnvironmentContext, records: Sequence[Quarantined], shown: dict[_Move, str]
) -> list[dg.AssetObservation]:
    """The observations of what is shown and is in quarantine no more; none while a record cannot be read."""
    from ledgerflow_ops.operations.quarantined import quarantine_store

    if len(quarantine_store(env).names(ENDING)) != len(records):
        return []
    again = {record.file for record in records}
    inside = {_move(record) for record in records} | {(file, "") for file in again}
    return [
        _observation(env, partition, _facts_outside(env, move, move[0] in again))
        for move, partition in shown.items()
        if move not in inside
    ]


def _observation(env: EnvironmentContext, partition: str, facts: dict[str, str]) -> dg.AssetObservation:
    return dg.AssetObservation(asset_key(env, DUMP), partition=partition, metadata=facts)


def _facts_inside(env: EnvironmentContext, record: Quarantined) -> dict[str, str]:
    from ledgerflow_ops.operations.quarantined import quarantine_store

    file, moved = _move(record)
    return {
        "state": _INSIDE,
        "file": file,
        "moved": moved,
        "who": record.who,
        "folder": quarantine_store(env).location,
        "was": f"{record.state}: {record.problem}" if record.problem else record.state,
        "why": record.reason or "no reason was given",
        "undo": str(make("quarantine", env.environment, FILE=file, UNDO=1)),
    }


def _facts_outside(env: EnvironmentContext, move: _Move, again: bool) -> dict[str, str]:
    """Of a backup that was moved back (and perhaps in `again`); or whose files somebody has removed."""
    file, moved = move
    if again or env.store.taken(file):
        state, command = "moved back out of quarantine: verify it", make("verify", env.environment, FILE=file)
    else:
        state, command = "neither in quarantine nor in the folder any more", make("status", env.environment)
    return {"state": state, "file": file, "moved": moved, "next": str(command)}
