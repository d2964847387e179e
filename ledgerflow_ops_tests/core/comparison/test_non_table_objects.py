"""Non-table objects: sequences, large objects and the DDL, compared with the archive."""

import pytest

from ledgerflow_ops.core.catalog.manifest import SequenceState
from ledgerflow_ops.core.comparison.non_table_objects import (
    NonTableObjects,
    SequenceReading,
    ddl_against_archive,
    non_table_against_archive,
)
from ledgerflow_ops_tests.core.records import contents

NAME = "public.invoice_id_seq"


def sequence(value: int, *, called: bool = True, ascending: bool = True) -> SequenceReading:
    return SequenceReading(SequenceState(value=value, called=called), ascending)


def told(before: SequenceReading, after: SequenceReading, found: int | None) -> list[str]:
    """The sentences on the archive's state of a sequence."""
    sequences = {} if found is None else {NAME: SequenceState(value=found, called=True)}
    differences = non_table_against_archive(
        NonTableObjects({NAME: before}, 1, None), {NAME: after}, contents(sequences=sequences)
    )
    assert {difference.cause for difference in differences} <= {"sequences"}
    return [difference.sentence for difference in differences]


@pytest.mark.parametrize("found", [2, 4, 0])
def test_a_sequence_that_stood_still_must_be_exact(found: int) -> None:
    assert told(sequence(3), sequence(3), 3) == []
    assert told(sequence(3), sequence(3), found) == [f"sequence {NAME}: 3 in the source, {found} found"]
    assert told(sequence(3, called=False), sequence(3, called=False), 3)


def test_a_sequence_that_moved_must_lie_on_its_way() -> None:
    for found, wrong in ((2, True), (3, False), (5, False), (9, False), (10, True)):
        assert bool(told(sequence(3), sequence(9), found)) is wrong
        down = told(sequence(9, ascending=False), sequence(3, ascending=False), found)
        assert bool(down) is wrong


def test_a_sequence_that_was_set_back_may_have_been_anywhere() -> None:
    assert told(sequence(9), sequence(3), 100) == []


def test_a_sequence_that_is_not_in_the_archive_is_named() -> None:
    assert told(sequence(9), sequence(3), None) == [f"sequence {NAME}: missing"]


@pytest.mark.parametrize(
    ("count", "digest", "sentence"),
    [
        (1, None, ""),
        (1, "c" * 32, ""),
        (2, None, "large objects: 2 in the source, 1 in the archive"),
        (1, "0" * 32, "large objects: their data differs from the source"),
    ],
)
def test_large_objects_are_counted_and_compared_where_they_were_read(
    count: int, digest: str | None, sentence: str
) -> None:
    found = non_table_against_archive(NonTableObjects({}, count, digest), {}, contents())
    assert [difference.sentence for difference in found] == ([sentence] if sentence else [])


DDL = b"""-- Name: t; Type: TABLE
\\restrict abc
CREATE TABLE public.t (
    id integer
);
CREATE VIEW public.v AS SELECT 1;
"""


def test_the_order_of_ddl_and_its_comments_do_not_matter() -> None:
    other = b"\\restrict xyz\n" + b"\n".join(reversed(DDL.split(b"\n")[2:])) + b"\n-- another comment\n"
    assert ddl_against_archive(DDL, other + b"REFRESH MATERIALIZED VIEW public.m;\n") == []


def test_a_line_of_ddl_that_changed_is_shown_on_both_sides() -> None:
    found = ddl_against_archive(DDL, DDL.replace(b"integer", b"bigint"))
    assert [difference.sentence for difference in found] == [
        "DDL missing from the archive:     id integer",
        "DDL only in the archive:     id bigint",
    ]


def test_a_line_of_ddl_that_is_there_once_less_is_missing() -> None:
    line = b"CREATE VIEW public.v AS SELECT 1;\n"
    assert len(ddl_against_archive(DDL + line, DDL)) == 1
    assert len(ddl_against_archive(DDL, DDL.replace(line, b""))) == 1
