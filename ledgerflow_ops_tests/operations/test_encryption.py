"""Encrypted backups: taken without an identity, examined and restored with one, and never garbled."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, SettingsError
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog, summaries
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.operations.verification.verify import verify
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import age_keys, sandboxes, targets
from ledgerflow_ops_tests.fakes.age_keys import Key
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox
from ledgerflow_ops_tests.fakes.servers import Server


@pytest.fixture
def key(root: Path) -> Key:
    return age_keys.new_key(root / "key.txt")


@pytest.fixture
def encrypted(sandbox: Sandbox, key: Key) -> Sandbox:
    """A sandbox that encrypts for the key, with files, and can read."""
    with_files = sandbox.with_files()
    return replace(with_files, fields={**with_files.fields, **key.settings})


def test_every_file_with_data_is_encrypted_and_proven(encrypted: Sandbox, key: Key) -> None:
    env = encrypted.env()
    manifest = sandboxes.take_backup(env)
    name = sandboxes.prove_backup(env, manifest)
    folder = backup_folder_of(env).path
    data = sorted(file.name for file in folder.iterdir() if file.suffix == ".age")
    assert data == sorted([name.dump, name.files, name.globals])
    assert name.dump.endswith(".dump.age")
    assert all((folder / file).read_bytes().startswith(b"age-encryption.org/v1\n") for file in data)
    assert manifest.recipients == (key.recipient,)
    checks = drill.drill(env, name).checks
    assert any("3 files decrypted" in check.message for check in checks)


def test_the_age_program_opens_it(encrypted: Sandbox, key: Key, root: Path) -> None:
    env = encrypted.env()
    manifest = sandboxes.take_backup(env)
    folder = backup_folder_of(env).path
    dump = root / "opened.dump"
    dump.write_bytes(age_keys.opened_by_age(folder / manifest.dump.file, key))
    pg_restore = client_tools.bundled_tools().path("pg_restore")
    listed = subprocess.run([pg_restore, "--list", dump], check=True, capture_output=True, text=True).stdout
    assert "TABLE DATA public profiles_transaction" in listed
    assert manifest.globals
    assert b"CREATE ROLE" in age_keys.opened_by_age(folder / manifest.globals.file, key)
    assert manifest.files
    packed = age_keys.opened_by_age(folder / manifest.files.archive.file, key)
    tar: list[str | Path] = [needs.program("tar"), "--zstd", "-t"]
    assert b"statement.pdf" in subprocess.run(tar, input=packed, check=True, capture_output=True).stdout


def test_without_an_identity_a_backup_is_taken_and_stays_hashed(sandbox: Sandbox, key: Key) -> None:
    env = sandbox.env(recipients=[key.recipient])
    manifest = sandboxes.take_backup(env)
    name = BackupName.of(manifest.dump.file)
    for examine in (verify, drill.drill):
        with pytest.raises(KeyUnavailable, match="no identity is set here") as missing:
            examine(env, name)
        assert missing.value.exit_code == 5
        assert "identity_file or identity_command" in missing.value.hint
    entry = catalog.entry(env, name)
    assert (entry.state, entry.rung, entry.bad) == ("hashed", Rung.HASHED, False)
    (backup,) = summaries.present_backups(env)
    assert "no identity is set here" in backup.undecrypted
    readable = sandbox.env(**key.settings)
    sandboxes.prove_backup(readable, manifest)
    (backup,) = summaries.present_backups(readable)
    assert (backup.state, backup.undecrypted) == ("valid", "")
    with pytest.raises(KeyUnavailable):
        drill.drill(env, name)
    assert catalog.entry(env, name).state == "valid", "what was proven with the key stays proven"


def test_a_wrong_key_says_nothing_about_the_backup(encrypted: Sandbox, key: Key, root: Path) -> None:
    manifest = sandboxes.take_backup(encrypted.env())
    other = age_keys.new_key(root / "other.txt")
    with pytest.raises(KeyUnavailable, match="no identity here opens it") as wrong:
        verify(encrypted.env(identity_file=other.file), BackupName.of(manifest.dump.file))
    assert wrong.value.exit_code == 5
    assert "Its manifest names its recipients" in wrong.value.hint
    assert catalog.entry(encrypted.env(), BackupName.of(manifest.dump.file)).state == "hashed"


def test_an_identity_that_others_may_read_is_not_used(encrypted: Sandbox, key: Key) -> None:
    name = BackupName.of(sandboxes.take_backup(encrypted.env()).dump.file)
    key.file.chmod(0o640)
    with pytest.raises(SettingsError, match="can be read by others") as exposed:
        verify(encrypted.env(), name)
    assert exposed.value.exit_code == 2
    assert f"chmod 600 {key.file}" in exposed.value.hint


def test_the_identity_comes_from_a_command(sandbox: Sandbox, key: Key, root: Path) -> None:
    env = sandbox.env(recipients=[key.recipient], identity_command=f"cat {key.file}")
    name = BackupName.of(sandboxes.take_backup(env).dump.file)
    assert verify(env, name).rung is Rung.READABLE
    broken = sandbox.env(recipients=[key.recipient], identity_command=f"cat {root}/nothing")
    with pytest.raises(KeyUnavailable, match="identity_command failed"):
        verify(broken, name)


def test_each_of_several_recipients_can_read(sandbox: Sandbox, key: Key, root: Path) -> None:
    other = age_keys.new_key(root / "other.txt")
    recipients = [key.recipient, other.recipient]
    name = BackupName.of(sandboxes.take_backup(sandbox.env(recipients=recipients)).dump.file)
    for identity in (key, other):
        env = sandbox.env(recipients=recipients, identity_file=identity.file)
        assert verify(env, name).rung is Rung.READABLE


def test_a_header_of_another_backup_is_found(encrypted: Sandbox) -> None:
    """Both are for the same key: only the payload's authentication, and the hash, tell them apart."""
    env = encrypted.env()
    names = [BackupName.of(sandboxes.take_backup(env, BackupRequest(file=f)).dump.file) for f in FILES]
    folder = backup_folder_of(env).path
    first, second = (folder / name.dump for name in names)
    header = _header(first.read_bytes())
    garbled = header + second.read_bytes()[len(_header(second.read_bytes())) :]
    second.write_bytes(garbled)
    examination = verify(env, names[1])
    assert examination.verdict is Verdict.BAD
    assert catalog.entry(env, names[1]).bad
    with pytest.raises(BadBackup, match="altered or cut"):
        env.file(names[1].dump).read()


