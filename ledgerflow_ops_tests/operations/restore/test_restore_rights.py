"""Whether an account can restore is tested before it must, and the test leaves nothing behind."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.core.restore.restore_rights import RestoreRights
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.restore.restore_rights import find_restore_rights
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import servers
from ledgerflow_ops_tests.fakes.commands import Commands
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_ALL = """
    SELECT 'role ' || rolname FROM pg_roles
    UNION ALL SELECT 'database ' || datname FROM pg_database ORDER BY 1
"""


@contextmanager
def _clerk(server: Server) -> Iterator[Database]:
    """An ordinary account with a database of its own, as an administrator makes them."""
    name = f"clerk_{secrets.token_hex(4)}"
    role = sql.Identifier(name)
    with server.database.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(role, role))
    database = server.database.named(name).as_user(name)
    with database.connect() as connection:
        connection.execute("CREATE TABLE public.entry (id int PRIMARY KEY, amount numeric)")
        connection.execute("INSERT INTO public.entry SELECT g, g FROM generate_series(1, 500) g")
    try:
        yield database
    finally:
        with server.database.connect() as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"])
            for (found,) in left.fetchall():
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(found))
                connection.execute(drop)
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def clerk(server: Server) -> Iterator[Database]:
    with _clerk(server) as database:
        yield database


def _admin(database: Database, statement: str, name: str | None = None) -> None:
    """Carry out a statement as the server's superuser."""
    admin = database.as_user("postgres").named(name or database.parameters["dbname"])
    with admin.connect() as connection:
        connection.execute(statement.encode())


def _listed(database: Database) -> list[str]:
    with database.connect() as connection:
        return [name for (name,) in connection.execute(_ALL)]


def _rights(sandbox: Sandbox, *, attempt: bool = True) -> RestoreRights:
    rights = find_restore_rights(sandbox.env(), attempt=attempt)
    assert rights is not None
    return rights


def _restore_check(sandbox: Sandbox) -> Check:
    (check,) = [
        item for item in doctor.examine(sandbox.env().ctx, [sandbox.env()]) if item.name == "dev restore"
    ]
    return check


@pytest.mark.parametrize("major", servers.MAJORS)
def test_the_doctor_tries_the_right_to_create_databases_and_leaves_nothing(root: Path, major: int) -> None:
    with servers.server(root, servers.of_major(major)) as server, _clerk(server) as database:
        sandbox, name = Sandbox(root, database, {"rules": ()}), database.parameters["user"]
        if major > client_tools.bundled_tools().major:
            servers.lend(root / "state", servers.of_major(major))
        before = _listed(database)
        check = _restore_check(sandbox)
        assert (check.passed, check.severity, check.cause) == (False, Severity.WARN, "rights")
        assert check.message == f"restore rights: missing. {name} may not create databases."
        statement = f"ALTER ROLE {name} CREATEDB;"
        assert statement in check.hint
        assert "Or set admin_database_url to an account that may" in check.hint
        _admin(database, statement)
        check = _restore_check(sandbox)
        assert check.passed, check.message
        assert check.message == f"restore rights: present: {name} may restore"
        assert _listed(database) == before


def test_what_the_hint_grants_is_enough_for_a_restore(root: Path, clerk: Database) -> None:
    sandbox = Sandbox(root, clerk, {"rules": ()})
    env = sandbox.env()
    manifest = backup.backup(env, BackupRequest(file="first.dump"))
    assert _rights(sandbox).state == "missing"
    with clerk.connect() as connection:
        connection.execute("DELETE FROM public.entry")
    request = RestoreRequest(environment=Environment.DEV, file=manifest.dump.file, force=True)
    for right in _rights(sandbox).missing:
        _admin(clerk, right.statement)
    assert _rights(sandbox).state == "present"
    assert restore.restore(env, request).bad is None
    with clerk.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public.entry").fetchone() == (500,)


