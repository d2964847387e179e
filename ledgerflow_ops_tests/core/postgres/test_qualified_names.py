"""Qualified names: one spelling, from which the name comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, column_list, columns_in

PARTS = st.one_of(
    st.sampled_from(["public", 'a"b', '""', "a.b", "a b", "Ünï", "new\nline", "(x)", "select", "x$1", "'"]),
    st.text(min_size=1, max_size=10),
)


@given(PARTS, PARTS, st.sampled_from(["", " (a, b)", " FROM stdin", "\n", ", more"]))
def test_a_name_comes_back_from_its_key(schema: str, name: str, after: str) -> None:
    qualified = QualifiedName(schema, name)
    assert QualifiedName.parse(qualified.key + after) == qualified
    assert QualifiedName.split(qualified.key + after) == (qualified, after)


@given(PARTS, PARTS, PARTS, PARTS)
def test_different_names_have_different_keys(a: str, b: str, c: str, d: str) -> None:
    assert (QualifiedName(a, b).key == QualifiedName(c, d).key) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    ("spelt", "key"),
    [
        ('"public"."order"', "public.order"),
        ("public.order", "public.order"),
        ('public."Order"', 'public."Order"'),
        ('  "a""b".c (d)', '"a""b".c'),
    ],
)
def test_two_ways_of_quoting_are_one_key(spelt: str, key: str) -> None:
    assert QualifiedName.parse(spelt).key == key


@pytest.mark.parametrize("text", ["", "plain", ".x", "a.", '"a".', '"open.b', "a b.c"])
def test_what_is_no_qualified_name_raises(text: str) -> None:
    with pytest.raises(ValueError, match="no qualified name"):
        QualifiedName.parse(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("(id)", ("id",)),
        (' (id, "position", "B c")', ("id", "position", "B c")),
        ('("a,b", "c)", "d""e", "(")', ("a,b", "c)", 'd"e', "(")),
    ],
)
def test_a_list_of_columns_has_one_spelling_however_it_was_quoted(text: str, names: tuple[str, ...]) -> None:
    assert columns_in(text) == names
    assert columns_in(column_list(names)) == names


def test_what_only_one_list_of_keywords_quotes_is_spelt_alike() -> None:
    assert column_list(columns_in('("position", "user")')) == "(position, user)"
