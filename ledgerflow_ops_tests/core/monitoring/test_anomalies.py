"""Anomalies of a backup: each kind is reported with its figures, and normal changes are not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.monitoring import anomalies
from ledgerflow_ops.core.monitoring.expected_ranges import daily_backups, expected_ranges
from ledgerflow_ops_tests.fakes import histories
from ledgerflow_ops_tests.fakes.histories import AUDIT, LEDGER, SESSIONS, SETTINGS
from ledgerflow_ops_tests.hypothesis_profiles import examples

SEED = 5


@pytest.fixture(scope="module")
def plain() -> list[BackupSummary]:
    return histories.history(SEED, days=120)


def last(history: list[BackupSummary], **changes: Any) -> list[BackupSummary]:
    return [*history[:-1], replace(history[-1], **changes)]


def tables(history: list[BackupSummary], change: Callable[[dict[str, int]], object]) -> list[BackupSummary]:
    """The history with other tables in its newest backup."""
    held = dict(history[-1].tables)
    change(held)
    return last(history, tables=held)


def one(found: list[Finding], kind: str) -> Finding:
    (finding,) = [each for each in found if each.kind == kind]
    return finding


@pytest.mark.parametrize(
    ("figure", "place", "day", "limits"),
    [
        ("size", 0, date(2024, 3, 12), (1492621.4724000003, 8864592.0, 16236562.5276)),
        ("size", 45, date(2024, 4, 26), (32848320.589285713, 43797760.78571428, 59126977.06071428)),
        ("size", -1, date(2024, 7, 1), (67576484.33035715, 90101979.10714287, 121637671.79464287)),
        ("duration", 0, date(2024, 3, 12), (0.0, 23.410856568317623, 58.52714142079406)),
        ("duration", 45, date(2024, 4, 28), (14.526045293765115, 55.321488381267784, 210.68825098820002)),
        ("duration", -1, date(2024, 7, 1), (24.695281532765247, 86.80024363089542, 305.08995349522354)),
        ("throughput", 0, date(2024, 3, 12), (3410037.2670168686, 8525093.167542165, 42625465.837710865)),
        ("throughput", 45, date(2024, 4, 28), (1068306.7337383174, 4019005.2230755617, 20095026.115377795)),
        ("throughput", -1, date(2024, 7, 1), (1567159.626776009, 6894645.934469245, 34473229.672346264)),
    ],
)
def test_the_ranges_are_those_that_pandas_computes_from_the_same_history(
    plain: list[BackupSummary], figure: str, place: int, day: date, limits: tuple[float, float, float]
) -> None:
    """The numbers come from pandas' rolling medians and grouped shifts, which took longer to import."""
    band = expected_ranges(plain, figure)[place]
    assert band.day == day
    assert (band.low, band.expected, band.high) == pytest.approx(limits, rel=1e-9)


def test_a_plain_history_raises_nothing(plain: list[BackupSummary]) -> None:
    assert anomalies.find_anomalies(plain) == []


