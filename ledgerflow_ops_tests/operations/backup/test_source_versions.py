"""Typical sources: PostgreSQL of several versions, and accounts with limited rights."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import programs, sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_NOTES = sql.SQL('public."Büro ""Notes"" Ledger"')


_RIGHTS = pytest.mark.parametrize("server", [14, 16, 18], indirect=True)
"""What an account may do: on the oldest version, on the one that changed memberships, on the newest."""


@pytest.fixture(scope="module", params=servers.MAJORS)
def server(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.of_major(request.param)) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def books(server: Server) -> Database:
    return server.books("books")


@pytest.fixture
def sandbox(root: Path, server: Server, books: Database) -> Sandbox:
    """The environment, with the programs fetched that the server's version needs."""
    if server.cluster.tools.origin == "fetched":
        servers.lend(root / "state", server.cluster.tools)
    return Sandbox(root, books)


@pytest.fixture
def role(server: Server, books: Database) -> Iterator[Database]:
    """The database, reached as a role that may log in and nothing else."""
    name = f"clerk_{secrets.token_hex(3)}"
    _ask(books, "CREATE ROLE {} LOGIN", name)
    yield books.as_user(name)
    _ask(books, "DROP OWNED BY {}", name)
    _ask(books, "DROP ROLE {}", name)


def _ask(database: Database, statement: str, *names: str) -> None:
    with database.connect() as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _user(database: Database) -> str:
    return database.parameters["user"]


def test_a_database_is_backed_up_and_proven_with_the_tools_that_are_found(
    sandbox: Sandbox, server: Server
) -> None:
    manifest = sandboxes.take_backup(sandbox.env())
    chosen = sandbox.env().ctx.client_tools(server.cluster.tools.version)
    assert manifest.source.major == server.cluster.tools.major == chosen.major
    assert manifest.tool_version == chosen.version
    assert manifest.compression == ("6" if chosen.major < 16 else "zstd:1")
    assert manifest.globals is not None
    name = sandboxes.prove_backup(sandbox.env(), manifest)
    if chosen.origin == "fetched" and chosen.major < client_tools.bundled_tools().major:
        servers.take_back(sandbox.root / "state", server.cluster.tools)
        examination = drill.drill(sandbox.env(), name)
        assert (examination.proven, examination.server_version) == (
            True,
            client_tools.bundled_tools().version,
        )


def test_an_older_server_is_backed_up_and_proven_with_newer_tools(sandbox: Sandbox, server: Server) -> None:
    bundled = client_tools.bundled_tools()
    if bundled.major < server.cluster.tools.major:
        _is_sent_for_the_programs_of_its_version(sandbox, server)
        return
    env = sandboxes.with_settings(sandbox.env(), tools_dir=bundled.folder)
    manifest = sandboxes.take_backup(env)
    assert (manifest.tool_version, manifest.compression) == (bundled.version, "zstd:1")
    name = sandboxes.prove_backup(env, manifest)
    # And again by whoever has no such setting: an older pg_restore does not read what a newer one wrote.
    examination = drill.drill(sandbox.env(), name)
    assert examination.proven
    assert examination.server_version == bundled.version
    same_major = manifest.source.major == bundled.major
    told = " ".join(check.message for check in examination.checks)
    assert ("Expressions were not compared" in told) == (not same_major)


def _is_sent_for_the_programs_of_its_version(sandbox: Sandbox, server: Server) -> None:
    own = Sandbox(sandbox.root / "without", sandbox.database)
    own.root.mkdir(mode=0o711)
    with pytest.raises(LedgerError, match="pg_dump is older than the server") as failure:
        backup.backup(own.env())
    command = f"make tools VERSION={server.cluster.tools.major}"
    assert str(failure.value.hint).endswith(f": {command}")
    assert own.files() == {}
    _type(command, own)
    sandboxes.prove_backup(own.env(), sandboxes.take_backup(own.env()))


