"""Comparisons: every kind of difference is found, and names its object."""

from collections.abc import Callable
from typing import Any

import pytest

from ledgerflow_ops.core.catalog.manifest import (
    LargeObjects,
    ObjectDigest,
    RoleFacts,
    SequenceState,
    TableContent,
    TableFacts,
)
from ledgerflow_ops.core.comparison.seal_comparison import (
    Difference,
    as_sealed_earlier,
    contents_equal,
    facts_equal,
    roles_equal,
    rows_against_seal,
    source_against_archive,
    upgrade_seal,
    versions_sentence,
)
from ledgerflow_ops_tests.core.records import contents, seal

INVOICE = "public.invoice"


def table(rows: int = 3, digest: str = "a" * 32, columns: str = "(id, total)") -> TableContent:
    return TableContent(rows=rows, size=30, digest=digest, columns=columns)


def only(differences: list[Difference]) -> tuple[str, str]:
    """The one difference."""
    assert len(differences) == 1, differences
    return differences[0].cause, differences[0].sentence


def test_what_is_equal_shows_no_difference() -> None:
    full = seal(content={name: found.digest for name, found in contents().tables.items()})
    assert rows_against_seal(seal(), contents()) == []
    assert source_against_archive(full, contents()) == []
    assert contents_equal(contents(), contents()) == []
    assert facts_equal(seal(), seal(), same_major=True) == []
    assert facts_equal(seal(), seal(), same_major=False) == []


def with_tables(**changed: TableContent | None) -> dict[str, TableContent]:
    tables: dict[str, TableContent | None] = {**contents().tables}
    tables |= {name.replace("__", "."): found for name, found in changed.items()}
    return {name: found for name, found in tables.items() if found}


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (with_tables(public__invoice=table(rows=2)), "public.invoice: 3 rows sealed, 2 found"),
        (with_tables(public__invoice=None), "table public.invoice: missing"),
        (with_tables(public__more=table()), "table public.more: not in the seal"),
    ],
)
def test_rows_that_differ_from_those_sealed_name_the_table(
    tables: dict[str, TableContent], sentence: str
) -> None:
    assert only(rows_against_seal(seal(), contents(tables=tables))) == ("rows", sentence)


def test_an_empty_table_that_the_seal_does_not_count_is_no_difference() -> None:
    assert rows_against_seal(seal(), contents(tables=with_tables(public__config=table(rows=0)))) == []


def test_data_that_differs_from_the_source_names_the_table() -> None:
    full = seal(content={INVOICE: "0" * 32})
    assert only(source_against_archive(full, contents())) == (
        "contents",
        "public.invoice: its data differs from the source",
    )
    assert (
        "public.lost: missing"
        in only(source_against_archive(seal(content={"public.lost": "0"}), contents()))[1]
    )
    assert source_against_archive(seal(content=None), contents(tables={})) == []


@pytest.mark.parametrize(
    ("changes", "cause", "sentence"),
    [
        (
            {"tables": with_tables(public__invoice=table(rows=2))},
            "contents",
            "public.invoice: 3 rows sealed, 2 found",
        ),
        (
            {"tables": with_tables(public__invoice=table(digest="0" * 32))},
            "contents",
            "public.invoice: the same number of rows (3), but different data",
        ),
        (
            {"tables": with_tables(public__invoice=table(columns="(id)"))},
            "contents",
            "public.invoice: the same number of rows (3), but different data",
        ),
        ({"tables": with_tables(public__customer=None)}, "contents", "table public.customer: missing"),
        ({"tables": with_tables(public__more=table())}, "contents", "table public.more: not in the seal"),
        ({"sequences": {}}, "sequences", "sequence public.invoice_id_seq: missing"),
        (
            {"sequences": {"public.invoice_id_seq": SequenceState(value=4, called=True)}},
            "sequences",
            "sequence public.invoice_id_seq: 3 sealed, 4 found",
        ),
        (
            {"sequences": {"public.invoice_id_seq": SequenceState(value=3, called=False)}},
            "sequences",
            "sequence public.invoice_id_seq: 3 sealed, 3 found",
        ),
        (
            {"large_objects": LargeObjects(count=2, digest="c" * 32)},
            "large objects",
            "large objects differ: 1 sealed, 2 found",
        ),
        (
            {"large_objects": LargeObjects(count=1, digest="0" * 32)},
            "large objects",
            "large objects differ: 1 sealed, 1 found",
        ),
    ],
)
def test_contents_that_differ_name_the_object(changes: dict[str, Any], cause: str, sentence: str) -> None:
    assert only(contents_equal(contents(), contents(**changes))) == (cause, sentence)


