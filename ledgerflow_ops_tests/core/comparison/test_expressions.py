"""Expressions: the server's two printed forms are equal, and a changed expression is not."""

import pytest

from ledgerflow_ops.core.comparison.expressions import digest, fingerprint, normalised, untitled

BEFORE = (
    "((status)::text = ANY ((ARRAY['open'::character varying, 'paid (late)'::character varying])::text[]))"
)
AFTER = (
    "((status)::text = ANY (ARRAY[('open'::character varying)::text, "
    "('paid (late)'::character varying)::text]))"
)


def test_both_printed_forms_of_an_in_list_on_a_varchar_are_equal() -> None:
    assert digest(BEFORE) == digest(AFTER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'open'", "'opem'"),
        ("paid (late)", "paid late"),
        ("paid (late)", "paid(late)"),
        ("status", "state"),
        ("ANY", "ALL"),
    ],
)
def test_a_changed_expression_differs(old: str, new: str) -> None:
    assert digest(BEFORE) != digest(BEFORE.replace(old, new))


@pytest.mark.parametrize(
    "quoted", ["'a (b) ::text  c'", "'it''s ( x )'", '"Col (1)"', '"a ""b"" ::int"', "''", "'\n\t'", "'\"'"]
)
def test_quoted_parts_are_kept_to_the_letter(quoted: str) -> None:
    assert normalised(f"( lower( {quoted} )::text )") == f"lower{quoted}"


@pytest.mark.parametrize(
    "cast",
    [
        "text",
        "text[]",
        "character varying(20)",
        "character varying(20)[]",
        "numeric(12,2)",
        "double precision",
        "timestamp without time zone",
        "timestamp(3) with time zone",
        "time with time zone",
        "public.mood",
        'public."My ""Mood"""',
        '"char"',
        "bit varying(3)",
    ],
)
def test_a_cast_to_any_type_is_left_out_whole(cast: str) -> None:
    assert normalised(f"(a)::{cast} > b") == "a>b"


def test_no_expression_has_no_digest_and_any_other_has_sixteen_digits() -> None:
    assert digest("") == ""
    assert len(digest("a > 0")) == 16
    assert digest("a > '\udcff'")


def test_a_fingerprint_holds_every_letter() -> None:
    assert fingerprint("a  > 0") != fingerprint("a > 0")
    assert len(fingerprint("")) == 16


@pytest.mark.parametrize(
    ("definition", "bare"),
    [
        ("SELECT NULL::integer AS int4", "SELECT NULL::integer"),
        ('SELECT a AS "b ""c"", (x)", d', "SELECT a, d"),
        ("SELECT ' AS b', \" AS c\"", "SELECT ' AS b', \" AS c\""),
        ("WITH q AS MATERIALIZED ( SELECT 1 AS one )", "WITH q AS MATERIALIZED ( SELECT 1 )"),
        ("WITH q AS NOT MATERIALIZED ( SELECT 1)", "WITH q AS NOT MATERIALIZED ( SELECT 1)"),
        ("WITH q AS ( SELECT 1)", "WITH q AS ( SELECT 1)"),
    ],
)
def test_titles_of_columns_are_taken_out(definition: str, bare: str) -> None:
    assert untitled(definition) == bare
