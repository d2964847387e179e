"""Measures the disks of backups and databases, and keeps the measurements for the trend.

They are in the state folder (`disks.json`): one an hour for two days, then one a day for 400 days. If they
are lost, the trend is not known for four days.
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
    """A folder and what it holds; `needs` are the bytes that will be written there next."""

    path: Path
    holds: str
    needs: int


def measure_disks(ctx: OperationContext) -> list[Disk]:
    """Every disk that we use: one entry for each file system, whichever folders share it.

    A folder that cannot be measured, such as an unmounted archive, is an entry with the reason.
    """
    now, histories = ctx.clock(), remembered_measurements(ctx)
    newest = [_newest_sizes(ctx.env(environment)) for environment in ctx.settings.environments]
    disks: dict[int, Disk] = {}
    unreachable: list[Disk] = []
    for place in _measured_places(ctx, newest):
        try:
            if place.holds == "archive" and not place.path.is_dir():
                raise LedgerError(f"{place.path} is not there.", hint=Hint("Is its disk mounted?"))
            space = disk_space.read_disk_space(place.path)
        except LedgerError as error:
            unreachable.append(Disk(str(place.path), (place.holds,), None, None, why=error.message))
            continue
        if space.number in disks:
            disks[space.number] = _with_place(disks[space.number], place)
        else:
            measurement = Measurement(now, space.free, space.size, space.free_files, space.files)
            history = [*histories.get(str(place.path), []), measurement]
            trend = disk_forecast.forecast_full(history, now)
            disks[space.number] = Disk(str(place.path), (place.holds,), measurement, trend, place.needs)
            histories[str(place.path)] = history
    _save_measurements(ctx, histories, now)
    return [*disks.values(), *unreachable]


def remembered_measurements(ctx: OperationContext) -> dict[str, list[Measurement]]:
    """The earlier measurements by folder, the oldest first. Nothing is measured."""
    record = _read_record(ctx.settings.state_dir / _FILE)
    try:
        return {
            str(path): [Measurement(datetime.fromisoformat(at), *values) for at, *values in rows]
            for path, rows in record.get("disks", {}).items()
        }
    except (TypeError, ValueError, AttributeError):
        return {}


def database_disk(env: EnvironmentContext) -> tuple[Path | None, str]:
    """The data directory of the environment's server, if on this machine; else None, and the reason.

    The answer is cached for an hour; a server that cannot be reached is queried again after ten minutes.
    """
    if env.is_sample:
        cluster = env.ctx.embedded.cluster
        return (cluster.data, "") if cluster.made else (None, "the sample's server was never started")
    if env.container:
        return None, "the server is in a container"
    answer = _data_folder_answer(env)
    return (Path(answer["path"]) if answer["path"] else None), str(answer["why"])


def connection_problem(env: EnvironmentContext) -> str:
    """Why the environment's server cannot be reached; empty where it can, and for the sample.

    The answer is cached for ten minutes: connecting to a dead host takes as long as a sensor's tick may.
    """
    if env.is_sample:
        return ""
    file = env.ctx.settings.state_dir / "index" / f"{env.environment}.reached.json"
    record, now = _read_record(file), env.ctx.clock()
    if _age(record, now) <= _RETRY_AFTER:
        return str(record.get("trouble", ""))
    try:
        with restore_server.inspection_database(env.database()).connect():
            message = ""
    except LedgerError as error:
        message = error.message
    cache.save(file, encode_sealed({"at": now.isoformat(), "trouble": message}))
    return message


def _data_folder_answer(env: EnvironmentContext) -> Mapping[str, Any]:
    file = env.ctx.settings.state_dir / "index" / f"{env.environment}.disk.json"
    record, now = _read_record(file), env.ctx.clock()
    if _age(record, now) <= (_HOUR if record.get("path") else _RETRY_AFTER):
        return record
    try:
        path, why = data_directory.data_folder(env.database())
    except LedgerError as error:
        path, why = None, error.message
    answer = {"at": now.isoformat(), "path": str(path or ""), "why": why}
    cache.save(file, encode_sealed(answer))
    return answer


def _age(record: Mapping[str, Any], now: datetime) -> timedelta:
    """The age of a cached answer; the maximum where there is none, or it is from the future."""
    try:
        age = now - datetime.fromisoformat(record["at"])
    except (KeyError, TypeError, ValueError):
        return timedelta.max
    return age if age >= timedelta(0) else timedelta.max


def _measured_places(
    ctx: OperationContext, newest: Sequence[space_estimates.LastDump | None]
) -> Iterator[_Place]:
    settings, dumps = ctx.settings, [dump for dump in newest if dump]
    needed = sum(space_estimates.dump_needs(dump.database_size, dump) for dump in dumps)
    yield _Place(settings.backup_root, "backups", needed)
    for root in settings.archive_folders:
        yield _Place(root, "archive", 0)
    drills = max((space_estimates.drill_needs(dump.database_size) for dump in dumps), default=0)
    yield _Place(settings.state_dir, "state", 0)
    yield _Place(ctx.server_home.root, "drills", drills)
    for environment in settings.environments:
        folder, _ = database_disk(ctx.env(environment))
        if folder:
            yield _Place(folder, f"database of {environment}", 0)


def _newest_sizes(env: EnvironmentContext) -> space_estimates.LastDump | None:
    """The sizes of the newest backup, found by its name so that no other manifest is read."""
    try:
        names = (BackupName.of(file) for file in reversed(env.store.names(MANIFEST)))
        # Standard names sort by time.
        dated = next((name for name in names if naming.claimed_instant(name)), None)
        manifest = catalog.read_manifest(env, dated) if dated else None
    except LedgerError:
        return None
    return space_estimates.LastDump(manifest.dump.size, manifest.source.size) if manifest else None


def _with_place(disk: Disk, place: _Place) -> Disk:
    """The disk with another folder that is on it."""
    holds = disk.holds if place.holds in disk.holds else (*disk.holds, place.holds)
    return Disk(disk.path, holds, disk.now, disk.forecast, disk.needs + place.needs)


def _save_measurements(
    ctx: OperationContext, histories: Mapping[str, Sequence[Measurement]], now: datetime
) -> None:
    """Save the measurements, at most one an hour."""
    thinned = {path: disk_forecast.thin_history(_hourly(history), now) for path, history in histories.items()}
    rows = {
        path: [
            [
                measurement.at.isoformat(),
                measurement.free,
                measurement.total,
                measurement.free_files,
                measurement.total_files,
            ]
            for measurement in history
        ]
        for path, history in thinned.items()
        if history
    }
    file = ctx.settings.state_dir / _FILE
    if _read_record(file).get("disks") != rows:
        cache.save(file, encode_sealed({"disks": rows}))


def _hourly(history: Sequence[Measurement]) -> list[Measurement]:
    """The history without its last measurement, where the one before that is less than an hour older."""
    if len(history) > 1 and timedelta(0) <= history[-1].at - history[-2].at < _HOUR:
        return list(history[:-1])
    return list(history)


def _read_record(file: Path) -> dict[str, Any]:
    data = cache.load(file)
    try:
        return decode_sealed(data, file.name) if data else {}
    except BadBackup:
        return {}
