"""Options of columns that only some servers know, found in DDL and taken out of it."""

import pytest

from ledgerflow_ops.core.comparison import column_options

_DDL = b"""CREATE TABLE public."odd; ""name"" (x)" (a integer);
ALTER TABLE ONLY public."odd; ""name"" (x)" ALTER COLUMN a SET (pg_attver=26489168, n_distinct=-0.5);
ALTER TABLE ONLY "a
b"."c.d" ALTER COLUMN "with
a line" SET (pg_attver=7);
ALTER FOREIGN TABLE ONLY public.f ALTER COLUMN a SET (n_distinct_inherited=3);
ALTER TABLE ONLY public.t ALTER COLUMN a SET STORAGE EXTERNAL;
ALTER TABLE ONLY public.t ALTER COLUMN b SET STATISTICS 7;
    ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);
"""
"""The last line is a function's own text: it does not begin its line."""


def test_what_is_not_known_is_found_by_name() -> None:
    assert column_options.unknown_options(_DDL) == {"pg_attver"}
    assert column_options.unknown_options(b"") == frozenset()


def test_only_what_is_named_is_taken_out() -> None:
    left = column_options.without_options(_DDL, {"pg_attver"})
    assert b'(x)" ALTER COLUMN a SET (n_distinct=-0.5);\n' in left
    assert b"a line" not in left
    assert b"    ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n" in left
    assert len(left.splitlines()) == len(_DDL.splitlines()) - 3
    assert column_options.unknown_options(left) == frozenset()


@pytest.mark.parametrize("names", [(), {"other"}])
def test_nothing_else_is_touched(names: set[str]) -> None:
    assert column_options.without_options(_DDL, names) == _DDL
