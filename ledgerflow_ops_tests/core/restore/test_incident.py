"""Which candidate is tried when, what was lost, and how it reads."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.catalog import CatalogEntry, newest, newest_proven, select_backup
from ledgerflow_ops.core.catalog.manifest import TableFacts
from ledgerflow_ops.core.restore import incident as incidents
from ledgerflow_ops.core.restore.incident import CandidateVerdict, Event, Incident, TableLoss
from ledgerflow_ops_tests.core import records

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@st.composite
def catalogs(draw: st.DrawFn) -> list[CatalogEntry]:
    """Entries of any instants and states, some without a manifest."""
    found = []
    for _ in range(draw(st.integers(0, 8))):
        taken = NOON - timedelta(hours=draw(st.integers(0, 200)))
        state = draw(st.sampled_from(["proven", "written", "bad", "bare"]))
        proof = records.proof() if state == "proven" else None
        problem = "cut" if state == "bad" else ""
        found.append(records.entry(taken, proof, problem=problem, committed=state != "bare"))
    return found


@given(catalogs(), st.integers(1, 3))
def test_candidates_are_tried_from_the_newest_recovery_point_on(
    entries: list[CatalogEntry], places: int
) -> None:
    listed = [(entry, place) for place in range(places) for entry in entries]
    order = incidents.trial_order(listed)
    assert sorted(order) == list(range(len(listed)))
    points = [listed[position][0].recovery_point for position in order]
    known = [point for point in points if point]
    assert known == sorted(known, reverse=True)
    assert all(point is None for point in points[len(known) :])
    for first, second in pairwise(order):
        (one, here), (other, there) = listed[first], listed[second]
        if one.recovery_point and one.recovery_point == other.recovery_point:
            assert here <= there


@given(catalogs())
def test_the_file_chosen_is_always_the_newest_that_holds(entries: list[CatalogEntry]) -> None:
    latest, proven = select_backup(entries, "latest"), select_backup(entries, "latest-proven")
    assert (latest, proven) == (newest(entries), newest_proven(entries))
    holding = [entry.recovery_point for entry in entries if entry.proven and entry.recovery_point]
    assert (proven.recovery_point if proven else None) == max(holding, default=None)
    for day in {entry.day for entry in entries if entry.day}:
        of_day = select_backup(entries, day.isoformat())
        mine = [entry for entry in entries if entry.day == day and entry.is_backup]
        assert (of_day in mine) if mine else of_day is None
        if any(entry.proven for entry in mine):
            assert of_day is not None
            assert of_day.proven


def test_losses_name_every_table_whose_rows_differ() -> None:
    manifest = records.manifest()
    known = {"public.invoice": 5, "public.gone": 2, "public.customer": 0}
    assert incidents.table_losses(manifest, known) == [
        TableLoss("public.gone", 2, 0),
        TableLoss("public.invoice", 5, 3),
    ]
    same = {name: facts.rows for name, facts in manifest.seal.tables.items()}
    assert incidents.table_losses(manifest, same) == []
    assert isinstance(manifest.seal.tables["public.invoice"], TableFacts)


def test_the_record_says_everything_to_a_person() -> None:
    incident = Incident("prod", "20261123_120000_ab12", "ada", "volume deleted")
    incident.primary, incident.outcome = "books is gone.", "RECOVERED"
    incident.searched = ["/backups/prod", "/archive/prod"]
    incident.timeline = [Event(NOON, "recovery begun")]
    incident.candidates = [
        CandidateVerdict("/backups/prod/b.dump", NOON, "its SHA-256 differs.\nmore"),
        CandidateVerdict("/archive/prod/a.dump", NOON - timedelta(days=1)),
    ]
    incident.recovery_point, incident.lost = NOON - timedelta(days=1), timedelta(days=1, hours=2)
    incident.losses = [TableLoss("public.invoice", 5, 3)]
    incident.todo = ["Take a new backup: make backup."]
    text = incidents.markdown(incident)
    for words in (
        "# Incident prod_20261123_120000_ab12",
        "RECOVERED",
        "Why: volume deleted",
        "1 day, 2:00:00 before the recovery",
        "| public.invoice | 5 | 3 |",
        "rejected: its SHA-256 differs. more",
        "/archive/prod/a.dump (2026-11-22T12:00:00+00:00): HOLDS: restored",
        "- [ ] Take a new backup",
        "## Commands run\n\nNothing.",
    ):
        assert words in text
    assert incident.as_json()["lost"] == 93600


def test_a_record_of_nothing_recovered_says_so() -> None:
    text = incidents.markdown(Incident("dev", "x", "ada", ""))
    assert "Nothing was restored." in text
    assert "Why: not given" in text