@pytest.mark.parametrize(
    ("changes", "cause", "sentence"),
    [
        (
            {"tables": {**seal().tables, INVOICE: TableFacts(rows=3, sums={"total": "12.51"})}},
            "sums",
            "public.invoice: counts or sums differ",
        ),
        ({"tables": {INVOICE: seal().tables[INVOICE]}}, "sums", "table public.customer: missing"),
        ({"objects": {}}, "schema", "table public.invoice: missing"),
        (
            {"objects": {**seal().objects, "view public.v": ObjectDigest(structure="", definition="")}},
            "schema",
            "view public.v: not in the seal",
        ),
        (
            {"objects": {"table public.invoice": ObjectDigest(structure="s2", definition="d1")}},
            "schema",
            "table public.invoice: owner, grants or definition differ",
        ),
        ({"sequences": ()}, "sequences", "sequence public.invoice_id_seq: missing"),
        ({"extensions": {}}, "extensions", "extension pg_trgm: missing"),
        ({"roles": {}}, "roles", "role owner: missing"),
        (
            {"roles": {"owner": RoleFacts(attributes="", member_of=("staff",))}},
            "roles",
            "role owner: attributes or memberships differ",
        ),
    ],
)
@pytest.mark.parametrize("same_major", [True, False])
def test_facts_that_differ_name_the_object(
    changes: dict[str, Any], cause: str, sentence: str, same_major: bool
) -> None:
    assert only(facts_equal(seal(), seal(**changes), same_major=same_major)) == (cause, sentence)


def test_expressions_are_compared_only_between_servers_of_one_major_version() -> None:
    printed = seal(objects={"table public.invoice": ObjectDigest(structure="s1", definition="other")})
    assert only(facts_equal(seal(), printed, same_major=True))[0] == "schema"
    assert facts_equal(seal(), printed, same_major=False) == []


def test_another_version_of_an_extension_is_no_difference() -> None:
    assert facts_equal(seal(), seal(extensions={"pg_trgm": "1.7"}), same_major=True) == []


def test_roles_that_only_the_finder_has_do_not_matter() -> None:
    more = {**seal().roles, "postgres": RoleFacts(attributes="SUPERUSER", member_of=())}
    assert roles_equal(seal().roles, more) == []


@pytest.mark.parametrize("compare", [contents_equal])
def test_all_differences_are_reported_in_the_order_of_their_names(
    compare: Callable[..., list[Difference]],
) -> None:
    found = compare(contents(), contents(tables={}, sequences={}))
    assert [difference.cause for difference in found] == ["contents", "contents", "sequences"]
    assert found[0].sentence == "table public.customer: missing"


def _objects(**structures: str) -> dict[str, ObjectDigest]:
    return {
        name.replace("_", " ", 1): ObjectDigest(structure=structure, definition="d")
        for name, structure in structures.items()
    }


def test_a_seal_of_an_earlier_version_is_read_as_it_was_meant() -> None:
    """It holds the composite types of extensions, and options of columns that differ in every copy."""
    sealed = seal(objects=_objects(table_t="s", column_a="pg_attver=1", type_x="mine"))
    found = seal(objects=_objects(table_t="s", column_a="pg_attver=2"))
    read = upgrade_seal(sealed, found, {"type x"}, {}, carried=True)
    assert facts_equal(read, found, same_major=True) == []


def test_a_definition_that_an_earlier_version_sealed_with_its_titles_is_compared_with_them() -> None:
    item = ObjectDigest(structure="s", definition="titled")
    found = seal(objects={"view v": ObjectDigest(structure="s", definition="untitled")})
    for titled, differs in (({"view v": "titled"}, False), ({"view v": "other"}, True), ({}, True)):
        read = upgrade_seal(seal(objects={"view v": item}), found, (), titled, carried=False)
        assert bool(facts_equal(read, found, same_major=True)) == differs


@pytest.mark.parametrize(
    ("sealed", "carried", "sentence"),
    [
        (_objects(column_a="1"), False, "column a: owner, grants or definition differ"),
        (_objects(column_a="2", column_b="2"), True, "column b: missing"),
        (_objects(column_a="2", table_t="1"), True, "table t: missing"),
    ],
)
def test_damage_is_seen_by_a_seal_of_an_earlier_version(
    sealed: dict[str, ObjectDigest], carried: bool, sentence: str
) -> None:
    expected, found = seal(objects=sealed), seal(objects=_objects(column_a="2"))
    read = upgrade_seal(expected, found, {"type x"}, {}, carried=carried)
    assert [one.sentence for one in facts_equal(read, found, same_major=True)] == [sentence]


def test_extensions_in_another_version_are_reported() -> None:
    told = versions_sentence({"pg_trgm": "1.5", "hstore": "1.8"}, {"pg_trgm": "1.6", "hstore": "1.8"})
    assert told == "Extensions in another version: pg_trgm 1.5 was sealed, 1.6 is here."
    assert versions_sentence({"hstore": "1.8"}, {"hstore": "1.8"}) == ""


def test_a_text_that_an_earlier_version_took_is_the_same_object_part_by_part() -> None:
    before, now, other = (ObjectDigest(structure=text, definition=text) for text in "bno")
    mixed = ObjectDigest(structure="b", definition="o")
    read = as_sealed_earlier(
        {"a": before, "b": other, "c": mixed, "d": before, "e": before},
        {"a": now, "b": now, "c": now, "d": now},
        {"a": before, "b": before, "c": before, "e": before},
    )
    assert read["a"] == now
    assert read["b"] == other
    assert read["c"] == ObjectDigest(structure="n", definition="o")
    assert read["d"] == read["e"] == before
