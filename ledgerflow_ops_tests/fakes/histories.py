"""Histories of backups as a bookkeeping database makes them, day by day, and what can go wrong in one.

Everything comes from a seed: growth, weekdays, month ends, holidays, noise, missed days, the weekly seal of
every byte. Nothing in here knows how anomalies are found.
"""

import hashlib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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


Rows = dict[str, int]


@dataclass(frozen=True)
class Kind:
    """A kind of books: how much of the usual work falls on a day, and what else befalls the tables.

    `change` makes the business of a seed one of this kind. `extra` are further tables with their first rows.
    """

    work: Callable[[date, random.Random], float] = lambda day, chance: 1.0
    event: Callable[[Rows, date, random.Random], Rows] = lambda rows, day, chance: rows
    change: Callable[[Business], Business] = lambda business: business
    extra: Mapping[str, int] = field(default_factory=dict)
    rests: bool = True
    """Whether rows come on most working days, so that a rest of five days means something."""


def history(seed: int, days: int = 500, kind: str = "office") -> list[BackupSummary]:
    """A plain history of books of a kind: everything in it is as it should be."""
    books = KINDS[kind]
    business, chance = books.change(Business.of(seed)), random.Random(seed * 7919 + 1)
    other = random.Random(f"{kind} {seed}")
    rows = {LEDGER: business.start_rows, AUDIT: business.start_rows * 2, SETTINGS: 34}
    rows |= {CUSTOMERS: max(20, business.start_rows // 50), SESSIONS: 0, **books.extra}
    backups = []
    for number in range(days):
        day = BEGIN + timedelta(days=number)
        rows = rows | _lived(rows, business, chance, day, number, books.work(day, other))
        rows = books.event(rows, day, other)
        if chance.random() >= business.missed:
            backups.append(_backup(day, rows, business, chance))
    return backups


def _lived(
    rows: Mapping[str, int],
    business: Business,
    chance: random.Random,
    day: date,
    number: int,
    share: float,
) -> Rows:
    """The rows after another day with this share of the usual work."""
    work = business.daily * (1 + business.yearly_growth) ** (number / 365) * chance.lognormvariate(0, 0.35)
    if day.weekday() >= 5 or day in business.holidays:
        work *= business.weekend
    if _month_end(day):
        work *= business.month_end
    work *= share
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
    raw = sum(ROW.get(table, 120) * count for table, count in rows.items())
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


def _even(business: Business) -> Business:
    """Without weekends, month ends and holidays."""
    return replace(business, weekend=1.0, month_end=1.0, holidays=frozenset())


def _closed_on_weekends(business: Business) -> Business:
    return replace(business, weekend=0.0)


def _weekly(day: date, chance: random.Random) -> float:
    """Everything of a week is imported on its Monday."""
    return 6.0 if day.weekday() == 0 else 0.0


def _monthly(day: date, chance: random.Random) -> float:
    """Everything of a month is imported on the third of the next."""
    return 24.0 if day.day == 3 else 0.0


def _closings(day: date, chance: random.Random) -> float:
    """Closed for a week in April, three in August, and between the years."""
    around_new_year = (day.month, day.day) >= (12, 23) or (day.month, day.day) <= (1, 2)
    closed = (
        around_new_year or (day.month == 8 and 4 <= day.day <= 24) or (day.month == 4 and 13 <= day.day <= 19)
    )
    return 0.0 if closed else 1.0


def _season(day: date, chance: random.Random) -> float:
    """Three times as much in December as in June, and four times as much in the last week of a quarter."""
    quarter = 4.0 if day.month % 3 == 0 and day.day >= 24 else 1.0
    return quarter * (1 + 0.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 350) / 365))


def _bulk(rows: Rows, day: date, chance: random.Random) -> Rows:
    """Four times a year another company's books are imported: a fifth to three fifths more rows."""
    if chance.random() >= 4 / 365:
        return rows
    more = chance.uniform(1.2, 1.6)
    return rows | {table: int(rows[table] * more) for table in (LEDGER, AUDIT, CUSTOMERS)}


