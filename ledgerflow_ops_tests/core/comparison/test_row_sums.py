"""Sums of rows: equal in any order, and different for any other rows."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.catalog.manifest import Contents, LargeObjects, TableContent, TableFacts
from ledgerflow_ops.core.comparison import row_sums
from ledgerflow_ops.core.comparison.dump_content import ContentReader
from ledgerflow_ops.core.comparison.row_sums import RowSum, sum_tables
from ledgerflow_ops.core.comparison.seal_comparison import contents_equal

NONE = LargeObjects(count=0, digest="")
VIA_ROOT = b"""SET client_encoding = 'UTF8';

--
-- Data for Name: p; Type: TABLE DATA; Schema: public; Owner: o
--

COPY public.p (c, n) FROM stdin;
x\t1
\\.

--
-- Data for Name: %(name)s; Type: TABLE DATA; Schema: S; Owner: o
--

-- load via partition root public.p

COPY public.p (n, c) FROM stdin;
2\ty
3\tz
\\.
"""


def summed(*rows: bytes, columns: tuple[str, ...] = ("a", "b")) -> tuple[int, int]:
    taken = RowSum(columns)
    taken.take(b"".join(row + b"\n" for row in rows))
    return sum_tables([taken])


@given(
    st.lists(st.binary(max_size=6).filter(lambda row: b"\n" not in row), max_size=8),
    st.lists(st.integers(0, 60), max_size=5),
    st.randoms(),
)
def test_rows_sum_up_the_same_in_any_order_and_any_chunks(rows: list[bytes], cuts: list[int], chance) -> None:  # type: ignore[no-untyped-def]
    shuffled = rows[:]
    chance.shuffle(shuffled)
    text, taken = b"".join(row + b"\n" for row in shuffled), RowSum()
    for start, end in pairwise([0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]):
        taken.take(memoryview(text)[start:end])
    assert sum_tables([taken]) == summed(*rows, columns=())


@pytest.mark.parametrize(
    "other",
    [(b"1\t2",), (b"1\t2", b"1\t2", b"3\t4"), (b"1\t2", b"3\t5"), (b"2\t1", b"3\t4"), (b"1\t2", b"4\t3")],
)
def test_other_rows_have_another_sum(other: tuple[bytes, ...]) -> None:
    assert summed(b"1\t2", b"3\t4") != summed(*other)


def test_values_count_by_their_column_and_not_by_its_place() -> None:
    assert summed(b"1\t2") == summed(b"2\t1", columns=("b", "a"))


def test_partitions_are_summed_up_together() -> None:
    whole, first, second = RowSum(), RowSum(), RowSum()
    whole.take(b"1\n2\n")
    first.take(b"2\n")
    second.take(b"1\n")
    assert sum_tables([whole]) == sum_tables([first, second])


@pytest.mark.parametrize("name", ["p0", "p0; Type: TABLE DATA; Schema: x", "-- Data for Name: p", "p"])
def test_data_loaded_through_the_root_is_its_partitions(name: str) -> None:
    reader = ContentReader(counted=["public.p"])
    reader.feed(VIA_ROOT % {b"name": name.encode()})
    tables = reader.close().tables
    (partition,) = {key: table for key, table in tables.items() if key != "public.p"}.values()
    assert (partition.rows, partition.root, partition.columns) == (2, "public.p", "(n, c)")
    assert (tables["public.p"].rows, tables["public.p"].root) == (1, None)
    assert sum_tables([reader.sums["public.p"]]) == summed(b"x\t1", columns=("c", "n"))


def content(rows: int = 2, size: int = 8, digest: str = "d", root: str | None = None) -> TableContent:
    return TableContent(rows=rows, size=size, digest=digest, columns="(a)", root=root)


def contents(**tables: TableContent) -> Contents:
    return Contents(tables=tables, sequences={}, large_objects=NONE)


def test_only_what_may_be_the_same_rows_is_looked_at_again() -> None:
    expected = contents(
        equal=content(),
        another_order=content(),
        more_rows=content(),
        more_bytes=content(),
        gone=content(),
        p0=content(root="p"),
        p1=content(root="p"),
        q0=content(root="q"),
    )
    found = contents(
        equal=content(),
        another_order=content(digest="e"),
        more_rows=content(3),
        more_bytes=content(size=9),
        p0=content(1, 4, "f"),
        p1=content(3, 12, "g"),
        q0=content(),
    )
    groups = row_sums.reordered_groups(expected, found)
    assert groups == [{"another_order"}, {"p0", "p1"}]
    settled = row_sums.with_expected(expected, found, ["p0", "p1"])
    assert (settled.tables["p0"], settled.tables["another_order"].digest) == (content(root="p"), "e")


def test_rows_that_a_load_through_the_root_left_where_they_were_do_not_differ() -> None:
    expected = contents(p0=content(root="p"), p1=content(3, root="p"), t=content())
    found = row_sums.with_roots(expected, contents(p0=content(), p1=content(3), t=content(), new=content()))
    assert found == contents(p0=content(root="p"), p1=content(3, root="p"), t=content(), new=content())
    assert (
        contents_equal(
            expected, row_sums.with_roots(expected, contents(p0=content(), p1=content(3), t=content()))
        )
        == []
    )


def test_sums_of_partitions_are_those_of_their_root() -> None:
    archived = contents(p0=content(root="p"), p1=content(root="p"), t=content())
    facts = {
        "p0": TableFacts(rows=1, sums={"n": "1.50", "x": None}),
        "p1": TableFacts(rows=2, sums={"n": "2.5", "x": "Infinity"}),
        "t": TableFacts(rows=1, sums={"n": "1.50"}),
    }
    moved = {
        "p0": TableFacts(rows=0, sums={"n": None, "x": None}),
        "p1": TableFacts(rows=3, sums={"n": "4.00", "x": "Infinity"}),
        "t": facts["t"],
    }
    assert row_sums.merge_partitions(facts, archived) == row_sums.merge_partitions(moved, archived)
    assert row_sums.merge_partitions(facts, archived)["t"] == facts["t"]
    lost = {**moved, "p1": replace_rows(moved["p1"], 2)}
    assert row_sums.merge_partitions(facts, archived) != row_sums.merge_partitions(lost, archived)


def replace_rows(facts: TableFacts, rows: int) -> TableFacts:
    return facts.model_copy(update={"rows": rows})


def test_a_table_that_is_loaded_as_itself_is_recorded_as_before() -> None:
    assert content().model_dump_json() == '{"rows":2,"size":8,"digest":"d","columns":"(a)"}'
    assert content(root="p").model_dump()["root"] == "p"
