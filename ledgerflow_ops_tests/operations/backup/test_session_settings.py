"""No setting of a role or a database changes a backup: tested for every setting that PostgreSQL has."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_CHOSEN = {
    "DateStyle": "German",
    "TimeZone": "Asia/Tokyo",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug5",
    "createrole_self_grant": "set, inherit",
    "default_tablespace": "pg_default",
    "default_text_search_config": "pg_catalog.german",
    "default_transaction_isolation": "serializable",
    "lc_monetary": "C.UTF-8",
    "lc_numeric": "C.UTF-8",
    "lc_time": "C.UTF-8",
    "local_preload_libraries": "nowhere",
    "max_stack_depth": "250",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "search_path": "elsewhere",
    "session_preload_libraries": "auto_explain",
    "session_replication_role": "replica",
    "temp_tablespaces": "pg_default",
    "timezone_abbreviations": "Australia",
    "transaction_timeout": "400",  # one of 1 ms ends the server's own parallel workers before they know ours
    "wal_consistency_checking": "all",
}
"""The value of settings that are words, and of those of which another one bites more than the last."""
_SPARED = {
    "debug_discard_caches": "every statement takes a thousand times as long",
    "debug_parallel_query": "every statement starts a process",
    "force_parallel_mode": "every statement starts a process",
    "dynamic_library_path": "the server finds no library, for nobody",
    "extension_control_path": "the server finds no extension, for nobody",
}
_SETTINGS = """
    SELECT name, vartype, setting, min_val, max_val, enumvals FROM pg_settings
    WHERE context IN ('user', 'superuser') ORDER BY name
"""
_BOOKS = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    """CREATE TABLE t (id serial PRIMARY KEY, at timestamptz DEFAULT now(), gone interval, price money,
        part float8, raw bytea, tags text[],
        note text CHECK (note <> ''), mood mood, doc xml, words tsvector)""",
    """INSERT INTO t (at, gone, price, part, raw, tags, note, mood, words)
       SELECT timestamptz '2026-01-31 12:00+00' + g * interval '1 day',
              make_interval(months => -g, secs => g), g * 1234.5, sqrt(g), decode(md5(g::text), 'hex'),
              ARRAY['NULL', NULL, g::text], 'x\\' || g, 'ok', to_tsvector('simple', 'a b')
       FROM generate_series(1, 3000) g""",
    "CREATE INDEX ON t USING gin (tags)",
    "CREATE VIEW v AS SELECT id, note || E'\\\\' AS twice FROM t WHERE note IS DISTINCT FROM NULL",
    "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()",
    "CREATE TABLE p (k int, b bytea DEFAULT '\\xdeadbeef') PARTITION BY RANGE (k)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
    "INSERT INTO p (k) VALUES (1), (2)",
    "SELECT lo_from_bytea(0, 'a large object')",
    "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t",
)


@pytest.fixture(scope="module", params=[15, 17, 18])
def server(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.of_major(request.param)) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def books(server: Server) -> Database:
    with server.database.connect() as connection:
        connection.execute("CREATE DATABASE books")
        for role, rights in (("keeper", "SUPERUSER"), ("clerk", ""), ("nobody", "")):
            connection.execute(f"CREATE ROLE {role} LOGIN {rights}")
        connection.execute("GRANT pg_read_all_data TO clerk")
    made = server.database.named("books")
    run_statements(made, *_BOOKS)
    with made.connect() as connection:
        [(oid,)] = connection.execute("SELECT oid FROM pg_largeobject_metadata").fetchall()
        connection.execute(f"ALTER LARGE OBJECT {oid} OWNER TO clerk")
    return made


def _other(name: str, kind: str, now: str, low: str, high: str, words: list[str] | None) -> str | None:
    """Another legal value of a setting: the smallest number that is a limit, the last word."""
    if name in _CHOSEN or kind == "string":
        return _CHOSEN.get(name)
    if kind == "bool":
        return "off" if now == "on" else "on"
    if kind == "enum":
        return next((word for word in reversed(words or []) if word != now), None)
    least = low if float(low) > 0 else "1"
    return next((number for number in (least, low, high) if number != now), None)


def _values(server: Server) -> dict[str, str]:
    with server.database.connect() as connection:
        found = connection.execute(_SETTINGS).fetchall()
    values = {row[0]: _other(*row) for row in found if row[0] not in _SPARED}
    return {name: value for name, value in values.items() if value is not None}


def _fix(server: Server, whose: list[str], values: dict[str, str]) -> set[str]:
    """Fix the settings there, and nothing else; the names of those that can be fixed at all."""
    fixed = set()
    with server.database.connect() as connection:
        for target in whose:
            connection.execute(f"ALTER {target} RESET ALL")
            for name, value in values.items():
                form = f"ALTER {target} SET {{}} TO {{}}"
                with suppress(Exception):
                    connection.execute(sql.SQL(form).format(sql.Identifier(name), sql.Literal(value)))
                    fixed.add(name)
    return fixed


def _trouble(server: Server, root: Path, books: Database, role: str, values: dict[str, str]) -> str:
    """The problem of a backup and its drill under these settings; empty if there is none."""
    _fix(server, ["DATABASE books", f"ROLE {role}"], values)
    sandbox = Sandbox(root, books.as_user(role))
    try:
        env = sandbox.env(rules=[])
        if server.cluster.tools.major == 18:
            with suppress(FileExistsError):
                servers.lend(env.ctx.settings.state_dir, server.cluster.tools)
        sandboxes.prove_backup(env, sandboxes.take_backup(env))
    except (LedgerError, AssertionError) as error:
        return str(error)
    finally:
        _fix(server, ["DATABASE books", f"ROLE {role}"], {})
    return ""


def _culprit(server: Server, root: Path, books: Database, role: str, values: dict[str, str]) -> str:
    """The setting that is to blame, found by halves."""
    names = list(values)
    while len(names) > 1:
        half = names[: len(names) // 2]
        bad = _trouble(server, root, books, role, {name: values[name] for name in half})
        names = half if bad else names[len(names) // 2 :]
    return f"{names[0]} = {values[names[0]]}"


@pytest.mark.parametrize("role", ["keeper", "clerk"])
def test_no_setting_of_a_role_or_a_database_changes_a_backup(
    server: Server, books: Database, root: Path, role: str
) -> None:
    """All at once, on both; of a failure, the one that is to blame."""
    values = _values(server) | ({"role": "nobody"} if role == "keeper" else {})
    fixed = _fix(server, ["DATABASE books", f"ROLE {role}"], values)
    assert len(fixed) > 130
    assert {"statement_timeout", "client_encoding", "quote_all_identifiers", "exit_on_error"} <= fixed
    if trouble := _trouble(server, root, books, role, values):
        pytest.fail(f"{_culprit(server, root, books, role, values)}: {trouble}")