def _purge(rows: Rows, day: date, chance: random.Random) -> Rows:
    """In January the oldest year is archived elsewhere: a fifth of the ledger, two fifths of its log."""
    if (day.month, day.day) != (1, 14):
        return rows
    return rows | {LEDGER: int(rows[LEDGER] * 0.8), AUDIT: int(rows[AUDIT] * 0.6)}


QUEUE, OUTBOX = "public.job", "public.outbox"


def _queues(rows: Rows, day: date, chance: random.Random) -> Rows:
    """Jobs are any number or none; what is sent leaves an outbox that is mostly empty."""
    jobs = int(chance.lognormvariate(5, 2)) if chance.random() < 0.8 else 0
    return rows | {QUEUE: jobs, OUTBOX: chance.choice((0, 0, 0, 1, 7))}


BRANCHES = {f"branch_{number:02}.receipt": 900 + 70 * number for number in range(20)}
LISTS = {f"public.list_{number:02}": 3 + number * number for number in range(20)}


def _branches(rows: Rows, day: date, chance: random.Random) -> Rows:
    """Twenty branches write receipts, each at its own pace; twenty lists hardly ever change."""
    closed = day.weekday() == 6
    paces = {table: 0 if closed else chance.randint(0, 2 + number) for number, table in enumerate(BRANCHES)}
    edits = {table: chance.choice((-1, 1, 2)) if chance.random() < 0.005 else 0 for table in LISTS}
    return rows | {table: max(1, rows[table] + step) for table, step in (paces | edits).items()}


KINDS: dict[str, Kind] = {
    "office": Kind(),
    "round the clock": Kind(change=_even),
    "weekly import": Kind(work=_weekly, change=_even, rests=False),
    "monthly import": Kind(work=_monthly, change=_even, rests=False),
    "bulk imports": Kind(event=_bulk),
    "long holidays": Kind(work=_closings, change=_closed_on_weekends),
    "yearly purge": Kind(event=_purge),
    "hobby": Kind(change=lambda business: replace(_even(business), daily=3, start_rows=60), rests=False),
    "queues": Kind(event=_queues, extra={QUEUE: 0, OUTBOX: 0}),
    "seasons": Kind(work=_season),
    "many branches": Kind(event=_branches, extra={**BRANCHES, **LISTS}),
}
"""Eleven kinds of books."""


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


def _older(days: int) -> Plant:
    """A copy that is so many days old stands in place of today's."""

    def plant(plain: list[BackupSummary]) -> list[BackupSummary]:
        old = next(one for one in reversed(plain) if (plain[-1].day - one.day).days >= days)
        fields = ("tables", "contents", "size", "database_size", "duration_seconds")
        return [*plain[:-1], replace(plain[-1], **{name: getattr(old, name) for name in fields})]

    return plant


def _share(table: str, kept: float) -> Plant:
    return _rows(table, lambda rows: int(rows * kept))


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

LOST = _kinds("rows lost", "rows", "table gone", "old copy", "size")
LOSSES: dict[str, Plant] = {
    "the ledger is gone": _rows(LEDGER, lambda rows: None),
    "the ledger is empty": _rows(LEDGER, lambda rows: 0),
    "the 34 settings are empty": _rows(SETTINGS, lambda rows: 0),
    "the settings are gone": _rows(SETTINGS, lambda rows: None),
    "the ledger lost a tenth": _share(LEDGER, 0.9),
    "the log lost a tenth": _share(AUDIT, 0.9),
    "customers lost 60 %": _rows(CUSTOMERS, lambda rows: int(rows * 0.4) - 150 if rows > 400 else 0),
    "a copy of a month ago": _older(31),
}
"""What is lost, in books of every kind. One of the kinds of LOST must come of each."""
RESTS: dict[str, tuple[frozenset[str], Plant]] = {
    "the ledger rests 5 days": (_kinds("growth stopped"), _stopped(5)),
    "10 days the same": PLANTS["10 days the same"],
}
"""What stands still, in books whose rows come on most working days."""
