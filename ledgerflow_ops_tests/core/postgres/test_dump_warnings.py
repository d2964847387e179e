"""What pg_dump says on standard error, and what it means: read from the messages of its versions."""

import pytest

from ledgerflow_ops.core.postgres import dump_warnings
from ledgerflow_ops.core.postgres.dump_warnings import Meaning

_CIRCULAR = """\
pg_dump: warning: there are circular foreign-key constraints on this table:
pg_dump: detail: hypertable
pg_dump: hint: You might not be able to restore the dump without using --disable-triggers or temporarily \
dropping the constraints.
pg_dump: hint: Consider using a full dump instead of a --data-only dump to avoid this problem.
"""
_COLLATION = """\
WARNING:  database "postgres" has a collation version mismatch
DETAIL:  The database was created using collation version 2.31, but the system provides 2.36.
HINT:  Rebuild all objects in this database that use the default collation and run ALTER DATABASE postgres \
REFRESH COLLATION VERSION, or build PostgreSQL with the right library version.
"""
_CHUNKS = """\
pg_dump: NOTICE:  hypertable data are in the chunks, no data will be copied
DETAIL:  Data for hypertables are stored in the chunks of a hypertable so COPY TO of a hypertable \
will not copy any data.
HINT:  Use "COPY (SELECT * FROM <hypertable>) TO ..." to copy all data in hypertable.
"""


@pytest.mark.parametrize(
    "line",
    [
        "pg_dump: warning: subscriptions not dumped because current user is not a superuser",
        "pg_dump: WARNING: subscriptions not dumped because current user is not a superuser",
        'pg_dump: warning: typtype of data type "mood" appears to be invalid',
        'pg_dump: [archiver (db)] WARNING: owner of function "f" appears to be invalid',
        'pg_dump: warning: invalid type "x" of access method "heap2"',
        "pg_dump: warning: bogus value in pg_cast.castmethod field",
        "pg_dump: warning: bogus transform definition, at least one of trffromsql and trftosql",
        "pg_dump: warning: could not parse proargnames array",
        "pg_dump: warning: could not find operator with OID 16422",
        'pg_dump: warning: postfix operators are not supported anymore (operator "!")',
        'pg_dump: warning: WITH OIDS is not supported anymore (table "old")',
        "/usr/lib/postgresql/15/bin/pg_dump: warning: subscriptions not dumped because current user is not a",
        "pg_dump: warning: property graphs not dumped because of something new",
        "pg_dump: warning: skipping the gizmo",
    ],
)
def test_an_object_that_is_left_out_is_missing_and_comes_with_what_to_do(line: str) -> None:
    (found,) = dump_warnings.parse_warnings("pg_dump", line + "\n")
    assert found.meaning is Meaning.MISSING
    assert found.hint
    assert dump_warnings.missing_objects([found]) == found.sentence
    assert found.text == line.partition("arning: ")[2] or "WARNING" in line


@pytest.mark.parametrize(
    "line",
    [
        'pg_dumpall: warning: role name starting with "pg_" skipped (pg_old)',
        'pg_dumpall: error: could not find a legal dump ordering for memberships in role "boss"',
        'pg_dumpall: warning: could not parse ACL list ({a}) for tablespace "fast"',
    ],
)
def test_roles_that_are_left_out_are_missing_too(line: str) -> None:
    (found,) = dump_warnings.parse_warnings("pg_dumpall", line)
    assert found.missing
    assert "roles" in found.hint


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (_CIRCULAR, 4),
        (_CIRCULAR.replace("detail: ", "").replace("hint: ", ""), 4),
        (_CIRCULAR.replace("warning: ", "NOTICE: ").replace("detail: ", "  "), 4),
        (_COLLATION, 3),
        (_CHUNKS, 3),
        (
            "pg_dump: warning: could not resolve dependency loop among these:\npg_dump: detail: TABLE a",
            2,
        ),
        ("pg_dumpall: warning: ignoring role grant for missing role with OID 16388", 1),
        ('pg_dumpall: warning: grant of role "a" to "b" has invalid grantor OID 16400', 1),
        ("pg_dumpall: warning: found orphaned pg_auth_members entry for role staff", 1),
        ('WARNING: password file "/srv/.pgpass" has group or world access; permissions should be u=rw', 1),
    ],
)
def test_what_takes_nothing_away_is_noted_once_and_lowers_nothing(said: str, lines: int) -> None:
    (found,) = dump_warnings.parse_warnings("pg_dump", said + "\n" + said)
    assert found.meaning is not Meaning.MISSING
    assert len(found.text.splitlines()) == lines
    assert dump_warnings.missing_objects([found]) == str(dump_warnings.missing_remedy([found])) == ""


def test_a_message_that_nobody_knows_is_reported_and_lowers_nothing() -> None:
    (found,) = dump_warnings.parse_warnings("pg_dump", "pg_dump: warning: the moon is full")
    assert (found.meaning, found.sentence) == (Meaning.UNKNOWN, "pg_dump: the moon is full")
    assert dump_warnings.missing_objects([found]) == ""


def test_what_docker_and_shells_say_before_it_is_not_pg_dumps() -> None:
    noise = 'time="2026-11-23T12:00:00Z" level=warning msg="The X variable is not set."\n\nsh: no job control'
    assert dump_warnings.parse_warnings("pg_dump", noise) == ()
    assert dump_warnings.parse_warnings("pg_dump", "") == ()
    assert len(dump_warnings.parse_warnings("pg_dump", noise + "\npg_dump: warning: x\n")) == 1


def test_no_flood_of_messages_makes_a_manifest_grow_without_end() -> None:
    flood = "".join(f"pg_dump: warning: {number} {'y' * 5000}\n" for number in range(1000))
    found = dump_warnings.parse_warnings("pg_dump", flood)
    assert len(found) == 50
    assert max(len(one.text) for one in found) == 1000


def test_what_is_missing_is_never_lost_in_a_flood() -> None:
    flood = "".join(f"pg_dump: warning: {number} is odd\n" for number in range(1000))
    line = "pg_dump: warning: subscriptions not dumped because current user is not a superuser"
    assert dump_warnings.missing_objects(dump_warnings.parse_warnings("pg_dump", flood + line))