def _type(command: str, sandbox: Sandbox) -> None:
    """Type it at a shell as it stands: the programs come as they come to anybody."""
    typed = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=PROJECT,
        env={**os.environ, "LEDGER_STATE_DIR": str(sandbox.root / "state")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if typed.returncode and "pip could not fetch" in typed.stderr:
        needs.missing(f"the package of PostgreSQL's programs: {typed.stderr}")
    assert typed.returncode == 0, typed.stdout + typed.stderr


@_RIGHTS
def test_an_ordinary_owner_backs_up_its_own_database(sandbox: Sandbox, role: Database) -> None:
    _ask(sandbox.database, "GRANT ledgerflow_app TO {}", _user(role))
    own = Sandbox(sandbox.root, role)
    manifest = sandboxes.take_backup(own.env())
    assert manifest.globals is not None or "permission denied" in manifest.globals_note
    sandboxes.prove_backup(own.env(), manifest)


@_RIGHTS
def test_an_account_that_may_not_connect_elsewhere_still_takes_the_roles(
    sandbox: Sandbox, role: Database
) -> None:
    _ask(sandbox.database, "GRANT ledgerflow_app TO {}", _user(role))
    _ask(sandbox.database, "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    try:
        own = Sandbox(sandbox.root, role)
        manifest = sandboxes.take_backup(own.env())
        assert manifest.globals is not None, manifest.globals_note
        sandboxes.prove_backup(own.env(), manifest)
    finally:
        _ask(sandbox.database, "GRANT CONNECT ON DATABASE postgres TO PUBLIC")


@_RIGHTS
def test_an_account_that_lacks_one_table_is_told_what_to_grant_and_nothing_is_kept(
    sandbox: Sandbox, role: Database
) -> None:
    lacking = Sandbox(sandbox.root, role)
    _ask(sandbox.database, "ALTER ROLE {} BYPASSRLS", _user(role))
    _ask(sandbox.database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", _user(role))
    _ask(sandbox.database, "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {}", _user(role))
    _ask(sandbox.database, "REVOKE SELECT ON public.profiles_payee FROM {}", _user(role))
    with pytest.raises(LedgerError, match="permission denied for table profiles_payee") as failure:
        backup.backup(lacking.env())
    assert failure.value.exit_code == 1
    assert "GRANT pg_read_all_data" in failure.value.hint
    assert lacking.files() == {}


@_RIGHTS
def test_an_account_that_may_not_read_a_large_object_makes_no_backup(
    sandbox: Sandbox, role: Database
) -> None:
    _ask(sandbox.database, "GRANT pg_read_all_data TO {}", _user(role))
    _ask(sandbox.database, "ALTER ROLE {} BYPASSRLS", _user(role))
    own = Sandbox(sandbox.root, role)
    with pytest.raises(LedgerError, match="permission denied for large object") as failure:
        backup.backup(own.env())
    assert failure.value.exit_code == 1
    assert failure.value.hint
    assert own.files() == {}


@_RIGHTS
def test_row_level_security_refuses_a_backup_and_never_filters_one(sandbox: Sandbox, role: Database) -> None:
    _ask(sandbox.database, "GRANT pg_read_all_data TO {}", _user(role))
    own, recorder = Sandbox(sandbox.root, role), Recorder()
    # The account sees none of the notes: a dump of what it sees would look whole, and lack them all.
    with role.connect() as connection:
        connection.execute("SET row_security = on")
        seen = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_NOTES)).fetchone()
    assert seen == (0,)
    with pytest.raises(LedgerError, match="affected by row-level security policy") as failure:
        backup.backup(own.env(recorder))
    assert failure.value.exit_code == 1
    assert "BYPASSRLS" in failure.value.hint
    assert own.files() == {}


@_RIGHTS
def test_forced_row_level_security_binds_the_owner_as_well(sandbox: Sandbox, role: Database) -> None:
    _ask(sandbox.database, "GRANT ledgerflow_app TO {}", _user(role))
    with sandbox.database.connect() as connection:
        connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(_NOTES))
    try:
        with pytest.raises(LedgerError, match="affected by row-level security policy"):
            backup.backup(Sandbox(sandbox.root, role).env())
        # The one who is above it takes the very same database whole.
        manifest = sandboxes.take_backup(sandbox.env())
        assert manifest.contents.tables['public."Büro ""Notes"" Ledger"'].rows > 0
        sandboxes.prove_backup(sandbox.env(), manifest)
    finally:
        with sandbox.database.connect() as connection:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(_NOTES))


