"""Whether the disks with backups and databases have free space, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.core.monitoring.disk_forecast import Forecast, Measurement
from ledgerflow_ops.core.sizes import format_size

_SOON, _VERY_SOON = 14, 3
_SHARE, _PLENTY = 0.05, 20 * 1000**3
_FILES_SHARE, _FILES_FEW = 0.05, 0.01


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk: which of our data it `holds`, what is free now, and the forecast.

    `now` is None where the disk cannot be measured, and `why` says why. `needs` are the bytes that the next
    backups and drills of everything on it will take.
    """

    path: str
    holds: tuple[str, ...]
    now: Measurement | None
    forecast: Forecast | None
    needs: int = 0
    why: str = ""
    environment: Environment | None = None


def disk_cause(disk: Disk) -> str:
    """The cause that findings share when a disk is full or gone."""
    return f"the disk of {disk.path}"


def disk_part(path: str) -> str:
    """The part of the machine's examination that measures this disk: one of the part `disks`."""
    return f"disks {path}"


def is_full(disk: Disk) -> bool:
    """Whether the next backup will not fit, or hardly any file can be created."""
    if disk.now is None:
        return False
    files = disk.now.total_files > 0 and disk.now.free_files < disk.now.total_files * _FILES_FEW
    return disk.now.free < disk.needs or files


def find_disk_problems(disks: Sequence[Disk], now: datetime) -> list[Finding]:
    """What is wrong with the disks at `now` (aware)."""
    return [finding for disk in disks for finding in _disk_problems(disk, now.date())]


def _disk_problems(disk: Disk, today: date) -> Iterator[Finding]:
    where = f"{disk.path} ({', '.join(disk.holds)})"
    if disk.now is None:
        return
    if disk.now.free < disk.needs:
        room, needs = format_size(disk.now.free), format_size(disk.needs)
        message = f"{where}: {room} free; the next backups and drills will take {needs}."
        yield _finding(disk, "disk full", Level.CRITICAL, message, disk.now.free, disk.needs)
    else:
        yield from _filling_problems(disk, where, today)
    total, free = disk.now.total_files, disk.now.free_files
    if total and free < total * _FILES_SHARE:
        level = Level.CRITICAL if free < total * _FILES_FEW else Level.WARNING
        message = f"{where}: only {free:,} of {total:,} files (inodes) can still be created."
        yield _finding(disk, "inodes", level, message, free, total * _FILES_SHARE)


def _filling_problems(disk: Disk, where: str, today: date) -> Iterator[Finding]:
    """The disk fills by its trend, or has little space left."""
    assert disk.now is not None
    free, trend = disk.now.free, disk.forecast
    left = trend.days_left(today) if trend else None
    if trend and left is not None and left <= _SOON:
        message = (
            f"{where} will be full on {trend.full}, in {count_of(left, 'day')}: {format_size(free)} free, "
            "and it "
            f"loses {format_size(trend.per_day)} a day (measured on {trend.days} days since {trend.since})."
        )
        level = Level.CRITICAL if left <= _VERY_SOON else Level.WARNING
        yield _finding(disk, "disk filling", level, message, left, _SOON)
    elif disk.now.total and free < disk.now.total * _SHARE and free < _PLENTY:
        message = f"{where}: {format_size(free)} free of {format_size(disk.now.total)}."
        yield _finding(disk, "disk filling", Level.WARNING, message, free, disk.now.total * _SHARE)


def _finding(disk: Disk, kind: str, level: Level, message: str, found: float, expected: float) -> Finding:
    hint = Hint(
        "Free space there, or move what lies there: ", command("df", "-h", disk.path), "; ", make("doctor")
    )
    figures = {"found": float(found), "expected": float(expected)}
    return Finding(
        disk.environment,
        kind,
        disk.path,
        level,
        message,
        hint,
        disk_cause(disk),
        figures=figures,
        part=disk_part(disk.path),
    )
