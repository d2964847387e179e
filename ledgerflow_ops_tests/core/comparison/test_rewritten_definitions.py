"""Definitions in other words: a sealed one is recognised by the archive's text, an edited one is not."""

import pytest

from ledgerflow_ops.core.catalog.manifest import ObjectDigest
from ledgerflow_ops.core.comparison.expressions import digest, untitled
from ledgerflow_ops.core.comparison.rewritten_definitions import RewordedDefinition, as_loaded

GRANTS = "me SELECT f,you SELECT f"
VIEW = RewordedDefinition(
    "CREATE VIEW s.v AS\n SELECT c AS k\n   FROM s.f() f(c)\n  WHERE (c > (- 1))\n  WITH LOCAL CHECK OPTION;",
    "CREATE VIEW s.v AS\n SELECT c AS k\n   FROM s.f() f(c, d)\n  WHERE (c > '-1'::integer)\n"
    "  WITH LOCAL CHECK OPTION;",
)
BEFORE = f"{GRANTS}| SELECT c AS k\n   FROM s.f() f(c)\n  WHERE (c > (- 1));"
AFTER = f"{GRANTS}| SELECT c AS k\n   FROM s.f() f(c, d)\n  WHERE (c > '-1'::integer);"
TABLE = RewordedDefinition(
    "CREATE TABLE s.t (\n    a integer DEFAULT (- 1),\n    b integer DEFAULT '-1'::integer,\n"
    "    CONSTRAINT x CHECK ((a > (- 2)))\n);",
    "CREATE TABLE s.t (\n    a integer DEFAULT '-1'::integer,\n    b integer DEFAULT '-1'::integer,\n"
    "    CONSTRAINT x CHECK ((a > '-2'::integer))\n);",
)
POLICY = RewordedDefinition(
    "CREATE POLICY p ON s.t USING ((a > (- 1))) WITH CHECK ((a IN ( SELECT f.c\n   FROM s.f() f(c))));",
    "CREATE POLICY p ON s.t USING ((a > '-1'::integer)) WITH CHECK ((a IN ( SELECT f.c\n"
    "   FROM s.f() f(c, d))));",
)
OTHER = RewordedDefinition("CREATE VIEW s.w AS\n SELECT (- 9);", "CREATE VIEW s.w AS\n SELECT '-9'::integer;")


def _read(sealed: str, found: str, *reworded: RewordedDefinition) -> bool:
    """Whether the sealed digest is taken for that of what was found."""
    before, now = (ObjectDigest(structure="s", definition=digest(untitled(text))) for text in (sealed, found))
    read = as_loaded({"o": before, "gone": before}, {"o": now}, {"o": found}, reworded)
    assert read["gone"] == before
    assert read["o"].structure == "s"
    return read["o"] == now


@pytest.mark.parametrize(
    ("sealed", "found", "one"),
    [
        pytest.param(BEFORE, AFTER, VIEW, id="a query, with grants before and a check option after it"),
        pytest.param("(- 1)", "'-1'::integer", TABLE, id="one of several defaults"),
        pytest.param("CHECK ((a > (- 2)))", "CHECK ((a > '-2'::integer))", TABLE, id="a constraint"),
        pytest.param(
            "(a > (- 1))|(a IN ( SELECT f.c\n   FROM s.f() f(c)))",
            "(a > '-1'::integer)|(a IN ( SELECT f.c\n   FROM s.f() f(c, d)))",
            POLICY,
            id="two expressions of one policy",
        ),
        pytest.param(
            "(a > '-1'::integer)|(a IN ( SELECT f.c\n   FROM s.f() f(c)))",
            "(a > '-1'::integer)|(a IN ( SELECT f.c\n   FROM s.f() f(c, d)))",
            RewordedDefinition(POLICY.dumped.replace("(- 1)", "'-1'::integer"), POLICY.loaded),
            id="one expression of two",
        ),
    ],
)
def test_a_definition_in_the_words_of_the_archive_is_recognised(
    sealed: str, found: str, one: RewordedDefinition
) -> None:
    assert _read(sealed, found, OTHER, one)
    assert not _read(sealed, found, OTHER)
    assert not _read(sealed, found)


@pytest.mark.parametrize(
    ("old", "new"),
    [("(- 1)", "(- 2)"), (">", ">="), ("s.f()", "s.g()"), ("f(c)", "f(k)"), ("you", "she"), ("SELECT c", "")],
)
def test_an_edited_definition_is_not(old: str, new: str) -> None:
    """Neither a text that the archive lacks, nor a copy that was not loaded from the archive."""
    assert not _read(BEFORE.replace(old, new), AFTER, VIEW)
    assert not _read(BEFORE, AFTER.replace(old.replace("f(c)", "f(c, d)"), new) + " ", VIEW)


def test_a_seal_of_an_earlier_version_has_digests_with_the_titles_of_columns() -> None:
    before, now = (ObjectDigest(structure="s", definition=digest(text)) for text in (BEFORE, AFTER))
    assert as_loaded({"o": before}, {"o": now}, {"o": AFTER}, [VIEW]) == {"o": now}


def test_a_long_text_with_one_change_in_each_line_is_read_in_a_moment() -> None:
    lines = [f"    a{n} AS b{n}, ((c{n} * (- 1)) + d{n})" for n in range(400)]
    loaded = [line.replace("(- 1)", "'-1'::integer") for line in lines]
    before, after = ("\n".join(some) for some in (lines, loaded))
    assert _read(
        before, after, RewordedDefinition(f"CREATE VIEW v AS\n{before};", f"CREATE VIEW v AS\n{after};")
    )
