"""The DDL of a dump and of its copy: a difference is reported by object; another wording is not one."""

import pytest

from ledgerflow_ops.core.comparison import ddl_comparison

_HEAD = """--
-- PostgreSQL database dump
--

\\restrict {key}
SET statement_timeout = 0;

"""


def _script(*objects: tuple[str, str, str], key: str = "a", before: str = "") -> bytes:
    """A script as pg_dump writes it: each object is its name, its kind and its text."""
    made = [
        f"{before}--\n-- Name: {name}; Type: {kind}; Schema: shop; Owner: me\n--\n\n{text}\n\n\n"
        for name, kind, text in objects
    ]
    return (_HEAD.format(key=key) + "".join(made) + f"\\unrestrict {key}\n").encode()


def _found(dumped: bytes, restored: bytes) -> list[str]:
    return [one.sentence for one in ddl_comparison.compare_ddl(dumped, restored)]


TABLE = ("t", "TABLE", "CREATE TABLE shop.t (\n    a integer,\n    b text\n);")


@pytest.mark.parametrize(
    ("dumped", "restored"),
    [
        pytest.param(TABLE, TABLE, id="the same"),
        pytest.param(
            ("v", "VIEW", "CREATE VIEW shop.v AS\n SELECT ((a)::text = 'x'::text) AS c;"),
            ("v", "VIEW", "CREATE VIEW shop.v AS\n SELECT (a)::text = 'x' AS c;"),
            id="casts and parentheses of an expression",
        ),
        pytest.param(
            ("t", "TABLE", "CREATE TABLE shop.t (\n    b text,\n    a integer\n)\nINHERITS (shop.p);"),
            ("t", "TABLE", "CREATE TABLE shop.t (\n    a integer,\n    b text\n)\nINHERITS (shop.p);"),
            id="the columns of a table that inherits",
        ),
        pytest.param(
            ("TABLE t", "ACL", "GRANT SELECT ON TABLE shop.t TO a;\nGRANT SELECT ON TABLE shop.t TO b;"),
            ("TABLE t", "ACL", "GRANT SELECT ON TABLE shop.t TO b;\nGRANT SELECT ON TABLE shop.t TO a;"),
            id="the order of grants",
        ),
        pytest.param(
            (
                "TABLE t",
                "ACL",
                (
                    "REVOKE ALL ON TABLE shop.t FROM first;\nREVOKE SELECT ON TABLE shop.t FROM PUBLIC;\n"
                    "GRANT ALL ON TABLE shop.t TO a;\nGRANT SELECT ON TABLE shop.t TO PUBLIC;"
                ),
            ),
            ("TABLE t", "ACL", "GRANT ALL ON TABLE shop.t TO a;"),
            id="the first owner of an extension's object",
        ),
        pytest.param(
            ("t p", "POLICY", 'CREATE POLICY p ON shop.t TO "x, y", b USING (true);'),
            ("t p", "POLICY", 'CREATE POLICY p ON shop.t TO b, "x, y" USING (true);'),
            id="the order of a policy's roles",
        ),
        pytest.param(
            ("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET (pg_attver=1);"),
            ("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET (pg_attver=2);"),
            id="what a server keeps for itself",
        ),
    ],
)
def test_what_only_looks_different_is_no_difference(
    dumped: tuple[str, str, str], restored: tuple[str, str, str]
) -> None:
    assert _found(_script(dumped), _script(restored, key="b")) == []


@pytest.mark.parametrize(
    ("dumped", "restored", "sentence"),
    [
        pytest.param(
            ("t", "TABLE", TABLE[2]),
            ("t", "TABLE", TABLE[2].replace("a integer", "a bigint")),
            "table shop.t: it is not as the dump makes it, beginning with: a integer,",
            id="a type",
        ),
        pytest.param(
            ("v", "VIEW", "CREATE VIEW shop.v AS\n SELECT a,\n    b\n   FROM t;"),
            ("v", "VIEW", "CREATE VIEW shop.v AS\n SELECT b,\n    a\n   FROM t;"),
            "view shop.v: it is not as the dump makes it, beginning with: SELECT a,",
            id="the order of a view's columns",
        ),
        pytest.param(
            ("t", "TABLE", TABLE[2]),
            ("t", "TABLE", TABLE[2].replace("a integer,\n    b text", "b text,\n    a integer")),
            "table shop.t: it is not as the dump makes it",
            id="the order of a table's columns",
        ),
        pytest.param(
            ("USER MAPPING me SERVER s", "USER MAPPING", "CREATE … OPTIONS (password 'secret');"),
            ("USER MAPPING me SERVER s", "USER MAPPING", "CREATE … OPTIONS (password 'other');"),
            "user mapping shop.USER MAPPING me SERVER s: it is not as the dump makes it",
            id="a password, which is not shown",
        ),
        pytest.param(
            ("TABLE t", "ACL", "GRANT SELECT ON TABLE shop.t TO a;\nGRANT ALL ON TABLE shop.t TO b;"),
            ("TABLE t", "ACL", "GRANT SELECT ON TABLE shop.t TO a;"),
            "acl shop.TABLE t: it is not as the dump makes it, "
            "beginning with: GRANT ALL ON TABLE shop.t TO b;",
            id="a grant",
        ),
    ],
)
def test_what_differs_is_reported_by_its_object(
    dumped: tuple[str, str, str], restored: tuple[str, str, str], sentence: str
) -> None:
    assert _found(_script(dumped), _script(restored)) == [sentence]