FILES = ("one.dump", "two.dump.age")


def _header(data: bytes) -> bytes:
    """The header of an age file: up to the line that begins with `---`."""
    end = data.index(b"\n", data.index(b"\n--- ") + 1)
    return data[: end + 1]


def test_plain_backups_of_before_stay_readable_beside_encrypted_ones(sandbox: Sandbox, key: Key) -> None:
    plain = sandboxes.take_backup(sandbox.env(), BackupRequest(file="before.dump"))
    env = sandbox.env(**key.settings)
    encrypted = sandboxes.take_backup(env, BackupRequest(file="after.dump"))
    assert (plain.dump.file, encrypted.dump.file) == ("before.dump", "after.dump.age")
    assert {entry.name.dump for entry in catalog.entries(env)} == {"before.dump", "after.dump.age"}
    assert {backup.name.dump for backup in summaries.present_backups(env)} == {
        "before.dump",
        "after.dump.age",
    }
    for file in ("before.dump", "after.dump", "after.dump.age"):
        assert verify(env, catalog.find(env, file)).rung is Rung.READABLE
    with pytest.raises(Exception, match="exists already"):
        sandboxes.take_backup(env, BackupRequest(file="before.dump"))


def test_an_archived_copy_is_adopted_without_an_identity(encrypted: Sandbox, root: Path) -> None:
    env = encrypted.env(identity_file=None)
    manifest = sandboxes.take_backup(env)
    folder = backup_folder_of(env).path
    archive = root / "archive" / "dev"
    shutil.copytree(folder, archive)
    shutil.rmtree(folder)
    at = replace(env, location=archive)
    (entry,) = catalog.entries(at)
    assert adoption.adopt_copy(env, at, entry) == manifest
    assert verify(encrypted.env(), BackupName.of(manifest.dump.file)).rung is Rung.READABLE


def test_a_restore_streams_and_leaves_no_plain_text(root: Path, server: Server, key: Key) -> None:
    with targets.restore_target(root, server, **key.settings) as field:
        field.drop()
        before = _plain_archives(root)
        restored = restore.restore(
            field.env(), RestoreRequest(environment=Environment.DEV, file="first.dump.age")
        )
        assert restored.bad is None
        assert not field.is_old()
        assert _plain_archives(root) == before == []
        with pytest.raises(KeyUnavailable, match=r"first\.dump\.age: It is encrypted"):
            field.restore(identity_file=None)
        assert not field.is_old()


def _plain_archives(folder: Path) -> list[Path]:
    """The files below `folder` that begin as an archive of pg_dump."""
    files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return [file for file in files if file.is_file() and file.read_bytes().startswith(b"PGDMP")]


def test_a_dump_that_is_altered_after_it_was_read_restores_nothing(
    root: Path, server: Server, key: Key
) -> None:
    """Its last block: pg_restore has all it needs by then, and would be content."""
    with targets.restore_target(root, server, **key.settings) as field:
        dump = backup_folder_of(field.env()).path / "first.dump.age"

        def alter() -> None:
            data = dump.read_bytes()
            dump.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

        alter_at_load = ActionAtStep(at=Step.RESTORE, action=alter)
        field.drop()
        with pytest.raises(BadBackup, match="altered or cut"):
            restore.restore(
                field.env(alter_at_load), RestoreRequest(environment=Environment.DEV, file="first.dump")
            )
        assert alter_at_load.fired
        assert field.names() == [], "what was loaded so far is gone"
