"""What stays of backups that are gone: records that survive, and bounds that a clock cannot fool."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ledgerflow_ops.core.catalog import backup_summary, history
from ledgerflow_ops.core.catalog.history import FileRecord, Removal, RemovalPart
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops_tests.core import records

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GOING = Removal(
    file="ledgerflow_dev_20261115_1200.dump",
    key="ledgerflow_dev_20261115_1200",
    digest="d" * 64,
    day=date(2026, 11, 15),
    reasons=("it is older than the window",),
    who="tests",
    at=NOON,
    parts=(RemovalPart(root="", files=(FileRecord(file="x.dump", size=1, mtime_ns=2),)),),
)


def test_a_removal_is_read_as_it_was_written() -> None:
    assert Removal.decode(GOING.encode(), "x.going.json") == GOING
    assert GOING.name.stem == GOING.kept_as.stem == "ledgerflow_dev_20261115_1200"


@pytest.mark.parametrize(
    "damage", [b"", b"{}", GOING.encode()[:-1], GOING.encode().replace(b"tests", b"texts")]
)
def test_a_removal_that_was_edited_or_cut_is_not_believed(damage: bytes) -> None:
    with pytest.raises(BadBackup, match=r"^x\.going\.json: ") as told:
        Removal.decode(damage, "x.going.json")
    assert told.value.hint


@pytest.mark.parametrize(
    ("changes", "over"),
    [
        ({"retired": True, "wiped": True, "parts": ()}, True),
        ({"retired": True, "wiped": True}, False),
        ({"retired": True, "parts": ()}, False),
        ({"wiped": True, "parts": ()}, False),
    ],
)
def test_a_removal_is_over_when_all_of_it_is_done(changes: dict[str, object], over: bool) -> None:
    assert GOING.model_copy(update=changes).over is over


def test_facts_are_read_as_they_were_written() -> None:
    found = backup_summary.summarize(records.entry(proven=records.proof()))
    assert found
    assert history.decode_facts(history.encode_facts(found), "x.facts.json") == found


def test_facts_of_another_shape_are_not_believed() -> None:
    with pytest.raises(BadBackup, match=r"x\.facts\.json: not facts that this version can read"):
        history.decode_facts(GOING.encode(), "x.facts.json")


def test_what_is_old_goes_unless_it_is_among_the_newest() -> None:
    points = [(str(days), NOON - timedelta(days=days)) for days in range(700)]
    gone = history.expired_records(points, NOON, timedelta(days=500), 400)
    assert gone == {str(days) for days in range(501, 700)}
    assert history.expired_records(points, NOON, timedelta(days=300), 400) == {
        str(days) for days in range(400, 700)
    }


def test_a_clock_years_ahead_forgets_nothing_that_is_among_the_newest() -> None:
    points = [(str(days), NOON - timedelta(days=days)) for days in range(450)]
    since = NOON + timedelta(days=9999)
    assert not history.expired_records(points, since, history.KNOWN, history.KEPT_KNOWN)
    assert history.KEPT_KNOWN >= 400
    assert timedelta(days=400) <= history.KNOWN
