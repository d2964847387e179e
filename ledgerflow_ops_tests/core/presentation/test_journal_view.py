"""Which entries of the journal are asked for, and how one reads."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.errors import BadBackup, Busy, CannotJudge, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.presentation import journal_view
from ledgerflow_ops.core.presentation.journal_view import EntryFilter

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")


def entry(**fields: object) -> dict[str, object]:
    return {"what": "backup", "at": NOW.isoformat(), "environment": "dev", "who": "ida", **fields}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),
        ("2026-11-01T05:00:00+00:00", datetime(2026, 11, 1, 5, 0, tzinfo=UTC)),
    ],
)
def test_since_is_a_day_of_the_environment_or_a_length_of_time(text: str, meant: datetime) -> None:
    assert journal_view.parse_since(text, NOW, VIENNA) == meant


@pytest.mark.parametrize("text", ["yesterday", "7", "d", "7 d", "-3d", "2026-13-01", "9999999d"])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(SettingsError, match="SINCE=") as error:
        journal_view.parse_since(text, NOW, VIENNA)
    assert "7d" in error.value.hint


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "ok"),
        (LedgerError("x", hint=Hint("y")), "failed"),
        (ValueError(), "failed"),
        (Busy("x", hint=Hint("y")), "refused"),
        (SettingsError("x", hint=Hint("y")), "refused"),
        (BadBackup("x", hint=Hint("y")), "bad"),
        (CannotJudge("x", hint=Hint("y")), "unjudged"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_every_end_has_its_word(error: BaseException | None, word: str) -> None:
    assert journal_view.result_of(error) == word


ENTRIES = st.lists(
    st.builds(
        lambda minutes, what, environment: entry(
            at=(NOW - timedelta(minutes=minutes)).isoformat(), what=what, environment=environment
        ),
        st.integers(0, 10_000),
        st.sampled_from(["backup", "drill", "restore"]),
        st.sampled_from(["dev", "test", "prod"]),
    ),
    max_size=30,
)


@given(
    ENTRIES,
    st.sampled_from(["", "dev", "prod"]),
    st.sampled_from(["", "backup"]),
    st.none() | st.integers(1, 40),
    st.none() | st.integers(0, 10_000),
)
def test_what_is_chosen_is_all_that_was_asked_for_and_nothing_else(
    entries: list[dict[str, object]], environment: str, what: str, last: int | None, minutes: int | None
) -> None:
    begin = NOW - timedelta(minutes=minutes) if minutes is not None else None
    fits = [
        one
        for one in entries
        if environment in ("", one["environment"])
        and what in ("", one["what"])
        and (begin is None or datetime.fromisoformat(str(one["at"])) >= begin)
    ]
    found = journal_view.select_entries(entries, EntryFilter(environment, begin, what, last))
    assert found == (fits if last is None else fits[-last:])


def test_an_entry_whose_time_cannot_be_read_is_never_left_out_for_its_age() -> None:
    odd: list[dict[str, object]] = [entry(at="long ago"), {"what": "backup"}]
    assert journal_view.select_entries(odd, EntryFilter(since=NOW)) == odd
    assert [journal_view.entry_row(one, VIENNA)[0] for one in odd] == ["?", "?"]


def test_a_row_reads_well() -> None:
    told = entry(
        result="ok",
        file="x.dump",
        rung="valid",
        size=239_556,
        seconds=3.21,
        run_id="0123456789",
        why="by hand",
    )
    assert journal_view.entry_row(told, VIENNA) == (
        "2026-11-23 13:00:00",
        "dev",
        "backup",
        "ok",
        "x.dump, valid, 239.6 KB, 3.2 s",
        "ida (01234567)",
        "by hand",
    )
    guard = {"what": "ledger_docker", "at": NOW.isoformat(), "verdict": "refused", "command": "docker rm x"}
    assert journal_view.entry_row(guard, VIENNA)[1:5] == ("-", "ledger_docker", "refused", "docker rm x")
    rotated = entry(what="rotate", result="ok", removed=["a.dump", "b.dump"], seconds=0.31)
    assert journal_view.entry_row(rotated, VIENNA)[2:5] == ("rotate", "ok", "2 removed, 0.3 s")
    bad = entry(result="bad", error="its SHA-256 differs\nsecond line", rung="written")
    assert journal_view.entry_row(bad, VIENNA)[3:5] == ("bad", "its SHA-256 differs")
