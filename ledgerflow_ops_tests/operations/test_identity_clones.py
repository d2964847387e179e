"""A clone has its original's identifier and name: other observations distinguish the two."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.identity import Identity, Observation
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest, RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import disks, sandboxes, servers, standbys
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox
from ledgerflow_ops_tests.fakes.servers import Server


@pytest.fixture(scope="module")
def primary(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as server,
    ):
        server.books("books")
        yield server


@pytest.fixture(scope="module")
def elsewhere(primary: Server, session_root: Path) -> Iterator[Server]:
    """A copy of the primary as it is at first, and not running."""
    with (
        sandboxes.temporary_folder(session_root) as root,
        standbys.standby(root, primary, replicates=False) as made,
    ):
        made.cluster.stop()
        yield made


@pytest.fixture
def sandbox(root: Path, primary: Server, elsewhere: Server) -> Sandbox:
    return Sandbox(root, primary.database.named("books"))


def _file(sandbox: Sandbox) -> Path:
    return sandbox.root / "state" / "identities.json"


def _known(sandbox: Sandbox) -> Identity:
    return IdentityRecords(_file(sandbox)).recorded()[Environment.DEV]


def _seen(sandbox: Sandbox) -> Observation:
    seen = _known(sandbox).seen
    assert seen is not None
    return seen


def test_it_remembers_where_and_how_far_the_server_was(sandbox: Sandbox, primary: Server) -> None:
    manifest = sandboxes.take_backup(sandbox.env())
    seen = _seen(sandbox)
    assert (seen.addresses, seen.timeline, seen.standby) == ((f"127.0.0.1:{primary.port}",), 1, False)
    with sandbox.database.connect() as connection:
        row = connection.execute(
            "SELECT oid::bigint FROM pg_database WHERE datname = 'books' AND %s::pg_lsn <= %s::pg_lsn",
            [seen.lsn, manifest.lsn],
        ).fetchone()
    assert row is not None
    assert seen.oids == row


def test_a_clone_at_another_port_is_asked_about_by_backup_doctor_and_restore(
    sandbox: Sandbox, elsewhere: Server
) -> None:
    manifest, before = sandboxes.take_backup(sandbox.env()), _known(sandbox)
    files = sandbox.files()
    elsewhere.start()
    try:
        clone = Sandbox(sandbox.root, elsewhere.database.named("books"))
        with pytest.raises(Refused, match=r"it was at 127\.0\.0\.1:") as refusal:
            backup.backup(clone.env())
        assert refusal.value.exit_code == 3
        assert f"and is at 127.0.0.1:{elsewhere.port}" in refusal.value.message
        assert "It may be a clone" in refusal.value.hint
        assert "LEDGER_ENV=dev make identity ACCEPT=1" in refusal.value.hint
        env = clone.env()
        (found,) = [one for one in doctor.examine(env.ctx, [env]) if not one.passed and one.fatal]
        moved = (
            f"it was at 127.0.0.1:{sandbox.database.parameters['port']}, and is at 127.0.0.1:{elsewhere.port}"
        )
        assert found.name == "dev source"
        assert moved in refusal.value.message
        assert moved in found.message  # without the LSN, which goes on as the clone is looked at
        with pytest.raises(Refused, match="it was at"):
            restore.prepare_restore(
                env, RestoreRequest(environment=Environment.DEV, file=manifest.dump.file, force=True)
            )
        with pytest.raises(Refused, match="it was at"):
            identity.check_identity(env, accept=False)
        assert (sandbox.files(), _known(sandbox).seen) == (files, before.seen)
        identity.check_identity(env, accept=True)
        sandboxes.take_backup(clone.env())
    finally:
        elsewhere.cluster.stop()
    with pytest.raises(Refused, match="it was at"):  # the original is now the other one
        backup.backup(sandbox.env())
    assert [one.message for one in doctor.examine(sandbox.env().ctx, [sandbox.env()]) if one.fatal]


def test_an_older_copy_put_in_the_originals_place_is_found_out(
    sandbox: Sandbox, primary: Server, elsewhere: Server
) -> None:
    databases.run_statements(
        sandbox.database, "CREATE TABLE IF NOT EXISTS later AS SELECT generate_series(1, 1000)"
    )
    sandboxes.take_backup(sandbox.env())
    files = sandbox.files()
    primary.cluster.stop()
    older = Server(elsewhere.cluster, primary.port)
    older.start()
    try:
        with pytest.raises(Refused, match="its server is at LSN 0/") as refusal:
            backup.backup(sandbox.env())
        assert "restored from an older copy" in refusal.value.hint
        assert sandbox.files() == files
    finally:
        older.cluster.stop()
        primary.start()
    backup.backup(sandbox.env())


def test_a_crash_of_the_same_server_asks_nothing(sandbox: Sandbox, primary: Server) -> None:
    databases.run_statements(sandbox.database, "SET synchronous_commit = off; CREATE TABLE fleeting (id int)")
    sandboxes.take_backup(sandbox.env())
    primary.crash()
    primary.start()
    sandboxes.take_backup(sandbox.env())
    databases.run_statements(sandbox.database, "DROP TABLE IF EXISTS fleeting")


def test_a_standby_that_was_promoted_is_asked_about_once(
    sandbox: Sandbox, root: Path, primary: Server
) -> None:
    with standbys.standby(root, primary) as standby:
        sandboxes.take_backup(sandbox.env())
        assert standbys.caught_up(primary, standby)
        after = Sandbox(sandbox.root, standby.database.named("books"))
        with pytest.raises(Refused, match="it was at"):
            backup.backup(after.env())
        identity.check_identity(after.env(), accept=True)
        backup.backup(after.env())
        assert _seen(sandbox).standby
        standbys.promote(standby)
        sandboxes.take_backup(after.env())
        assert (_seen(sandbox).standby, _seen(sandbox).timeline) == (False, 2)


def test_a_database_made_anew_is_asked_about_and_what_restores_make_is_not(
    root: Path, database: Database
) -> None:
    sandbox = Sandbox(root, database)
    manifest = sandboxes.take_backup(sandbox.env())
    name = databases.quoted_identifier(database.parameters["dbname"])
    server = database.named("postgres")
    databases.run_statements(server, f"ALTER DATABASE {name} RENAME TO template_{os.getpid()}")
    databases.run_statements(server, f"CREATE DATABASE {name} TEMPLATE template_{os.getpid()}")
    databases.run_statements(server, f"DROP DATABASE template_{os.getpid()}")
    with pytest.raises(Refused, match="it was dropped and created again"):
        backup.backup(sandbox.env())
    # A restore takes it for what it is: what is there is backed up first, and replaced.
    request = RestoreRequest(environment=Environment.DEV, file=manifest.dump.file, force=True)
    restored = restore.restore(sandbox.env(), request)
    assert (restored.bad, restored.safety is None) == (None, False)
    sandboxes.take_backup(sandbox.env())
    rollback.rollback(sandbox.env(), RollbackRequest(environment="dev"))
    sandboxes.take_backup(sandbox.env())
    assert len(_seen(sandbox).oids) == 3


def test_what_earlier_versions_remembered_is_kept_and_added_to(sandbox: Sandbox) -> None:
    sandboxes.take_backup(sandbox.env())
    entry = json.loads(_file(sandbox).read_text())
    seen = entry["dev"].pop("seen")
    _file(sandbox).write_text(json.dumps(entry))
    assert _known(sandbox).seen is None
    identity.check_identity(sandbox.env(), accept=False)
    sandboxes.take_backup(sandbox.env())
    assert json.loads(_file(sandbox).read_text())["dev"]["seen"]["oids"] == seen["oids"]


@pytest.mark.parametrize("kind", ["link", "room", "tools", "lock", "name", "dump", "manifest"])
def test_a_backup_that_was_not_made_binds_nothing(sandbox: Sandbox, root: Path, kind: str) -> None:
    env, request = sandbox.env(), BackupRequest()
    with ExitStack() as stack:
        env = _spoilt(kind, sandbox, root, stack)
        if kind == "name":
            backup_folder_of(env).prepare()
            (backup_folder_of(env).path / "taken.dump").touch(0o600)
            request = BackupRequest(file="taken.dump")
        with pytest.raises((LedgerError, KeyboardInterrupt)):
            backup.backup(env, request)
    assert not _file(sandbox).exists()
    with pytest.raises(Refused, match="dev has no database yet"):
        identity.check_identity(sandbox.env(), accept=False)


def _spoilt(kind: str, sandbox: Sandbox, root: Path, stack: ExitStack) -> EnvironmentContext:
    """The site, on which something keeps a backup from being made."""
    if kind == "link":
        (root / "aside").mkdir()
        (root / "backups").mkdir()
        (root / "backups" / "dev").symlink_to(root / "aside")
    if kind == "room":
        stack.enter_context(disks.small_disk(root / "backups", "1m"))
    if kind == "lock":
        ctx = sandbox.env().ctx
        stack.enter_context(
            locks.environment_lock(ctx.settings.state_dir, Environment.DEV, "drill", ctx.clock())
        )
    if kind == "tools":
        return sandbox.env(tools_dir=servers.debian_15().folder)
    if kind in ("dump", "manifest"):
        at = Step.DUMP if kind == "dump" else Step.COMMIT
        return sandbox.env(ActionAtStep(at=at, action=_interrupt))
    return sandbox.env()


def _interrupt() -> None:
    raise KeyboardInterrupt
