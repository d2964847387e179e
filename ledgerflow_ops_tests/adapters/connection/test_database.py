"""Databases: URLs, variables for programs, URLs for SQLAlchemy, and errors without secrets."""

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import make_url

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.postgres.session_activity import Limits
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.hypothesis_profiles import examples

PATH = "environments.dev.database_url"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
ODD = "p@ss:/w%rd?#[]&=+ \"'\\ü€\t\n"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cr3t",
        "mysql://u:s3cr3t@h/books",
        "postgresql://u:s3cr3t@h",
        "postgresql://u:s3cr3t@h/",
        "postgresql://u:s3cr3t%zz@h/books",
        "postgresql://u:s3cr3t%00@h/books",
        "postgresql://u:s3cr3t@x@h/books",
        "postgresql://u:x/s3cr3t@h/books",
        "postgresql://u:x/s3@cr3t@h/books",
        "postgresql://u:s3cr3t@[::1/books",
        "postgresql://u@h/books?unknown=s3cr3t",
        "postgresql://u@h/books?s3cr3t",
        "host=h dbname=books password='s3cr3t",
        "host=h dbname=books s3cr3t=1",
        "host=h password=s3cr3t",
        "service=s3cr3t",
        "postgresql://u:s3cr3t@h:70000/books",
        "postgresql://u:s3cr3t@h1:1,h2:2,h3:3,:4/books?host=h1,h2",
    ],
)
def test_a_url_that_is_none_is_reported_by_its_path_and_never_shown(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database.from_address(url, PATH)
    assert caught.value.message.startswith(f"{PATH}: ")
    assert caught.value.hint
    for part in ("s3", "cr3t"):
        assert part not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("postgresql://u:s3cr3t@h/books", "h:5432/books"),
        ("postgres://u:s3cr3t@h:5433/books", "h:5433/books"),
        ("postgresql+psycopg2://u:s3cr3t@h/books", "h:5432/books"),
        ("postgresql://u:s3cr3t@/books?host=/run/pg", "/run/pg:5432/books"),
        ("postgresql://u:s3cr3t@[::1]:5433/books", "::1:5433/books"),
        ("host=h dbname=books user=u password=s3cr3t", "h:5432/books"),
        ("hostaddr=10.0.0.1 dbname=books user=u password=s3cr3t", "10.0.0.1:5432/books"),
    ],
)
def test_a_database_is_shown_without_its_password(url: str, label: str) -> None:
    database = Database.from_address(url, PATH)
    assert database.label == label
    assert "s3cr3t" not in f"{database!r} {database} {database.label}"
    assert database.parameters["password"] == "s3cr3t"


@pytest.mark.parametrize("port", ["", ":5433"])
@pytest.mark.parametrize("host", ["h", "10.0.0.1", "[::1]"])
def test_every_kind_of_host_survives_the_way_through_sqlalchemy(host: str, port: str) -> None:
    database = Database.from_address(f"postgresql://u:pw@{host}{port}/books", PATH)
    url = make_url(database.sqlalchemy_url())
    assert (url.host, url.port) == (host.strip("[]"), int(port[1:] or 5432))
    assert Database.from_address(database.sqlalchemy_url(), PATH) == database


@given(password=TEXT, user=TEXT, name=TEXT)
@example(password=ODD, user=ODD, name=ODD)
def test_odd_characters_survive_every_form(password: str, user: str, name: str) -> None:
    expected = {"user": user, "password": password, "dbname": name}
    database = Database({"host": "h", "port": "5432", **expected})
    url = make_url(database.sqlalchemy_url())
    assert (url.username, url.password, url.database) == (user, password, name)
    assert Database.from_address(database.sqlalchemy_url(), PATH) == database
    user_, password_, name_ = (quote(value, safe="") for value in (user, password, name))
    assert Database.from_address(f"postgresql://{user_}:{password_}@h/{name_}", PATH) == database
    variables = database.variables()
    assert (variables["PGUSER"], variables["PGPASSWORD"], variables["PGDATABASE"]) == (user, password, name)


@given(value=TEXT)
@example(value="-c geqo=off -c search_path=a\\ b")
@example(value="a+b c%20d&e=f")
def test_odd_options_survive_every_form(value: str) -> None:
    database = Database({"host": "/run/my pg", "port": "5432", "dbname": "books", "options": value})
    query = make_url(database.sqlalchemy_url()).query
    assert (query["options"], query["host"]) == (value, "/run/my pg")
    assert Database.from_address(database.sqlalchemy_url(), PATH) == database


def test_the_variables_hold_every_part_and_the_canonical_settings() -> None:
    url = "postgresql://u:pw@h:5433/books?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20geqo%3Doff"
    variables = Database.from_address(url, PATH).variables()
    for name, value in {
        "PGHOST": "h",
        "PGPORT": "5433",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
        "PGCONNECT_TIMEOUT": "10",
    }.items():
        assert variables[name] == value
    assert variables["PGOPTIONS"].startswith("-c geqo=off -c search_path= -c TimeZone=UTC ")


@pytest.fixture(scope="module")
def server(embedded: EmbeddedPostgres) -> Database:
    """The server of the test session, as its superuser."""
    return embedded.start()


@pytest.fixture(scope="module")
def login(server: Database) -> Iterator[Database]:
    """The server as a role of this module, whose password each test sets."""
    role = f"odd_{secrets.token_hex(4)}"
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    yield server.as_user(role)
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _with_password(server: Database, login: Database, password: str) -> Database:
    with server.connect() as connection:
        role = sql.Identifier(login.parameters["user"])
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
    return Database({**login.parameters, "password": password})


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=TEXT)
@example(password=ODD)
def test_the_driver_reaches_a_server_with_any_password(
    server: Database, login: Database, password: str
) -> None:
    database = _with_password(server, login, password)
    again = Database.from_address(database.sqlalchemy_url(), PATH)
    with again.connect() as connection:
        assert connection.info.user == login.parameters["user"]
    psycopg2.connect(database.sqlalchemy_url().replace("+psycopg2", "")).close()


