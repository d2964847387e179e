"""libpq's two forms of an address, compared with libpq itself."""

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import conninfo

from ledgerflow_ops.core.postgres.addresses import InvalidAddress, check_ports, parse_address

MANUAL = [
    "postgresql://localhost:5433",
    "postgresql://localhost/mydb",
    "postgresql://user:secret@localhost",
    "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
    "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
    "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
    "postgresql:///mydb?host=localhost&port=5433",
    "postgresql://[2001:db8::1234]/database",
    "postgresql:///dbname?host=/var/lib/postgresql",
    "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
    "host=localhost port=5432 dbname=mydb connect_timeout=10",
]
"""The addresses that PostgreSQL's manual shows."""
PEOPLE = [
    "postgres://postgres:pw@server1:1512,[2001:db8::2]:1512/dbname?target_session_attrs=read-write",
    "postgresql://user@192.168.4.2,192.168.4.4:5432/database?target_session_attrs=read-write",
    "host=localhost,localhost port=5432,5433 target_session_attrs=read-write dbname=d",
    "service=mydb",
    "postgresql:///?service=mydb",
    "postgresql://u@h/db?ssl=true",
    "host = a  dbname = 'it''s'",
    r"host=a\ b dbname='it\'s' password=a\\b",
    "user=a=b dbname=c",
    "postgresql://h1:,h2:5433/db",
    "host='' dbname=d",
]
"""Those of bug reports (vitaly-t/connection-string#29, brianc/node-libpq#76, pgadmin4#2918), and odd ones."""


def _libpq(text: str) -> dict[str, str] | None:
    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(text).items()}
    except (psycopg.ProgrammingError, UnicodeError):
        return None


def _ours(text: str) -> dict[str, str] | None:
    try:
        return parse_address(text)
    except InvalidAddress:
        return None


@pytest.mark.parametrize("text", [*MANUAL, *PEOPLE])
def test_an_address_means_what_it_means_to_libpq(text: str) -> None:
    assert _ours(text) == _libpq(text)


_WORDS = r"postgresql:// u : pw @ h , [::1] [ 5432 / db ? & = ' host port sslmode %2F % %zz \ é"
_PIECES = st.lists(st.sampled_from([*_WORDS.split(), " "]), max_size=9).map("".join)


@given(text=_PIECES)
@example(text="postgresql://[]/db")
@example(text="postgresql://u@h/db?host")
@example(text="postgresql:// ")
@example(text="postgresql:// h /db ")
@example(text="postgresql://u :p @h: 5432/db?host= a ")
@example(text="postgresql://h ,b/db")
@example(text="postgresql://h%20/db")
def test_what_libpq_refuses_is_refused_and_what_both_take_is_the_same(text: str) -> None:
    """Ours is stricter in a few forms that nobody uses, but never reads another address."""
    ours, theirs = _ours(text), _libpq(text)
    if theirs is None:
        assert ours is None or not set(ours) <= {"user", "password", "host", "port", "dbname"}
    elif ours is not None:
        assert {k: v for k, v in ours.items() if v.strip(",")} == {
            k: v for k, v in theirs.items() if v.strip(",")
        }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("postgresql://u:s3cr3t@h:port/db", "port is not a number"),
        ("postgresql://u:s3cr3t@h1:1,h2:2/db?host=h1,h2,h3", "not as many ports as hosts"),
        ("postgresql://u:s3cr3t%@h/db", "the password has a %"),
        ("postgresql://u:s3cr3t@h/%ff", "the database's name is not UTF-8"),
        ("postgresql://u:s3cr3t@h]/db", "a host cannot be read"),
        ("postgresql://u@h/db?a=1&password", "parameter 2 after the question mark is not keyword=value"),
        ("host=h password='s3cr3t", "pair 2 is not keyword=value, or its quote does not end"),
        ("postgresql://u:s3cr3t@h a/db", "the host holds a space"),
        ("postgresql://u:s3cr3t x@h/db", "the password holds a space"),
        ("mysql://u:s3cr3t@h/db", "begins with no scheme"),
    ],
)
def test_the_part_that_is_wrong_is_named_and_nothing_of_it_shown(text: str, part: str) -> None:
    with pytest.raises(InvalidAddress, match=part) as told:
        check_ports(parse_address(text))
    assert "s3cr3t" not in str(told.value)
