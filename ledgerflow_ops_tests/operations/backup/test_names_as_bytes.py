"""Names and comments that are no text in the encoding of their database come back as the bytes they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

ROLE = b"j\xfcrgen"
SHOWN = "j\N{REPLACEMENT CHARACTER}FCrgen"
_SHARED = """
    SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(d.datacl) a),
        array_agg(s.setconfig::text ORDER BY s.setrole > 0), shobj_description(d.oid, 'pg_database')
    FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE datname = 'books'
    GROUP BY d.oid, d.datacl
"""


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as made,
    ):
        yield made


def _made(server: Server, name: str, encoding: str) -> Database:
    like = f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    run_statements(server.database, f"CREATE DATABASE {name} {like}")
    return server.database.named(name)


def _restored(sandbox: Sandbox, change: bytes) -> dict[str, object]:
    """Backup, drill, and if there is a change, that and a forced restore; the manifest as JSON."""
    env = sandbox.env(rules=[])
    manifest = sandboxes.take_backup(env, BackupRequest(file="first.dump"))
    name = sandboxes.prove_backup(env, manifest)
    if not change:
        return json.loads(backup_folder_of(env).read(name.manifest))  # type: ignore[no-any-return]
    run_statements(sandbox.database, change)
    found = restore.restore(env, RestoreRequest(environment=Environment.DEV, file="first.dump", force=True))
    assert found.bad is None, found.bad
    return json.loads(backup_folder_of(env).read(name.manifest))  # type: ignore[no-any-return]


NAMES = {
    "SQL_ASCII": b"t\xfc\xff",
    "EUC_JP": b"\xad\xa1\xc7\xe4",  # a one in a circle: PostgreSQL has it, Python's codec has not
    "WIN1252": b"t\x80\xfc",
    "MULE_INTERNAL": b"t\x81\xfc",  # psycopg has no codec for it
}


@pytest.mark.parametrize("encoding", NAMES)
def test_names_in_every_kind_of_encoding_come_back(server: Server, root: Path, encoding: str) -> None:
    books, name = _made(server, f"in_{encoding.lower()}", encoding), NAMES[encoding]
    run_statements(
        books,
        b"CREATE TYPE \"m%b\" AS ENUM ('a', '%b')" % (name, name),
        b'CREATE TABLE "%b" ("c%b" int PRIMARY KEY, m "m%b", n numeric DEFAULT 1, t text DEFAULT \'%b\')'
        % (name, name, name, name),
        b"INSERT INTO \"%b\" VALUES (1, 'a'), (2, '%b')" % (name, name),
        b"COMMENT ON TABLE \"%b\" IS '%b'" % (name, name),
        b'CREATE SEQUENCE "s%b" START 5' % name,
        b'CREATE VIEW "v%b" AS SELECT * FROM "%b"' % (name, name),
    )
    _restored(Sandbox(root, books), b'DROP VIEW "v%b"' % name if encoding == "EUC_JP" else b"")
    run_statements(books, b'SELECT "c%b" FROM "v%b"' % (name, name), b'SELECT * FROM "s%b"' % name)


def test_roles_settings_and_comments_of_another_encoding_come_back(server: Server, root: Path) -> None:
    """Made from a database without an encoding; the one that is backed up is in UTF-8."""
    plain, books = _made(server, "plain", "SQL_ASCII"), _made(server, "books", "UTF8")
    run_statements(books, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    run_statements(
        plain,
        b'CREATE ROLE "%b" LOGIN' % ROLE,
        b'CREATE ROLE "g%b" IN ROLE "%b"' % (ROLE, ROLE),
        b"COMMENT ON ROLE \"%b\" IS 'caf\xe9'" % ROLE,
        b"ALTER ROLE \"%b\" SET app.motto = 'caf\xe9'" % ROLE,
        b"ALTER DATABASE books SET app.motto = 'caf\xe9'",
        b"ALTER ROLE \"%b\" IN DATABASE books SET app.motto = '\xff'" % ROLE,
        b"COMMENT ON DATABASE books IS 'caf\xe9'",
        b'GRANT CREATE ON DATABASE books TO "%b"' % ROLE,
    )
    with plain.connect() as connection:
        before = connection.execute(_SHARED).fetchall()
    sandbox = Sandbox(root, books)
    env = sandbox.env(rules=[])
    assert all(check.passed for check in doctor.examine(env.ctx, [env]) if "source" in check.name)
    manifest = _restored(sandbox, b"INSERT INTO t VALUES (2)")
    with plain.connect() as connection:
        assert connection.execute(_SHARED).fetchall() == before
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ledgerflow_bytes%'")
        assert left.fetchall() == []
    assert SHOWN in manifest["seal"]["roles"]  # type: ignore[index]
    assert manifest["globals"] is not None
    run_statements(
        server.database, "DROP DATABASE plain", "DROP DATABASE IF EXISTS in_sql_ascii WITH (FORCE)"
    )
    noted = sandboxes.take_backup(env)
    sandboxes.prove_backup(env, noted)
    assert noted.globals is None
    assert f"{SHOWN}" in noted.globals_note
    assert "CREATE DATABASE without_encoding" in noted.globals_note
