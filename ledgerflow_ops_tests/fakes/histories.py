"""Histories of backups as a bookkeeping database makes them, day by day, and what can go wrong in one.

Everything comes from a seed: growth, weekdays, month ends, holidays, noise, missed days, the weekly seal of
every byte. Nothing in here knows how anomalies are found.
"""

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment

BEGIN = date(2024, 3, 4)
LEDGER, AUDIT, SESSIONS, SETTINGS, CUSTOMERS = (
    f"public.{name}" for name in ("transaction", "audit_log", "session", "setting", "customer")
)
ROW = {LEDGER: 220, AUDIT: 400, SESSIONS: 150, SETTINGS: 90, CUSTOMERS: 300}
"""Bytes of a row in a dump."""


@dataclass(frozen=True)
class Business:
    """How one environment lives."""

    daily: float
    weekend: float
    month_end: float
    yearly_growth: float
    size_noise: float
    time_noise: float
    slow_month_end: float
    full_seal: float
    missed: float
    start_rows: int
    rate: float
    holidays: frozenset[date]

    @classmethod
    def of(cls, seed: int) -> "Business":
        chance = random.Random(seed)
        holidays = {BEGIN + timedelta(days=chance.randrange(700)) for _ in range(16)}
        for year in (2024, 2025):
            begin = date(year, 12, 24)
            holidays |= {begin + timedelta(days=day) for day in range(chance.choice((3, 5, 9)))}
        return cls(
            daily=chance.choice((40, 400, 3000)) * chance.uniform(0.7, 1.4),
            weekend=chance.choice((0.0, 0.15, 0.6)),
            month_end=chance.uniform(1, 8),
            yearly_growth=chance.choice((0.0, 0.3, 1.0)),
            size_noise=chance.uniform(0.002, 0.02),
            time_noise=chance.uniform(0.05, 0.25),
            slow_month_end=chance.uniform(1, 2.2),
            full_seal=chance.uniform(1.2, 2.2),
            missed=chance.choice((0.0, 0.01, 0.04)),
            start_rows=chance.choice((500, 60_000, 2_000_000)),
            rate=chance.choice((1e5, 5e5, 5e6)),
            holidays=frozenset(holidays),
        )


