"""Measures the disks that backups and databases lie on, and remembers what was free: for the trend.

The measurements are in the state folder (`disks.json`): one each hour for two days, then one a day for 400
days. They can be lost: then the trend is not known for four days.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.load import data_directory, restore_server
from ledgerflow_ops.adapters.storage import cache
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.core import space_estimates
from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.monitoring import disk_forecast
from ledgerflow_ops.core.monitoring.disk_findings import Disk
from ledgerflow_ops.core.monitoring.disk_forecast import Measurement
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_HOUR = timedelta(hours=1)
_RETRY_AFTER = timedelta(minutes=10)
_FILE = "disks.json"


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder of ours and what it is for; `needs` are the bytes that will be written there next."""

    path: Path
    holds: str
    needs: int


def measure_disks(ctx: OperationContext) -> list[Disk]:
    """Every disk that something of ours lies on: one entry for each, whatever lies there together.

    A folder that cannot be asked, such as an archive whose disk is away, is an entry that says why.
    """
    now, memory = ctx.clock(), remembered_measurements(ctx)
    newest = [_newest_sizes(ctx.env(environment)) for environment in ctx.settings.environments]
    found: dict[int, Disk] = {}
    away: list[Disk] = []
    for place in _measured_places(ctx, newest):
        try:
            if place.holds == "archive" and not place.path.is_dir():
                raise LedgerError(f"{place.path} is not there.", hint=Hint("Is its disk mounted?"))
            space = disk_space.space(place.path)
        except LedgerError as error:
            away.append(Disk(str(place.path), (place.holds,), None, None, why=error.message))
            continue
        if space.number in found:
            found[space.number] = _with_place(found[space.number], place)
        else:
            measurement = Measurement(now, space.free, space.size, space.free_files, space.files)
            history = [*memory.get(str(place.path), []), measurement]
            trend = disk_forecast.forecast_full(history, now)
            found[space.number] = Disk(str(place.path), (place.holds,), measurement, trend, place.needs)
            memory[str(place.path)] = history
    _save_measurements(ctx, memory, now)
    return [*found.values(), *away]


def remembered_measurements(ctx: OperationContext) -> dict[str, list[Measurement]]:
    """What was measured before, by folder, the oldest first; nothing is asked."""
    held = _read_record(ctx.settings.state_dir / _FILE)
    try:
        return {
            str(path): [Measurement(datetime.fromisoformat(at), *values) for at, *values in rows]
            for path, rows in held.get("disks", {}).items()
        }
    except (TypeError, ValueError, AttributeError):
        return {}


def database_disk(env: EnvironmentContext) -> tuple[Path | None, str]:
    """Where the environment's server keeps its data, if on a disk of this machine; else None, and why not.

    Remembered for an hour; a server that cannot be reached is asked again after ten minutes.
    """
    if env.is_sample:
        cluster = env.ctx.embedded.cluster
        return (cluster.data, "") if cluster.made else (None, "the sample's server was never started")
    if env.container:
        return None, "the server is in a container"
    answer = _data_folder_answer(env)
    return (Path(answer["path"]) if answer["path"] else None), str(answer["why"])


def connection_problem(env: EnvironmentContext) -> str:
    """Why the environment's server cannot be reached; empty where it can, or is not asked: the sample's.

    An answer is good for ten minutes: a dead host takes as long to answer as a tick of a sensor may.
    """
    if env.is_sample:
        return ""
    file = env.ctx.settings.state_dir / "index" / f"{env.environment}.reached.json"
    held, now = _read_record(file), env.ctx.clock()
    if _age(held, now) <= _RETRY_AFTER:
        return str(held.get("trouble", ""))
    try:
        with restore_server.glance(env.database()).connect():
            message = ""
    except LedgerError as error:
        message = error.message
    cache.save(file, encode_sealed({"at": now.isoformat(), "trouble": message}))
    return message


def _data_folder_answer(env: EnvironmentContext) -> Mapping[str, Any]:
    file = env.ctx.settings.state_dir / "index" / f"{env.environment}.disk.json"
    held, now = _read_record(file), env.ctx.clock()
    if _age(held, now) <= (_HOUR if held.get("path") else _RETRY_AFTER):
        return held
    try:
        path, why = data_directory.data_folder(env.database())
    except LedgerError as error:
        path, why = None, error.message
    answer = {"at": now.isoformat(), "path": str(path or ""), "why": why}
    cache.save(file, encode_sealed(answer))
    return answer


def _age(held: Mapping[str, Any], now: datetime) -> timedelta:
    """How old an answer is; very old where there is none, or it is from the future."""
    try:
        age = now - datetime.fromisoformat(held["at"])
    except (KeyError, TypeError, ValueError):
        return timedelta.max
    return age if age >= timedelta(0) else timedelta.max


def _measured_places(
    ctx: OperationContext, newest: Sequence[space_estimates.LastDump | None]
) -> Iterator[_Place]:
    settings, known = ctx.settings, [one for one in newest if one]
    needed = sum(space_estimates.dump_needs(one.database_size, one) for one in known)
    yield _Place(settings.backup_root, "backups", needed)
    for root in settings.archive_roots:
        yield _Place(root, "archive", 0)
    drills = max((space_estimates.drill_needs(one.database_size) for one in known), default=0)
    yield _Place(settings.state_dir, "state", 0)
    yield _Place(ctx.lodging.root, "drills", drills)
    for environment in settings.environments:
        folder, _ = database_disk(ctx.env(environment))
        if folder:
            yield _Place(folder, f"database of {environment}", 0)


def _newest_sizes(env: EnvironmentContext) -> space_estimates.LastDump | None:
    """The sizes of the newest backup by its name: of ten thousand, no other is read for them."""
    try:
        names = (BackupName.of(file) for file in reversed(env.store.names(MANIFEST)))
        # Standard names in the order of the alphabet are in the order of time.
        dated = next((name for name in names if naming.claimed_instant(name)), None)
        found = catalog.read_manifest(env, dated) if dated else None
    except LedgerError:
        return None
    return space_estimates.LastDump(found.dump.size, found.source.size) if found else None


def _with_place(disk: Disk, place: _Place) -> Disk:
    """A disk on which another place lies as well."""
    holds = disk.holds if place.holds in disk.holds else (*disk.holds, place.holds)
    return Disk(disk.path, holds, disk.now, disk.forecast, disk.needs + place.needs)


def _save_measurements(
    ctx: OperationContext, memory: Mapping[str, Sequence[Measurement]], now: datetime
) -> None:
    """Keep the measurements, one an hour at the most."""
    kept = {path: disk_forecast.thin_history(_hourly(history), now) for path, history in memory.items()}
    rows = {
        path: [[one.at.isoformat(), one.free, one.total, one.free_files, one.total_files] for one in history]
        for path, history in kept.items()
        if history
    }
    file = ctx.settings.state_dir / _FILE
    if _read_record(file).get("disks") != rows:
        cache.save(file, encode_sealed({"disks": rows}))


def _hourly(history: Sequence[Measurement]) -> list[Measurement]:
    """Without the last one, where the one before it is not an hour old."""
    if len(history) > 1 and timedelta(0) <= history[-1].at - history[-2].at < _HOUR:
        return list(history[:-1])
    return list(history)


def _read_record(file: Path) -> dict[str, Any]:
    data = cache.load(file)
    try:
        return decode_sealed(data, file.name) if data else {}
    except BadBackup:
        return {}
