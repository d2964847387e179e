"""Only the one statement of a newer pg_restore that an older server refuses is ignored."""

import pytest

from ledgerflow_ops.core.loading import transaction_timeout

REFUSED = """pg_restore: while INITIALIZING:
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"
Command was: SET transaction_timeout = 0;
"""
OTHER = """pg_restore: from TOC entry 3; 1259 2 TABLE t postgres
pg_restore: error: could not execute query: ERROR:  relation "t" already exists
Command was: CREATE TABLE public.t (a int);
"""


def _ignored(number: int) -> str:
    return f"pg_restore: warning: errors ignored on restore: {number}\n"


def test_it_is_known_when_it_ended_the_load() -> None:
    assert transaction_timeout.caused_failure(REFUSED)
    assert transaction_timeout.caused_failure(REFUSED.split("\n", 1)[1])
    for others in ("", OTHER, OTHER + REFUSED, REFUSED.replace("= 0", "= 1")):
        assert not transaction_timeout.caused_failure(others)


def test_it_may_be_the_only_one() -> None:
    assert transaction_timeout.is_only_error(REFUSED + _ignored(1))
    assert transaction_timeout.without_error(REFUSED + _ignored(1)) == ""


@pytest.mark.parametrize(
    "errors",
    [
        "",
        REFUSED,
        REFUSED + _ignored(2),
        REFUSED + OTHER + _ignored(2),
        REFUSED + OTHER + _ignored(1),
        OTHER + _ignored(1),
        REFUSED + _ignored(1) + _ignored(1),
        REFUSED + "pg_restore: error: could not write to output file\n" + _ignored(1),
    ],
)
def test_anything_else_fails_the_load_and_is_reported(errors: str) -> None:
    assert not transaction_timeout.is_only_error(errors)
    assert "transaction_timeout" not in transaction_timeout.without_error(errors)
    assert (OTHER in transaction_timeout.without_error(errors)) == (OTHER in errors)


def test_of_a_script_only_the_head_is_changed() -> None:
    line = b"SET transaction_timeout = 0;\n"
    script = b"SET lock_timeout = 0;\n" + line + b"CREATE FUNCTION f() AS $$\n" + line + b"$$;"
    assert transaction_timeout.script_without(script).count(b"transaction_timeout") == 1
    assert transaction_timeout.script_without(script).startswith(b"SET lock_timeout = 0;\nCREATE")