def history(seed: int, days: int = 500) -> list[BackupSummary]:
    """A plain history: everything in it is as it should be."""
    business, chance = Business.of(seed), random.Random(seed * 7919 + 1)
    rows = {LEDGER: business.start_rows, AUDIT: business.start_rows * 2, SETTINGS: 34}
    rows |= {CUSTOMERS: max(20, business.start_rows // 50), SESSIONS: 0}
    backups = []
    for number in range(days):
        day = BEGIN + timedelta(days=number)
        rows = _lived(rows, business, chance, day, number)
        if chance.random() >= business.missed:
            backups.append(_backup(day, rows, business, chance))
    return backups


def _lived(
    rows: Mapping[str, int], business: Business, chance: random.Random, day: date, number: int
) -> dict[str, int]:
    """The rows after another day."""
    work = business.daily * (1 + business.yearly_growth) ** (number / 365) * chance.lognormvariate(0, 0.35)
    if day.weekday() >= 5 or day in business.holidays:
        work *= business.weekend
    if _month_end(day):
        work *= business.month_end
    added = int(work)
    gone = int(rows[CUSTOMERS] * chance.uniform(0, 0.001))
    return {
        LEDGER: rows[LEDGER] + added,
        AUDIT: rows[AUDIT] + int(added * chance.uniform(1.5, 3)) + chance.randint(0, 3),
        SETTINGS: rows[SETTINGS] + (chance.random() < 0.01),
        CUSTOMERS: rows[CUSTOMERS] + added // 60 - gone,
        SESSIONS: int(50 + work * chance.uniform(0.1, 0.5)),
    }


def _backup(day: date, rows: Mapping[str, int], business: Business, chance: random.Random) -> BackupSummary:
    raw = sum(ROW[table] * count for table, count in rows.items())
    size = int((20_000 + raw * 0.25) * chance.gauss(1, business.size_noise))
    seal = "full" if day.weekday() == 6 else "counts and sums"
    seconds = (1 + raw / business.rate) * chance.lognormvariate(0, business.time_noise)
    seconds *= business.full_seal if seal == "full" else 1
    seconds *= business.slow_month_end if _month_end(day) else 1
    taken = datetime.combine(day, time(2, 30), UTC)
    text = repr(sorted((name, count) for name, count in rows.items()))
    return BackupSummary(
        environment=Environment.PROD,
        name=BackupName(f"ledgerflow_prod_{day:%Y%m%d}_0230"),
        day=day,
        recovery_point=taken,
        finished_at=taken + timedelta(seconds=seconds),
        size=size,
        database_size=8_000_000 + int(raw * 1.6),
        duration_seconds=round(seconds, 3),
        tables=dict(rows),
        schema="schema 1",
        contents=hashlib.sha256(text.encode()).hexdigest(),
        seal=seal,
        sample=False,
        state="valid",
        proven=True,
        bad=False,
        local=True,
        problem="",
        rto_seconds=seconds * 2,
        examined_at=taken + timedelta(minutes=5),
        restored_at=taken + timedelta(minutes=5),
    )


def _month_end(day: date) -> bool:
    return (day + timedelta(days=1)).month != day.month


Plant = Callable[[list[BackupSummary]], list[BackupSummary]]
"""Takes a history and makes its last backup, or its last few, as they are when something is wrong."""


def _last(**changes: Callable[[BackupSummary], object]) -> Plant:
    def plant(plain: list[BackupSummary]) -> list[BackupSummary]:
        fields = {name: change(plain[-1]) for name, change in changes.items()}
        return [*plain[:-1], replace(plain[-1], **fields)]  # type: ignore[arg-type]

    return plant


def _rows(table: str, change: Callable[[int], int | None]) -> Plant:
    def tables(backup: BackupSummary) -> dict[str, int]:
        after = change(backup.tables[table])
        rest = {name: rows for name, rows in backup.tables.items() if name != table}
        return rest if after is None else {**rest, table: after}

    return _last(tables=tables)


def _frozen(days: int, *fields: str) -> Plant:
    """For so many days these fields stay what they were."""

    def plant(plain: list[BackupSummary]) -> list[BackupSummary]:
        held = {name: getattr(plain[-1 - days], name) for name in fields}
        return [*plain[:-days], *(replace(backup, **held) for backup in plain[-days:])]

    return plant


def _stopped(days: int) -> Plant:
    """For so many days the ledger does not grow; the rest of the books goes on."""

    def plant(plain: list[BackupSummary]) -> list[BackupSummary]:
        held = plain[-1 - days].tables[LEDGER]
        still = [replace(backup, tables={**backup.tables, LEDGER: held}) for backup in plain[-days:]]
        return [*plain[:-days], *still]

    return plant


def _kinds(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


PLANTS: dict[str, tuple[frozenset[str], Plant]] = {
    "size: 40 % less": (_kinds("size"), _last(size=lambda one: int(one.size * 0.6))),
    "size: 70 % more": (_kinds("size"), _last(size=lambda one: int(one.size * 1.7))),
    "duration: 5 times, and a minute more": (
        _kinds("duration"),
        _last(duration_seconds=lambda one: one.duration_seconds * 5 + 60),
    ),
    "throughput: a tenth": (
        _kinds("throughput"),
        _last(duration_seconds=lambda one: one.duration_seconds * 10 + 30),
    ),
    "the ledger is gone": (_kinds("table gone"), _rows(LEDGER, lambda rows: None)),
    "an empty table is gone": (_kinds("table gone"), _rows(SETTINGS, lambda rows: None)),
    "the ledger lost 5 %": (_kinds("rows lost"), _rows(LEDGER, lambda rows: int(rows * 0.95) - 60)),
    "customers lost 60 %": (
        _kinds("rows", "rows lost"),
        _rows(CUSTOMERS, lambda rows: int(rows * 0.4) - 150),
    ),
    "customers doubled": (_kinds("rows", "rows lost"), _rows(CUSTOMERS, lambda rows: rows * 2 + 300)),
    "another schema": (_kinds("schema"), _last(schema=lambda one: "schema 2")),
    "the ledger rests 14 days": (_kinds("growth stopped"), _stopped(14)),
    "10 days the same": (_kinds("same contents"), _frozen(10, "contents", "tables", "size", "database_size")),
}
"""What is planted, and the kinds of finding of which one must come of it."""
