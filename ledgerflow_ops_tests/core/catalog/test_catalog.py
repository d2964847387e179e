"""The catalog: what is a backup, which counts, and where the window begins."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ledgerflow_ops.core.catalog.catalog import (
    backups,
    newest,
    newest_proven,
    newest_reliable,
    window_edge,
)
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops_tests.core.records import NOON, entry, manifest, proof

DAY = timedelta(days=1)


def test_backups_come_newest_first_whatever_their_names_and_order() -> None:
    entries = [entry(NOON - DAY), entry(NOON), entry(NOON - 3 * DAY)]
    assert [found.recovery_point for found in backups(entries)] == [NOON, NOON - DAY, NOON - 3 * DAY]
    assert newest(entries) is entries[1]


def test_what_has_no_manifest_or_a_problem_is_no_backup() -> None:
    entries = [entry(NOON, committed=False), entry(NOON, problem="its manifest was edited")]
    assert backups(entries) == []
    assert newest(entries) is None
    assert newest_proven(entries) is None


def test_the_newest_proven_is_not_the_newest_when_that_one_is_not_proven() -> None:
    counts = entry(NOON - 2 * DAY, proof())
    entries = [
        entry(NOON + DAY, proof(verdict=Verdict.UNJUDGED)),
        entry(NOON),
        entry(NOON - DAY, proof(Rung.EQUAL)),
        counts,
        entry(NOON - 3 * DAY, proof()),
    ]
    assert newest_proven(entries) is counts


def test_what_is_relied_on_is_of_a_known_age_and_of_the_real_database() -> None:
    ahead, now, before = (entry(NOON + minutes * timedelta(minutes=1), proof()) for minutes in (6, 5, -1))
    tried = replace(before, manifest=manifest(recovery_point=NOON, sample=True))
    assert newest_reliable([ahead, now, before], NOON, sample=False) is now
    assert newest_reliable([ahead], NOON, sample=False) is None
    assert newest_reliable([tried, before], NOON, sample=False) is before
    assert newest_reliable([tried, before], NOON, sample=True) is tried


@pytest.mark.parametrize("found", [None, proof(verdict=Verdict.BAD), proof(verdict=Verdict.UNJUDGED)])
def test_a_bad_or_void_proof_leaves_a_backup_merely_written(found: Proof | None) -> None:
    judged = entry(NOON, found)
    assert judged.rung is Rung.WRITTEN
    assert not judged.proven
    assert newest_proven([judged]) is None


def test_a_proof_is_worth_nothing_beside_a_problem() -> None:
    judged = entry(NOON, proof(), problem="the dump is another one")
    assert judged.bad
    assert not judged.proven
    assert judged.rung is Rung.WRITTEN


def test_the_state_is_the_word_that_people_read() -> None:
    assert entry(NOON).state == "written"
    assert entry(NOON, proof(Rung.READABLE)).state == "readable"
    assert entry(NOON, proof()).state == "valid"
    assert entry(NOON, proof(verdict=Verdict.BAD)).state == "bad"
    assert entry(NOON, problem="cut").state == "bad"
    assert entry(NOON, committed=False).state == "no manifest"
    assert entry(NOON, local=False).state == "not local"


def test_an_entry_knows_the_day_and_instant_of_its_manifest_only() -> None:
    assert (entry(NOON).day, entry(NOON).recovery_point) == (date(2026, 11, 23), NOON)
    assert (entry(committed=False).day, entry(committed=False).recovery_point) == (None, None)


@pytest.mark.parametrize(
    ("proven", "edge"),
    [
        (None, date(2026, 11, 16)),
        (date(2026, 11, 23), date(2026, 11, 16)),
        (date(2026, 11, 20), date(2026, 11, 13)),
        (date(2026, 10, 1), date(2026, 9, 24)),
        (date(2026, 11, 24), date(2026, 11, 16)),
    ],
)
def test_the_window_stalls_when_backups_stall(proven: date | None, edge: date) -> None:
    assert window_edge(date(2026, 11, 23), proven, 7) == edge
