"""A backup, end to end, on a real server."""

import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import BACKUP_STEPS, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.history import audit
from ledgerflow_ops.operations.retention import quarantine
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox


@dataclass
class Expecting(Recorder):
    """A Reporter that records the expected sizes of the dump."""

    expected: set[int | None] = field(default_factory=set)

    def moved(self, done: int, expected: int | None) -> None:
        super().moved(done, expected)
        if self.steps[-1] is not Step.SEAL:
            self.expected.add(expected)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_backup_is_proven_by_its_drill(env: EnvironmentContext) -> None:
    manifest = backup.backup(env)
    examination = drill.drill(env, BackupName.of(manifest.dump.file))
    assert [check.message for check in examination.checks if not check.passed] == []
    assert examination.rung is Rung.VALID
    assert [entry.state for entry in catalog.entries(env)] == ["valid"]


def test_a_backup_is_five_private_files_once_it_is_proven(sandbox: Sandbox) -> None:
    sandbox, recorder = sandbox.with_files(), Recorder()
    manifest = backup.backup(sandbox.env(recorder))
    name = sandboxes.prove_backup(sandbox.env(), manifest)
    folder = backup_folder_of(sandbox.env())
    assert tuple(recorder.steps) == BACKUP_STEPS
    assert {*sandbox.files()} == {name.dump, name.files, name.globals, name.manifest, name.proof}
    assert {_mode(file) for file in folder.path.iterdir()} == {0o600}
    assert _mode(folder.path) == 0o700
    assert Manifest.decode(folder.read(name.manifest), name.manifest) == manifest
    assert max(recorder.moves) == manifest.dump.size == folder.file(name.dump).stat().st_size


def test_a_backup_that_was_removed_by_hand_leaves_its_name_to_no_other(sandbox: Sandbox) -> None:
    """Within the same minute: its loss is still found."""
    noon = sandbox.env(now=lambda: NOON)
    first = backup.backup(noon)
    for file in backup_folder_of(noon).path.glob(f"{BackupName.of(first.dump.file).stem}.*"):
        file.unlink()
    second = backup.backup(noon)
    assert second.dump.file == f"{BackupName.of(first.dump.file).stem}00.dump"
    assert [fault.file for fault in audit.audit(noon).faults] == [first.dump.file]


def test_a_backup_in_quarantine_keeps_its_name(sandbox: Sandbox) -> None:
    """Within the same minute: it can be put back beside the new one."""
    noon = sandbox.env(now=lambda: NOON)
    first = backup.backup(noon)
    quarantine.quarantine(noon, first.dump.file, "not needed", first.dump.file)
    assert backup.backup(noon).dump.file == f"{BackupName.of(first.dump.file).stem}00.dump"


def _removed_by_hand(env: EnvironmentContext, file: str) -> None:
    for part in backup_folder_of(env).path.glob(f"{BackupName.of(file).stem}.*"):
        part.unlink()


def _quarantined(env: EnvironmentContext, file: str) -> None:
    quarantine.quarantine(env, file, "not needed", file)


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        (_removed_by_hand, " is missing by the history: another one of its name would hide that."),
        (_quarantined, " is in quarantine: it could not be put back beside another one of its name."),
    ],
)
def test_a_name_of_ones_own_is_refused_where_its_backup_may_come_back(
    sandbox: Sandbox, moved: Callable[[EnvironmentContext, str], None], message: str
) -> None:
    env, file = sandbox.env(), "before.dump"
    backup.backup(env, BackupRequest(file=file))
    moved(env, file)
    names = env.store.names(".dump")
    with pytest.raises(Refused) as refusal:
        backup.backup(env, BackupRequest(file=file))
    assert refusal.value.message == file + message
    assert "choose another name" in str(refusal.value.hint)
    assert env.store.names(".dump") == names == []
    assert backup.backup(env, BackupRequest(file="other.dump")).dump.file == "other.dump"


def test_the_dump_is_one_that_plain_pg_restore_opens(sandbox: Sandbox) -> None:
    manifest = backup.backup(sandbox.env())
    file = backup_folder_of(sandbox.env()).file(manifest.dump.file)
    listed = subprocess.run(
        [client_tools.bundled_tools().path("pg_restore"), "--list", file],
        capture_output=True,
        check=True,
        text=True,
    )
    assert "Compression: zstd" in listed.stdout
    assert "TABLE DATA public profiles_transaction " in listed.stdout


def test_a_backup_holds_what_was_there_at_its_snapshot_however_busy_the_database_is(
    root: Path, database: Database
) -> None:
    def work() -> None:
        with database.connect() as connection:
            connection.execute("SELECT nextval('public.profiles_payee_id_seq') FROM generate_series(1, 50)")
            connection.execute(
                "INSERT INTO public.django_session VALUES ('late', 'written in mid-dump', now())"
            )
            connection.execute("DELETE FROM public.profiles_journalline WHERE position = 1")

    sandbox = Sandbox(root, database)
    with database.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM public.django_session),"
            " (SELECT count(*) FROM public.profiles_journalline)"
        ).fetchone()
    reporter = ActionAtStep(at=Step.SEAL, action=work)
    manifest = backup.backup(sandbox.env(reporter))
    assert reporter.fired
    tables = manifest.contents.tables
    found = (tables["public.django_session"].rows, tables["public.profiles_journalline"].rows)
    assert found == row
    sandboxes.prove_backup(sandbox.env(), manifest)


