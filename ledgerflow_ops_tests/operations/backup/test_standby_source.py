"""A standby as the source: its data is backed up and proven, and data that it lacks is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.core.postgres.dump_warnings import Meaning
from ledgerflow_ops.operations.backup import backup, completeness
from ledgerflow_ops.operations.backup.account_rights import explain_errors
from ledgerflow_ops.operations.monitoring import doctor
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops_tests import databases
from ledgerflow_ops_tests.fakes import sandboxes, servers, standbys
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_PAD = 'public."Scratch ""Pad"""'
_UNLOGGED = (_PAD, 'public."Scratch ""Pad""_id_seq"', "public.staging")


@pytest.fixture(scope="module", params=[17, 15])
def primary(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with sandboxes.temporary_folder(session_root) as root:
        programs = servers.debian_15() if request.param == 15 else client_tools.bundled_tools()
        with servers.server(root, programs) as server:
            books = server.books("books")
            databases.run_statements(
                books,
                'CREATE UNLOGGED TABLE "Scratch ""Pad""" (id serial, note text)',
                'INSERT INTO "Scratch ""Pad""" (note) SELECT \'x\' FROM generate_series(1, 50)',
                "CREATE UNLOGGED TABLE staging (amount numeric(10, 2), PRIMARY KEY (amount))",
            )
            yield server


@pytest.fixture(scope="module")
def standby(primary: Server, session_root: Path) -> Iterator[Server]:
    with sandboxes.temporary_folder(session_root) as root, standbys.standby(root, primary) as made:
        assert standbys.caught_up(primary, made)
        yield made


@pytest.fixture
def sandbox(root: Path, standby: Server) -> Sandbox:
    return Sandbox(root, standby.database.named("books"), {"rules": ()})


def test_a_standby_is_backed_up_and_what_it_does_not_have_is_named(
    sandbox: Sandbox, primary: Server, standby: Server
) -> None:
    databases.run_statements(
        primary.database.named("books"), "DELETE FROM profiles_journalline WHERE id % 2 = 0"
    )
    assert standbys.caught_up(primary, standby)
    manifest = sandboxes.take_backup(sandbox.env())
    assert manifest.unheld == _UNLOGGED
    assert not {*_UNLOGGED} & {*manifest.contents.tables, *manifest.contents.sequences}
    assert manifest.warnings is not None
    (warning,) = manifest.warnings
    assert warning.meaning is Meaning.NOTED
    assert "the source is a standby" in warning.text
    assert _PAD in warning.text
    sandboxes.prove_backup(sandbox.env(), manifest)
    with primary.database.connect() as connection:
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row == (manifest.source.system_identifier,)
    (note,) = completeness.restore_notes(manifest, None)
    assert _PAD in note.message
    told = [check.message for check in doctor.examine(sandbox.env().ctx, [sandbox.env()]) if check.passed]
    assert any("the source is a standby" in message and _PAD in message for message in told)


def test_nothing_is_restored_into_a_standby_nor_backed_up_for_it(sandbox: Sandbox, primary: Server) -> None:
    sandboxes.take_backup(sandbox.env(), BackupRequest(file="first.dump"))
    before = sandbox.files()
    with pytest.raises(Refused, match="is a standby") as refusal:
        restore.restore(
            sandbox.env(), RestoreRequest(environment=Environment.DEV, file="first.dump", force=True)
        )
    assert f"It follows 127.0.0.1:{primary.port}: point the URL there." in refusal.value.hint
    assert "LEDGER_DEV_DATABASE_URL" in refusal.value.hint
    assert sandbox.files() == before


def test_on_a_primary_unlogged_data_is_in_the_dump(root: Path, primary: Server) -> None:
    sandbox = Sandbox(root, primary.database.named("books"))
    manifest = sandboxes.take_backup(sandbox.env())
    assert (manifest.unheld, manifest.warnings) == (None, None)
    assert manifest.contents.tables[_PAD].rows == 50
    assert manifest.contents.sequences[_UNLOGGED[1]].value == 50
    assert b'"unheld"' not in manifest.encode()


def test_a_standby_that_stands_still_does_not_pass_its_data_off_as_newer(
    sandbox: Sandbox, primary: Server, standby: Server
) -> None:
    books = primary.database.named("books")
    databases.run_statements(books, "UPDATE profiles_payee SET id = id WHERE id < 0; SELECT txid_current()")
    assert standbys.caught_up(primary, standby)
    databases.run_statements(standby.database, "SELECT pg_wal_replay_pause()")
    try:
        assert sandboxes.wait_until(lambda: _paused(standby))
        databases.run_statements(books, "CREATE TABLE later (id int)")
        env = sandbox.env()
        before = env.ctx.clock()
        manifest = sandboxes.take_backup(env)
        assert manifest.recovery_point < before
        assert manifest.warnings is not None
        told = " ".join(one.text for one in manifest.warnings)
        assert f"its data is of {manifest.recovery_point:%Y-%m-%d %H:%M:%S}" in told
        assert "public.later" not in manifest.contents.tables
        tomorrow = before.replace(year=before.year + 1)
        later = sandbox.env(now=lambda: tomorrow)
        with pytest.raises(LedgerError, match="its data is of") as failure:
            backup.backup(later, day=later.today())
        assert "pg_stat_wal_receiver" in failure.value.hint
    finally:
        databases.run_statements(standby.database, "SELECT pg_wal_replay_resume()")
        databases.run_statements(books, "DROP TABLE IF EXISTS later")


def _paused(standby: Server) -> bool:
    with standby.database.connect() as connection:
        row = connection.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()
    return row == ("paused",)


def test_a_conflict_with_recovery_says_which_settings_help(primary: Server, standby: Server) -> None:
    books = standby.database.named("books")
    databases.run_statements(
        standby.database, "ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()"
    )
    databases.run_statements(primary.database.named("books"), "CREATE TABLE IF NOT EXISTS locked (id int)")
    assert standbys.caught_up(primary, standby)
    with pytest.raises(LedgerError, match="conflict with recovery") as failure:
        _read_while_it_is_dropped(books, primary.database.named("books"))
    assert "hot_standby_feedback = on" in failure.value.hint
    assert "max_standby_streaming_delay" in failure.value.hint


def _read_while_it_is_dropped(replica: Database, source: Database) -> None:
    with explain_errors(replica), replica.connect() as connection:
        connection.execute("BEGIN; SELECT FROM public.locked")
        databases.run_statements(source, "DROP TABLE locked")
        connection.execute("SELECT pg_sleep(60)")