def test_it_says_the_backup_the_figure_what_was_expected_and_from_which_days(
    plain: list[BackupSummary],
) -> None:
    newest = plain[-1]
    found = anomalies.find_anomalies(last(plain, size=newest.size // 3))
    finding = one(found, "size")
    assert (finding.environment, finding.subject, finding.level) == ("prod", "smaller", Level.CRITICAL)
    assert finding.message.startswith(f"{newest.name.dump}: size ")
    (band,) = expected_ranges(plain, "size", last=1)
    assert f"from {band.days} backups of {band.since} to {band.until}." in finding.message
    low, middle, high = (float(finding.figures[word]) for word in ("low", "expected", "high"))
    assert low < middle < high
    assert finding.figures["found"] == newest.size // 3
    assert f"LEDGER_ENV=prod make pin FILE={plain[-2].name.dump}" in finding.hint


def test_a_size_is_reported_in_both_directions(plain: list[BackupSummary]) -> None:
    size = plain[-1].size
    assert one(anomalies.find_anomalies(last(plain, size=size * 3)), "size").subject == "larger"
    smaller = one(anomalies.find_anomalies(last(plain, size=int(size * 0.6))), "size")
    assert (smaller.subject, smaller.level) == ("smaller", Level.WARNING)


def test_small_changes_are_no_alarm() -> None:
    """64 KiB are the least, whatever the share: a history of 3 KB dumps that becomes 30 KB."""
    tiny = [replace(one, size=3_000) for one in histories.history(SEED, days=60)]
    assert not [one for one in anomalies.find_anomalies(last(tiny, size=30_000)) if one.kind == "size"]
    quick = [replace(one, duration_seconds=1.0) for one in tiny]
    assert not [
        one for one in anomalies.find_anomalies(last(quick, duration_seconds=20.0)) if one.kind == "duration"
    ]


def test_too_few_days_judge_nothing(plain: list[BackupSummary]) -> None:
    for days in range(9):
        few = plain[:days]
        assert not [one for one in anomalies.find_anomalies(few) if one.kind in anomalies.FIGURES]
        if few:
            shrunk = anomalies.find_anomalies(last(few, size=1))
            assert not [one for one in shrunk if one.kind == "size"]


def test_two_backups_are_enough_to_compare(plain: list[BackupSummary]) -> None:
    found = anomalies.find_anomalies(last(plain[:2], schema="of another version"))
    assert [each.kind for each in found] == ["schema"]
    assert anomalies.find_anomalies(plain[:1]) == []


def test_a_day_counts_for_two_hundred_days_and_no_longer(plain: list[BackupSummary]) -> None:
    def days_later(days: int) -> BackupSummary:
        later = timedelta(days=days)
        return replace(plain[0], day=plain[0].day + later, recovery_point=plain[0].recovery_point + later)

    assert daily_backups([plain[0], days_later(200)]) == [plain[0], days_later(200)]
    assert daily_backups([plain[0], days_later(201)]) == [days_later(201)]


def test_slow_backups_are_one_thing_however_many_figures_say_so(plain: list[BackupSummary]) -> None:
    slow = anomalies.find_anomalies(last(plain, duration_seconds=plain[-1].duration_seconds * 20 + 60))
    assert {one.kind for one in slow} == {"duration", "throughput"}
    assert len({one.cause for one in slow}) == 1
    assert slow[0].cause


def test_a_faster_backup_is_no_trouble(plain: list[BackupSummary]) -> None:
    assert anomalies.find_anomalies(last(plain, duration_seconds=plain[-1].duration_seconds / 20)) == []


def test_a_sunday_is_measured_by_sundays() -> None:
    """Four times the usual time is normal on a Sunday if all Sundays take it, and odd on a Wednesday."""
    even = [
        replace(one, duration_seconds=400.0 if one.day.weekday() == 6 else 100.0, seal="full")
        for one in histories.history(SEED, days=140)
    ]
    sunday = next(end for end in range(len(even), 0, -1) if even[end - 1].day.weekday() == 6)
    assert not [one for one in anomalies.find_anomalies(even[:sunday]) if one.kind == "duration"]
    wednesday = even[: sunday - 4]
    assert wednesday[-1].day.weekday() == 2
    assert (
        one(anomalies.find_anomalies(last(wednesday, duration_seconds=400.0)), "duration").level
        is Level.WARNING
    )


def test_a_seal_of_every_byte_is_measured_by_its_like() -> None:
    """A full seal by hand takes long and is not reported: there is nothing to compare it with."""
    history = [
        replace(one, duration_seconds=100.0, seal="counts and sums")
        for one in histories.history(SEED, days=60)
    ]
    assert (
        one(anomalies.find_anomalies(last(history, duration_seconds=900.0)), "duration").level
        is Level.WARNING
    )
    full = last(history, duration_seconds=900.0, seal="full")
    assert not [one for one in anomalies.find_anomalies(full) if one.kind == "duration"]


def test_a_table_that_is_gone_is_reported_for_a_while_and_then_is_how_things_are(
    plain: list[BackupSummary],
) -> None:
    dropped = [
        replace(one, tables={name: rows for name, rows in one.tables.items() if name != LEDGER})
        for one in plain[100:]
    ]
    first = anomalies.find_anomalies([*plain[:100], *dropped[:1]])
    finding = one(first, "table gone")
    assert (finding.subject, finding.level) == (LEDGER, Level.CRITICAL)
    holder = plain[99]
    assert f"{holder.name.dump} has it with {holder.tables[LEDGER]:,} rows" in finding.message
    assert f"make pin FILE={holder.name.dump}" in finding.hint
    told = [
        any(one.kind == "table gone" for one in anomalies.find_anomalies([*plain[:100], *dropped[:days]]))
        for days in range(1, 12)
    ]
    assert told == [True] * 5 + [False] * 6


def test_a_table_that_comes_and_goes_is_not_missed(plain: list[BackupSummary]) -> None:
    odd = [
        replace(one, tables={**one.tables, "public.batch": 5} if number % 3 else one.tables)
        for number, one in enumerate(plain)
    ]
    assert {
        one.kind
        for end in (61, 62, 63)
        for one in anomalies.find_anomalies(odd[:end])
        if one.kind == "table gone"
    } == set()


def test_one_row_less_in_a_table_that_may_never_shrink_is_critical(plain: list[BackupSummary]) -> None:
    held = plain[-2].tables[LEDGER] - 1
    shrunk = tables(plain, lambda each: each.update({LEDGER: held}))
    finding = one(anomalies.find_anomalies(shrunk, (LEDGER,)), "rows lost")
    assert (finding.subject, finding.level) == (LEDGER, Level.CRITICAL)
    assert f"{held:,} rows" in finding.message
    assert f"{held + 1:,}" in finding.message
    assert anomalies.find_anomalies(shrunk) == []  # where it was only learnt, one row is nobody's alarm


def test_a_table_that_always_grew_is_missed_more_than_a_few_rows(plain: list[BackupSummary]) -> None:
    most = plain[-2].tables[AUDIT]
    lost = anomalies.find_anomalies(tables(plain, lambda each: each.update({AUDIT: int(most * 0.85)})))
    assert (one(lost, "rows lost").subject, one(lost, "rows lost").level) == (AUDIT, Level.CRITICAL)
    assert "as in all" in one(lost, "rows lost").message
    few = plain[-12:]
    young = anomalies.find_anomalies(
        tables(few, lambda each: each.update({AUDIT: int(few[-2].tables[AUDIT] * 0.85)}))
    )
    assert not [one for one in young if one.kind == "rows lost"]  # twelve days have shown no habit yet


def test_a_table_that_flows_may_hold_any_number(plain: list[BackupSummary]) -> None:
    for rows in (0, 5, 100_000):
        found = anomalies.find_anomalies(tables(plain, lambda each, rows=rows: each.update({SESSIONS: rows})))  # type: ignore[misc]
        assert not [one for one in found if one.subject == SESSIONS]


def test_a_table_that_empties_by_habit_is_worth_a_word_and_no_finding(plain: list[BackupSummary]) -> None:
    before = plain[-2]
    emptied = tables(plain, lambda each: each.update({SESSIONS: 0}))
    rows = before.tables[SESSIONS]
    assert anomalies.emptied_by_habit(emptied) == [
        f"{SESSIONS}: empty; {before.name.dump} has it with {rows:,} rows"
    ]
    assert anomalies.find_anomalies(emptied) == []
    assert (
        anomalies.emptied_by_habit([*plain[:-2], emptied[-1], replace(emptied[-1], day=plain[-1].day)]) != []
    )
    assert anomalies.emptied_by_habit(plain) == []
    assert anomalies.emptied_by_habit(plain[:1]) == []


def test_a_table_that_is_reported_as_emptied_is_not_named_twice(plain: list[BackupSummary]) -> None:
    emptied = tables(plain, lambda each: each.update({AUDIT: 0}))
    assert one(anomalies.find_anomalies(emptied), "rows lost").subject == AUDIT
    assert anomalies.emptied_by_habit(emptied) == []


@pytest.mark.parametrize("kind", histories.KINDS)
def test_every_table_that_empties_is_a_finding_or_worth_a_word(kind: str) -> None:
    """Whatever its size and its habit."""
    history = histories.history(1001, 365, kind)
    for end in range(60, len(history), 60):
        held = history[end - 2].tables
        for table, rows in held.items():
            emptied = [
                *history[: end - 1],
                replace(history[end - 1], tables={**history[end - 1].tables, table: 0}),
            ]
            found = {each.subject for each in anomalies.find_anomalies(emptied) if each.kind == "rows lost"}
            named = {each.split(":")[0] for each in anomalies.emptied_by_habit(emptied)}
            assert not rows or table in found | named, (kind, end, table)


def test_two_backups_are_enough_for_another_schema(plain: list[BackupSummary]) -> None:
    found = anomalies.find_anomalies([plain[0], replace(plain[1], schema="another")])
    assert [each.kind for each in found] == ["schema"]
    assert anomalies.find_anomalies(plain[:1]) == []


def test_a_backup_of_two_hundred_days_ago_is_looked_at_and_no_older_one(plain: list[BackupSummary]) -> None:
    newest = plain[-1]
    older = [
        replace(plain[place], day=newest.day - timedelta(days=days)) for place, days in ((0, 201), (1, 200))
    ]
    assert daily_backups([*older, newest]) == [older[1], newest]


def test_another_schema_is_reported_once(plain: list[BackupSummary]) -> None:
    migrated = [replace(one, schema="another") for one in plain[100:]]
    first = one(anomalies.find_anomalies([*plain[:100], *migrated[:1]]), "schema")
    assert first.level is Level.WARNING
    assert plain[99].name.dump in first.message
    assert not [
        one for one in anomalies.find_anomalies([*plain[:100], *migrated[:2]]) if one.kind == "schema"
    ]


def test_the_same_contents_for_days_are_reported_where_they_always_changed(
    plain: list[BackupSummary],
) -> None:
    """If contents changed every day before, three days without a change are odd."""
    moving = [replace(one, contents=str(number)) for number, one in enumerate(plain)]
    frozen = [replace(one, contents="frozen") for one in moving[100:]]
    told = [
        [one.kind for one in anomalies.find_anomalies([*moving[:100], *frozen[:days]])].count("same contents")
        for days in (1, 2, 3, 4)
    ]
    assert told == [0, 0, 0, 1]


def test_a_quiet_database_may_stay_the_same(plain: list[BackupSummary]) -> None:
    quiet = [
        replace(one, contents=str(number // 30), tables=plain[0].tables) for number, one in enumerate(plain)
    ]
    for end in range(60, 120, 7):
        assert not [
            one
            for one in anomalies.find_anomalies(quiet[:end])
            if one.kind in ("same contents", "growth stopped")
        ]


def test_growth_that_stops_is_reported_after_thrice_the_longest_rest() -> None:
    """A ledger that grows on every working day: weekends of two days, so seven days without a row are odd."""
    rows, grown = 1000, []
    for summary in histories.history(SEED, days=140):
        rows += 50 if summary.day.weekday() < 5 else 0
        grown.append(replace(summary, tables={LEDGER: rows, SETTINGS: 34}))
    monday = next(number for number in range(100, 110) if grown[number].day.weekday() == 0)
    still = [
        replace(one, tables={LEDGER: grown[monday].tables[LEDGER], SETTINGS: 34}) for one in grown[monday:]
    ]
    history = grown[: monday + 1]

    def told(days: int) -> list[str]:
        return [
            one.subject
            for one in anomalies.find_anomalies([*history, *still[1 : days + 1]])
            if one.kind == "growth stopped"
        ]

    assert told(6) == []
    assert told(7) == [LEDGER]


def test_backups_of_the_sample_are_no_measure_for_the_real_database(plain: list[BackupSummary]) -> None:
    sample = [replace(one, sample=True, size=100) for one in plain[:-1]]
    assert anomalies.find_anomalies([*sample, plain[-1]]) == []


def test_of_a_day_the_newest_backup_counts_and_bad_ones_do_not(plain: list[BackupSummary]) -> None:
    extra = replace(
        plain[-1],
        name=BackupName("before_migration"),
        recovery_point=plain[-1].recovery_point + timedelta(hours=3),
        size=7,
    )
    chosen = daily_backups([*plain, extra])
    assert chosen[-1] is extra
    assert len(chosen) == len(plain)
    third = replace(plain[-3], bad=True)
    assert [one.day for one in daily_backups([*plain[:-3], third, *plain[-2:]])] == [
        one.day for one in (*plain[:-3], *plain[-2:])
    ]


@examples(25)
@given(
    slope=st.floats(0, 0.05),
    start=st.integers(100_000, 10**9),
    days=st.integers(20, 90),
    noise=st.lists(st.floats(-0.01, 0.01), min_size=90, max_size=90),
)
def test_plain_growth_raises_nothing_however_fast(
    slope: float, start: int, days: int, noise: list[float]
) -> None:
    """Up to five per cent of the first size a day, for months, with one per cent of noise."""
    base = histories.history(SEED, days=130)[:days]
    grown = [
        replace(one, size=int(start * (1 + slope * number) * (1 + noise[number])))
        for number, one in enumerate(base)
    ]
    assert not [one for one in anomalies.find_anomalies(grown) if one.kind == "size"]


@examples(8)
@given(start=st.integers(1, 10**9), step=st.integers(-3_000_000, 10**8), days=st.integers(20, 60))
def test_what_grows_evenly_is_expected_to_the_byte(start: int, step: int, days: int) -> None:
    """The trend is carried forward: without it, doubling within a week would be reported every day."""
    base = histories.history(SEED, days=days)
    sizes = [start + 200_000_000 + step * number for number in range(days)]
    even = [replace(one, size=size) for one, size in zip(base, sizes, strict=True)]
    found = expected_ranges(even, "size")
    assert [band.expected for band in found] == pytest.approx([max(0, size) for size in sizes[8:]], abs=2)


def test_the_trend_is_that_of_four_weeks() -> None:
    """A database that begins to grow is expected to when half of the weeks' changes in 28 days say so: by
    a shorter window it would follow a week's hurry, by a longer one it would be reported for months."""
    base, turn = histories.history(SEED, days=200), 100
    sizes = [10_000_000 + 100_000 * max(0, number - turn) for number in range(200)]
    grown = [replace(one, size=size) for one, size in zip(base, sizes, strict=True)]
    expected = {band.day: band.expected for band in expected_ranges(grown, "size")}
    off = [abs(expected[one.day] - one.size) > 1 for one in grown[turn + 1 :]]
    assert off == [True] * 21 + [False] * 78


def test_a_month_end_is_measured_by_month_ends() -> None:
    """Twice the size at each month end: reported twice, then expected."""
    base = histories.history(SEED, days=200)
    peaked = [replace(one, size=2_000_000 if one.day.day == 1 else 1_000_000) for one in base]
    firsts = [end for end in range(20, 200) if peaked[end - 1].day.day == 1]
    told = [bool(anomalies.find_anomalies(peaked[:end])) for end in firsts]
    assert told == [True, True, *[False] * (len(firsts) - 2)]
    other = [replace(one, size=2_000_000) if one is peaked[189] else one for one in peaked[:190]]
    assert other[-1].day.day not in (1, 2, 3)
    assert one_kind(anomalies.find_anomalies(other)) == {"size"}


def one_kind(found: list[Finding]) -> set[str]:
    return {each.kind for each in found}


def books(kind: str, seed: int = 3, days: int = 200) -> list[BackupSummary]:
    return histories.history(seed, days, kind)


def rows_of(history: list[BackupSummary], table: str, values: list[int]) -> list[BackupSummary]:
    """The history with these rows in a table in its last backups."""
    changed = [
        replace(one, tables={**one.tables, table: rows})
        for one, rows in zip(history[-len(values) :], values, strict=True)
    ]
    return [*history[: -len(values)], *changed]


def test_a_table_that_was_emptied_is_reported_whatever_its_size(plain: list[BackupSummary]) -> None:
    for rows in (1, 34, 100_000):
        held = rows_of(plain, "public.list", [rows] * 119 + [0])
        finding = one(anomalies.find_anomalies(held), "rows lost")
        assert (finding.subject, finding.level) == ("public.list", Level.WARNING)
        assert f"public.list is empty; {plain[-2].name.dump} has it with {rows:,} rows." in finding.message
        assert f"make pin FILE={plain[-2].name.dump}" in finding.hint
    emptied = anomalies.find_anomalies(tables(plain, lambda each: each.update({LEDGER: 0})))
    assert one(emptied, "rows lost").level is Level.CRITICAL, "it has only ever grown"
    declared = anomalies.find_anomalies(rows_of(plain, "public.list", [5] * 119 + [0]), ("public.list",))
    assert {finding.level for finding in declared} == {Level.CRITICAL}


def test_an_emptied_table_is_reported_for_five_backups_and_then_accepted(plain: list[BackupSummary]) -> None:
    told = [
        bool(anomalies.find_anomalies(rows_of(plain, SETTINGS, [34] * 20 + [0] * days)))
        for days in range(1, 9)
    ]
    assert told == [True] * 5 + [False] * 3


def test_a_table_that_was_empty_before_may_be_empty_again(plain: list[BackupSummary]) -> None:
    held = rows_of(plain, "public.job", [7] * 40 + [0] + [7] * 78 + [0])
    assert anomalies.find_anomalies(held) == []


def test_a_table_that_grows_once_a_month_is_append_only() -> None:
    history = books("monthly import")
    most = history[-2].tables[LEDGER]
    lost = anomalies.find_anomalies(tables(history, lambda each: each.update({LEDGER: int(most * 0.97)})))
    assert one(lost, "rows lost").subject == LEDGER
    grown_once = rows_of(history, "public.note", [900] * 90 + [950] * 89 + [920])
    assert not [found for found in anomalies.find_anomalies(grown_once) if found.subject == "public.note"]


def test_a_purge_a_year_ago_is_forgiven_and_one_every_month_is_how_the_table_is() -> None:
    history = books("office")
    rising = list(range(1000, 1198))
    once = [*rising[:50], *[rows - 500 for rows in rising[50:]], 300]
    lost = one(anomalies.find_anomalies(rows_of(history, "public.log", once[-len(history) :])), "rows lost")
    assert lost.subject == "public.log"
    often = [2000 + 40 * (day % 30) for day in range(199)] + [1900]
    found = anomalies.find_anomalies(rows_of(history, "public.log", often[-len(history) :]))
    assert not [each for each in found if each.subject == "public.log"]


def test_an_older_copy_in_place_of_the_database_is_critical() -> None:
    for kind in ("office", "monthly import"):
        history = books(kind)
        old = history[-40]
        copied = last(history, tables=old.tables, contents=old.contents)
        finding = one(anomalies.find_anomalies(copied), "old copy")
        assert finding.level is Level.CRITICAL
        assert f"exactly those of {old.name.dump} of {old.day}" in finding.message
        assert f"make pin FILE={history[-2].name.dump}" in finding.hint
        causes = {each.cause for each in anomalies.find_anomalies(copied)}
        assert causes == {finding.cause}, "one event, one cause"


def test_a_size_that_grew_no_more_than_the_rows_is_no_anomaly(plain: list[BackupSummary]) -> None:
    newest = plain[-1]
    more = {table: int(rows * 1.6) for table, rows in newest.tables.items()}
    found = anomalies.find_anomalies(last(plain, size=int(newest.size * 1.6), tables=more))
    assert not [each for each in found if each.kind == "size"]
    alone = anomalies.find_anomalies(last(plain, size=int(newest.size * 1.6)))
    assert one(alone, "size").cause == "prod holds more than before"


def test_five_days_without_growth_are_reported_while_the_other_tables_go_on() -> None:
    plant = histories.RESTS["the ledger rests 5 days"][1]
    for kind in ("round the clock", "seasons"):
        finding = one(anomalies.find_anomalies(plant(books(kind))), "growth stopped")
        assert (finding.subject, finding.level) == (LEDGER, Level.WARNING)
        assert "has not grown since" in finding.message


def test_an_office_that_is_closed_for_five_days_is_not_reported() -> None:
    history = books("long holidays", days=140)
    held = {table: rows for table, rows in history[-6].tables.items() if table != SESSIONS}
    closed = [replace(each, tables={**each.tables, **held}) for each in history[-5:]]
    assert not [
        each for each in anomalies.find_anomalies([*history[:-5], *closed]) if each.kind == "growth stopped"
    ]


def test_a_missing_table_and_the_schema_without_it_are_one_event(plain: list[BackupSummary]) -> None:
    rest = {name: rows for name, rows in plain[-1].tables.items() if name != LEDGER}
    found = anomalies.find_anomalies(last(plain, tables=rest, schema="another"))
    assert {each.kind for each in found} == {"table gone", "schema"}
    assert len({each.cause for each in found}) == 1
