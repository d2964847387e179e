"""Lines wrapped at a terminal's width: what is copied stays whole."""

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.presentation.wrapping import flow, words, wrap


def test_following_lines_are_indented_further() -> None:
    text = "CRITICAL: the backup of today is late"
    assert wrap(text, 24, indent=2) == ["  CRITICAL: the backup", "    of today is late"]
    assert wrap(text, 100, indent=2) == [f"  {text}"]


def test_a_command_is_one_word() -> None:
    hint = Hint("Drop it: ", make("discard", "dev", NAME="two words"), "; then try again.")
    assert words(hint) == [
        "Drop",
        "it:",
        "LEDGER_ENV=dev make discard NAME='two words';",
        "then",
        "try",
        "again.",
    ]
    assert wrap(hint, 30) == [
        "Drop it:",
        "  LEDGER_ENV=dev make discard NAME='two words';",
        "  then try again.",
    ]


def test_a_word_that_is_too_long_has_its_own_line() -> None:
    assert wrap("in /a/very/long/path is room", 12) == ["in", "  /a/very/long/path", "  is room"]


@given(st.lists(st.text("abc", min_size=1, max_size=30), max_size=30), st.integers(10, 60))
def test_no_word_is_lost_and_no_line_too_long(parts: list[str], columns: int) -> None:
    lines = wrap(" ".join(parts), columns, indent=2)
    assert " ".join(lines).split() == parts
    assert all(len(line) <= columns or len(line.split()) == 1 for line in lines)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(10, 100))
def test_parts_stay_in_order_and_lines_within_the_width(lengths: list[int], columns: int) -> None:
    lines = flow(lengths, columns)
    assert [number for line in lines for number in line] == list(range(len(lengths)))
    for line in lines:
        width = 2 + sum(lengths[number] for number in line) + 3 * (len(line) - 1)
        assert width <= columns or len(line) == 1