@_RIGHTS
@pytest.mark.parametrize(
    ("set_up", "set_back"),
    [
        ("ALTER ROLE postgres NOLOGIN", "ALTER ROLE postgres LOGIN"),
        (
            "ALTER ROLE postgres SET default_transaction_read_only = on",
            "ALTER ROLE postgres RESET default_transaction_read_only",
        ),
    ],
)
def test_a_superuser_that_was_locked_down_does_not_make_the_backup_bad(
    sandbox: Sandbox, role: Database, set_up: str, set_back: str
) -> None:
    _ask(sandbox.database, "ALTER ROLE {} SUPERUSER", _user(role))
    own = Sandbox(sandbox.root, role)
    _ask(role, set_up)
    try:
        sandboxes.prove_backup(own.env(), sandboxes.take_backup(own.env()))
    finally:
        _ask(role, set_back)


@pytest.mark.parametrize("server", [14], indirect=True)
def test_a_first_role_that_is_no_superuser_any_more(sandbox: Sandbox, role: Database) -> None:
    """As with hosted databases. From 16 on a server refuses to remove the attribute from the first role."""
    _ask(sandbox.database, "ALTER ROLE {} SUPERUSER", _user(role))
    own = Sandbox(sandbox.root, role)
    _ask(role, "CREATE ROLE supabase_admin SUPERUSER")  # made after postgres: in the order of their names
    _ask(role, "ALTER ROLE postgres NOSUPERUSER")
    _ask(role, "ALTER SCHEMA public OWNER TO ledgerflow_app")  # which pg_dump before 15 does not say
    try:
        sandboxes.prove_backup(own.env(), sandboxes.take_backup(own.env()))
    finally:
        _ask(role, "ALTER ROLE postgres SUPERUSER")
        _ask(role, "ALTER SCHEMA public OWNER TO postgres")
        _ask(role, "DROP ROLE supabase_admin")


def test_roles_of_every_kind_come_back_from_the_script_and_from_the_seal(
    sandbox: Sandbox, role: Database
) -> None:
    name = _user(role)
    _ask(sandbox.database, "ALTER ROLE {} NOINHERIT CREATEDB CREATEROLE CONNECTION LIMIT 3", name)
    _ask(sandbox.database, "GRANT pg_read_all_data, ledgerflow_readonly TO {}", name)
    manifest = sandboxes.take_backup(sandbox.env())
    assert manifest.globals is not None
    proven = sandboxes.prove_backup(sandbox.env(), manifest)
    # A backup whose account could not read the script has only the seal to make the roles from.
    folder = backup_folder_of(sandbox.env())
    without = manifest.model_copy(update={"globals": None, "globals_note": "not allowed"})
    folder.replace(proven.manifest, without.encode())
    folder.remove(proven.globals)
    sandboxes.prove_backup(sandbox.env(), without)


def test_a_server_newer_than_every_pg_dump_is_refused_with_both_versions(
    sandbox: Sandbox, server: Server
) -> None:
    old = sandbox.root / "old"
    old.mkdir()
    for name in ("pg_dump", "pg_restore", "pg_dumpall"):
        programs.write(old / name, f'echo "{name} (PostgreSQL) 13.3 (Debian 13.3-1)"')
    with pytest.raises(LedgerError, match="pg_dump is older than the server") as failure:
        backup.backup(sandboxes.with_settings(sandbox.env(), tools_dir=old))
    assert failure.value.exit_code == 1
    assert f"server {server.cluster.tools.version}" in failure.value.message
    assert "13.3 (tools_dir)" in failure.value.message
    assert str(failure.value.hint).endswith(f"make tools VERSION={server.cluster.tools.major}")
    assert sandbox.files() == {}


@_RIGHTS
def test_a_folder_without_tools_is_reported(sandbox: Sandbox) -> None:
    empty = sandbox.root / "empty"
    empty.mkdir()
    with pytest.raises(LedgerError, match="tools_dir: no working pg_dump in") as failure:
        backup.backup(sandboxes.with_settings(sandbox.env(), tools_dir=empty))
    assert "tools_dir" in failure.value.hint
    assert sandbox.files() == {}