def test_an_account_that_only_reads_is_told_of_owners_and_superusers_objects(
    root: Path, clerk: Database
) -> None:
    reader = f"{clerk.parameters['user']}_reader"
    _admin(clerk, f"CREATE ROLE {reader} LOGIN CREATEDB; GRANT pg_read_all_data TO {reader}")
    try:
        sandbox = Sandbox(root, clerk.as_user(reader), {"rules": ()})
        owner = clerk.parameters["user"]
        rights = _rights(sandbox)
        assert rights.sentence == f"restore rights: missing. {reader} does not own {owner} (owner {owner})."
        assert f"GRANT {owner} TO {reader} WITH INHERIT TRUE, SET TRUE;" in rights.hint
        _admin(clerk, f"GRANT {owner} TO {reader} WITH INHERIT FALSE")
        assert _rights(sandbox).state == "missing", "pg_restore does not SET ROLE to the owner"
        _admin(clerk, rights.missing[0].statement)
        assert _rights(sandbox).state == "present"
        _admin(clerk, "CREATE TABLE public.audit (id int); CREATE EXTENSION pg_stat_statements SCHEMA public")
        rights = _rights(sandbox)
        assert [right.message for right in rights.missing] == [
            f"{reader} may not create the objects of postgres.",
            "Only a superuser may create: extension pg_stat_statements.",
        ]
        assert str(rights.hint) == "Set admin_database_url to an account that may (see docs/setup.md)."
        admin = sandbox.env(admin_database_url=builders.database_url(clerk.as_user("postgres")))
        found = find_restore_rights(admin)
        assert found is not None
        assert (found.state, found.account) == ("present", "postgres")
    finally:
        _admin(clerk, f"DROP OWNED BY {reader}; DROP ROLE {reader}")


def test_roles_of_the_newest_backup_that_the_server_lacks_are_tried_and_rolled_back(
    root: Path, clerk: Database
) -> None:
    sandbox, lost = Sandbox(root, clerk, {"rules": ()}), f"lost_{secrets.token_hex(4)}"
    _admin(clerk, f"ALTER ROLE {clerk.parameters['user']} CREATEDB; CREATE ROLE {lost}")
    backup.backup(sandbox.env(), BackupRequest())
    _admin(clerk, f"DROP ROLE {lost}")
    rights = _rights(sandbox)
    assert [right.message for right in rights.missing] == [
        f"Missing roles, which {clerk.parameters['user']} may not create: {lost}."
    ]
    before = _listed(clerk)
    _admin(clerk, rights.missing[0].statement)
    assert _rights(sandbox).state == "present"
    assert _listed(clerk) == before


def test_a_server_that_is_down_is_not_known(root: Path, clerk: Database) -> None:
    sandbox = Sandbox(root, Database({**clerk.parameters, "port": "1"}))
    rights = _rights(sandbox)
    assert rights.state == "not known"
    assert "Connection refused" in rights.sentence
    assert rights.hint


def test_backup_and_status_say_so_until_the_right_is_there(
    root: Path, clerk: Database, database: Database
) -> None:
    name = clerk.parameters["user"]
    commands = Commands(Sandbox(root, clerk), database, {"LEDGER_DEV_SIZE_FLOOR": "1"})
    words, statement = (
        f"restore rights: missing. {name} may not create databases.",
        f"ALTER ROLE {name} CREATEDB;",
    )
    finished = commands.run("backup")
    assert finished.code == 0, finished.words
    assert "PROVEN: valid" in finished.out
    assert "and equals its seal. No data rule is set: the restored copy was compared" in finished.out
    assert "every data rule" not in finished.words
    assert "All 0" not in finished.words
    assert words in finished.out
    assert statement in finished.out
    done = commands.run("backup", "--json", DRILL="0", FILE="second.dump")
    assert done.json["restore_rights"]["state"] == "missing"
    assert statement in done.json["restore_rights"]["hint"]
    shown = commands.run("status")
    assert words in shown.out
    assert statement in shown.out
    _admin(clerk, statement)
    done = commands.run("backup", "--json", DRILL="0", FILE="third.dump")
    assert done.json["restore_rights"] == {
        "state": "present", "account": name, "missing": [], "error": "", "hint": ""
    }  # fmt: skip
    assert "restore rights" not in commands.run("status").out


def test_the_sample_needs_no_rights(root: Path) -> None:
    env = replace(builders.env(root), environment=Environment.PROD)
    assert find_restore_rights(env, attempt=True) is None