def test_the_tools_reach_a_server_with_an_odd_password(server: Database, login: Database) -> None:
    database = _with_password(server, login, ODD)
    finished = process.run(
        [client_tools.bundled_tools().path("pg_dump"), "--schema-only"], extra=database.variables()
    )
    assert (finished.code, finished.errors) == (0, "")


def test_a_session_has_the_canonical_settings_whatever_the_role_has(
    server: Database, login: Database
) -> None:
    database = _with_password(server, login, "pw")
    with server.connect() as connection:
        role = sql.Identifier(login.parameters["user"])
        for setting in ("DateStyle = 'German'", "TimeZone = 'Asia/Tokyo'", "extra_float_digits = 0"):
            connection.execute(sql.SQL("ALTER ROLE {} SET " + setting).format(role))
    with database.connect() as connection:
        row = connection.execute("SELECT timestamptz '2026-11-23 12:00+00', 0.1::float8 + 0.2").fetchone()
        shown = connection.execute("SELECT (timestamptz '2026-11-23 12:00+00')::text").fetchone()
    assert row is not None
    assert shown == ("2026-11-23 12:00:00+00",)
    assert repr(row[1]) == "0.30000000000000004"


def test_a_wrong_password_is_reported_without_it(server: Database, login: Database) -> None:
    database = Database({**login.parameters, "password": "s3cr3t"})
    with pytest.raises(LedgerError) as caught, database.connect():
        pytest.fail("it was let in")
    assert "password authentication failed" in caught.value.message
    assert caught.value.message.startswith(database.label)
    assert "s3cr3t" not in str(caught.value)
    assert "make doctor" in caught.value.hint


def test_a_refused_port_is_reported_without_the_password() -> None:
    url = f"postgresql://u:s3cr3t@127.0.0.1:{free_port()}/books"
    with pytest.raises(LedgerError, match="refused") as caught, Database.from_address(url, PATH).connect():
        pytest.fail("nobody listens there")
    assert "s3cr3t" not in str(caught.value)


def test_a_database_that_is_not_there_is_reported_by_name(server: Database) -> None:
    with pytest.raises(LedgerError, match="nowhere"), server.named("nowhere").connect():
        pytest.fail("there is no such database")


def test_a_right_that_is_missing_is_reported_with_the_grant_that_gives_it(
    server: Database, login: Database
) -> None:
    database = _with_password(server, login, "s3cr3t")
    with pytest.raises(LedgerError) as caught, database.connect() as connection:
        connection.execute("SELECT * FROM pg_authid")
    assert "permission denied" in caught.value.message
    assert "pg_read_all_data" in caught.value.hint


def test_a_secret_that_the_server_repeats_is_masked(server: Database) -> None:
    with pytest.raises(LedgerError) as caught, server.connect() as connection:
        connection.execute("SELECT 'postgresql://u:s3cr3t@h/books'::int")
    assert "s3cr3t" not in str(caught.value)
    assert isinstance(caught.value.__context__, psycopg.Error)
    assert caught.value.__suppress_context__


class _Told(BaseException):
    """As Dagster ends a run: not caught by `except Exception`, and not a Ctrl-C."""


def test_who_is_interrupted_in_mid_statement_leaves_no_session_behind(database: Database) -> None:
    """A session that waits for a lock that another one does not release."""
    server = database.named("postgres")
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"

    def waiting() -> int:
        with server.connect() as connection:
            [(sessions,)] = connection.execute(waits, [database.parameters["dbname"]]).fetchall()
            return int(sessions)

    def tell(number: int, frame: object) -> None:
        raise _Told

    def tell_when_it_waits() -> None:
        if sandboxes.wait_until(lambda: waiting() > 0, 60):
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, tell)
    try:
        with database.connect() as other:
            other.execute("CREATE TABLE public.locked (id int)")
            other.execute("BEGIN")
            other.execute("LOCK TABLE public.locked")
            threading.Thread(target=tell_when_it_waits, daemon=True).start()
            with pytest.raises(_Told), database.connect() as connection:
                connection.execute("SELECT count(*) FROM public.locked")
            assert sandboxes.wait_until(lambda: waiting() == 0, 60), "it waits on, for nobody"
            other.execute("ROLLBACK")
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("held", "wanted", "on"),
    [
        ("LOCK TABLE public.held", "SELECT count(*) FROM public.held", r"public\.held"),
        (
            "COMMENT ON DATABASE postgres IS 'held'",
            "COMMENT ON DATABASE postgres IS 'wanted'",
            "on an object",
        ),
    ],
    ids=["table", "database"],
)
def test_a_lock_of_others_is_waited_for_so_long_and_reported(
    database: Database, held: str, wanted: str, on: str
) -> None:
    with database.connect() as other:
        other.execute("CREATE TABLE public.held (id int)")
        other.execute(f"BEGIN; {held}".encode())
        limited = database.with_limits(Limits(stall=300.0, lock=1.0))
        with pytest.raises(LedgerError, match=f"No lock within 1 s: .* {on}, held") as caught:  # noqa: SIM117
            with limited.connect() as connection:
                connection.execute(wanted.encode())
        assert f"pg_terminate_backend({other.info.backend_pid});" in caught.value.hint
        other.execute("ROLLBACK")