def test_what_is_missing_and_what_was_added_are_reported() -> None:
    other = ("u", "TABLE", "CREATE TABLE shop.u (\n);")
    assert _found(_script(TABLE, other), _script(TABLE)) == [
        "table shop.u: it is in the dump and missing from the copy"
    ]
    assert _found(_script(TABLE), _script(TABLE, other)) == [
        "table shop.u: it is in the copy and not in the dump"
    ]
    assert _found(_script(), _script()) == []


def test_the_access_method_that_the_script_sets_belongs_to_the_tables_that_follow() -> None:
    heap, other = (f"SET default_table_access_method = {name};\n\n" for name in ("heap", "heap2"))
    assert _found(_script(TABLE, before=heap), _script(TABLE, before=other)) == [
        "table shop.t: its access method is heap2, in the dump heap"
    ]
    parted = ("t", "TABLE", "CREATE TABLE shop.t (\n    a integer\n)\nPARTITION BY LIST (a);")
    assert _found(_script(parted, before=heap), _script(parted, before=other)) == []


def test_a_pl_pgsql_that_was_made_anew_is_the_one_that_every_database_has() -> None:
    anew = ("plpgsql", "EXTENSION", "CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;")
    assert _found(_script(anew), _script()) == []


UNION = "CREATE VIEW shop.v AS\n SELECT q.c\n   FROM ( SELECT a.c\n UNION ALL\n SELECT {}\n   FROM b) q;"


def test_a_title_that_loading_gives_to_a_column_makes_no_difference() -> None:
    before, after = (
        ("v", "VIEW", UNION.format("NULL::integer")),
        ("v", "VIEW", UNION.format("NULL::integer AS int4")),
    )
    assert _found(_script(before), _script(after)) == []
    assert _found(_script(after), _script(before)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("NULL::integer AS a", "NULL::integer AS b"), ("NULL::integer", "1 AS int4"), ("'x AS y'", "'x'")],
)
def test_another_title_or_another_value_is_a_difference(old: str, new: str) -> None:
    before, after = ("v", "VIEW", UNION.format(old)), ("v", "VIEW", UNION.format(new))
    [sentence] = _found(_script(before), _script(after))
    assert sentence.startswith("view shop.v: it is not as the dump makes it")


WORDED = tuple(
    ("v", "VIEW", f"CREATE VIEW shop.v AS\n SELECT c\n   FROM shop.f() f({columns});")
    for columns in ("c", "c, arr")
)
DEFAULT = tuple(
    (TABLE[0], TABLE[1], TABLE[2].replace("integer", f"integer DEFAULT {value}"))
    for value in ("(- 1)", "'-1'::integer")
)


@pytest.mark.parametrize(("before", "after"), [WORDED, DEFAULT])
def test_what_the_server_makes_of_the_archive_once_more_is_no_difference(
    before: tuple[str, str, str], after: tuple[str, str, str]
) -> None:
    dumped, restored = _script(before), _script(after)
    assert len(_found(dumped, restored)) == 1
    assert ddl_comparison.compare_ddl(dumped, restored, _script(after)) == []
    [one] = ddl_comparison.reworded_definitions(dumped, restored, _script(after))
    assert before[2] in one.dumped
    assert after[2] in one.loaded


@pytest.mark.parametrize(
    ("dumped", "restored", "remade"),
    [
        pytest.param(WORDED[:1], WORDED[1:], WORDED[:1], id="the server makes something else of it"),
        pytest.param(WORDED[:1], WORDED[1:], (), id="the server could not make it once more"),
        pytest.param(WORDED[:1], (), (), id="it is missing in both"),
        pytest.param((), WORDED[1:], WORDED[1:], id="the archive does not have it"),
        pytest.param(
            [("s", "SEQUENCE", "CREATE SEQUENCE shop.s CACHE 1;")],
            [("s", "SEQUENCE", "CREATE SEQUENCE shop.s CACHE 2;")],
            [("s", "SEQUENCE", "CREATE SEQUENCE shop.s CACHE 2;")],
            id="a property, which has one text",
        ),
        pytest.param(
            [("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET STATISTICS 7;")],
            [TABLE],
            [TABLE],
            id="a statement that did nothing",
        ),
        pytest.param(
            [("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET STATISTICS 7;")],
            [("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET STATISTICS 8;")],
            [("t", "TABLE", f"{TABLE[2]}\nALTER TABLE ONLY shop.t ALTER COLUMN a SET STATISTICS 8;")],
            id="a statement that did something else",
        ),
    ],
)
def test_what_the_server_makes_once_more_excuses_nothing_else(
    dumped: list[tuple[str, str, str]],
    restored: list[tuple[str, str, str]],
    remade: list[tuple[str, str, str]],
) -> None:
    texts = [_script(*objects) for objects in (dumped, restored, remade)]
    assert len(ddl_comparison.compare_ddl(*texts)) == 1
    assert ddl_comparison.reworded_definitions(*texts) == ()


def test_what_is_worded_otherwise_has_its_text_with_what_looks_like_comments() -> None:
    quoted = "\n-- Name: x; Type: ACL; Schema: -; Owner: me\n\n"
    texts = [f"CREATE VIEW shop.v AS\n SELECT '{quoted}' AS a, {one};" for one in ("(- 1)", "'-1'")]
    before, after = (_script(("v", "VIEW", text)) for text in texts)
    [one] = ddl_comparison.reworded_definitions(before, after, after)
    assert texts[0] in one.dumped
    assert texts[1] in one.loaded