def test_a_name_of_ones_own_is_honoured_and_never_overwritten(sandbox: Sandbox) -> None:
    manifest = backup.backup(sandbox.env(), BackupRequest(file="before_migration.dump"))
    assert manifest.dump.file == "before_migration.dump"
    files = sandbox.files()
    with pytest.raises(Refused, match=r"before_migration\.dump exists already") as refusal:
        backup.backup(sandbox.env(), BackupRequest(file="before_migration.dump"))
    assert refusal.value.exit_code == 3
    assert sandbox.files() == files


@pytest.mark.parametrize(
    "file",
    ["../other.dump", "/tmp/other.dump", "a/b.dump", "prod.dump", "books_test.dump", "x.sql", ".x.dump", ""],
)
def test_a_name_that_leads_elsewhere_or_claims_another_environment_is_a_mistake_in_the_call(
    sandbox: Sandbox, file: str
) -> None:
    if not file:  # an empty variable is none
        assert backup.backup(sandbox.env(), BackupRequest(file=file)).dump.file.startswith("ledgerflow_dev_")
        return
    with pytest.raises(SettingsError) as mistake:
        backup.backup(sandbox.env(), BackupRequest(file=file))
    assert mistake.value.exit_code == 2
    assert sandbox.files() == {}


def test_only_what_is_ours_and_half_written_is_swept(sandbox: Sandbox) -> None:
    folder = backup_folder_of(sandbox.env())
    folder.prepare()
    ours = [
        "ledgerflow_dev_20250422_0230.dump.partial",
        "mine.manifest.json.partial",
        ".x.proof.json.1.partial",
    ]
    others = ["notes.txt", "download.zip.partial", "by_hand.dump", "README.partial"]
    # Process 1 is alive, so its unfinished file stays; that of a process that is not there goes.
    gone = ".x.proof.json.999999999.partial"
    for name in [*ours, *others, gone]:
        folder.file(name).write_bytes(b"?")
    recorder = Recorder()
    backup.backup(sandbox.env(recorder))
    assert {said.split()[1].rstrip(":") for said in recorder.said} == {*ours[:2], gone}
    assert {*others, ours[2]} <= {*sandbox.files()}
    assert sandbox.states()["by_hand"] == "no manifest"


@pytest.mark.parametrize("kind", ["a link", "a file", "somebody else's"])
def test_a_folder_that_is_not_our_own_is_refused(sandbox: Sandbox, kind: str) -> None:
    path = backup_folder_of(sandbox.env()).path
    path.parent.mkdir()
    elsewhere = sandbox.root / "elsewhere"
    elsewhere.mkdir()
    if kind == "a link":
        path.symlink_to(elsewhere)
    elif kind == "a file":
        path.write_bytes(b"")
    else:
        needs.root()
        account = server_account()
        assert account is not None
        path.mkdir(mode=0o700)
        os.chown(path, account.uid, account.gid)
    with pytest.raises(LedgerError) as refusal:
        backup.backup(sandbox.env())
    assert refusal.value.exit_code in (1, 3)
    assert refusal.value.hint
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("asked", [False, True])
def test_password_hashes_are_kept_only_when_they_are_asked_for(sandbox: Sandbox, asked: bool) -> None:
    with sandbox.database.connect() as connection:
        connection.execute("CREATE ROLE has_a_password LOGIN PASSWORD 'not to be kept'")
    try:
        env = sandbox.env(role_passwords=asked)
        manifest = backup.backup(env)
        assert manifest.globals is not None
        script = backup_folder_of(env).read(manifest.globals.file)
        assert b"CREATE ROLE has_a_password" in script
        assert (b"SCRAM-SHA-256$" in script) == asked
        assert b"not to be kept" not in script
        if asked:
            sandboxes.prove_backup(env, manifest)
    finally:
        with sandbox.database.connect() as connection:
            connection.execute("DROP ROLE has_a_password")


def test_a_large_database_is_sealed_by_counts_and_sums_unless_every_byte_is_asked_for(
    sandbox: Sandbox,
) -> None:
    env = sandbox.env(full_seal_below=1)
    light, full = sandboxes.take_backup(env), sandboxes.take_backup(env, BackupRequest(full_seal=True))
    assert (light.seal.depth, full.seal.depth) == ("counts and sums", "full")
    assert full.seal.content is not None
    assert full.seal.content == {name: full.contents.tables[name].digest for name in full.seal.content}
    sandboxes.prove_backup(env, light)


def test_what_a_dump_will_need_is_reported_by_the_last_one_even_when_that_is_in_the_cloud(
    sandbox: Sandbox,
) -> None:
    first = Expecting()
    last = sandboxes.take_backup(sandbox.env(first))
    assert first.expected == {None}
    folder = backup_folder_of(sandbox.env())
    folder.file(last.dump.file).unlink()
    folder.placeholder(last.dump.file).write_bytes(b"bplist00")
    second = Expecting()
    sandboxes.take_backup(sandbox.env(second))
    assert second.expected == {last.dump.size}


def test_the_sample_says_of_itself_that_it_is_none_of_your_books(
    root: Path, embedded: EmbeddedPostgres
) -> None:
    env = builders.env(root, environment=Environment.PROD)
    manifest = backup.backup(sandboxes.with_settings(env, state_dir=embedded.state_dir))
    assert (manifest.sample, manifest.environment) == (True, Environment.PROD)
