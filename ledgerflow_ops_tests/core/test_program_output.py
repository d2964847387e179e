"""What a program prints, as lines: whole, masked and bounded."""

import string

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.program_output import LONGEST_LINE, MOST_LINES, ProgramOutput


def reported(*pieces: bytes, end: bool = True) -> list[str]:
    lines = list[str]()
    output = ProgramOutput("pg_dump 17.2", lines.append)
    for piece in pieces:
        output.feed(piece)
        output.flush()
    if end:
        output.end("exit code 0", 1.26)
    return lines


def test_a_silent_program_leaves_one_line() -> None:
    assert reported() == ["pg_dump 17.2: exit code 0 after 1.3 s"]


def test_a_line_is_reported_once_it_is_complete() -> None:
    assert reported(b"pg_dump: warn", end=False) == []
    assert reported(b"pg_dump: warn", b"ing: x\nDET", end=False) == ["pg_dump: warning: x"]
    assert reported(b"a\n\n", b"b")[:2] == ["a", "b"]


def test_a_password_is_masked_wherever_the_pieces_end() -> None:
    line = b"connection to postgres://owner:s3cret@host/db failed; OPTIONS (user 'a', password 's3cret')\n"
    for cut in range(len(line)):
        shown = " ".join(reported(line[:cut], line[cut:]))
        assert "s3cret" not in shown
        assert "postgres://owner:***@host/db" in shown


def test_many_lines_and_long_lines_are_cut() -> None:
    lines = reported(b"x\n" * (MOST_LINES + 7))
    assert lines[MOST_LINES:] == [
        "pg_dump 17.2: 7 more lines are left out here",
        "pg_dump 17.2: exit code 0 after 1.3 s",
    ]
    assert reported(b"y" * LONGEST_LINE)[0] == "y" * LONGEST_LINE
    assert reported(b"y" * (LONGEST_LINE + 1))[0] == "y" * LONGEST_LINE + " …"
    assert len(reported(*[b"z" * 65536] * 20)[0]) == LONGEST_LINE + 2


@given(st.lists(st.text(string.ascii_letters + "é\n", max_size=20), max_size=20))
def test_the_pieces_do_not_matter(pieces: list[str]) -> None:
    encoded = [piece.encode() for piece in pieces]
    whole = [line for line in "".join(pieces).split("\n") if line]
    assert reported(*encoded)[:-1] == whole
