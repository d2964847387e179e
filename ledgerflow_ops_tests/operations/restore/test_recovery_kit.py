"""The recovery kit, followed literally on a server of its own, with nothing but Debian's programs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.history import history_files
from ledgerflow_ops.operations.restore import recovery_kit
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import age_keys, backup_files, sandboxes, servers, targets
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def debian(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.debian_15()) as server,
    ):
        yield server


def _followed(kit: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type all code blocks of the kit, in order, into one bash that has only Debian's programs."""
    script = "\n".join(_BLOCK.findall((kit / "README.md").read_text()))
    environment = {"PATH": f"{servers.DEBIAN_15}:/usr/bin:/bin", "HOME": str(kit.parent), **variables}
    bash = ["/bin/bash", "-e"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(bash, input=script, cwd=kit, env=environment, text=True, check=False, **pipes)


def test_a_stranger_restores_database_and_files(root: Path, debian: Server) -> None:
    for program in ("age", "zstd", "tar", "sha256sum", "minisign"):
        needs.program(program)
    key = age_keys.new_key(root / "key.txt")
    sandbox = Sandbox(root, debian.books("kit_source"), key.settings).with_files()
    tools = {"tools_dir": servers.DEBIAN_15}
    first = sandboxes.with_settings(sandbox.env(), **tools)
    sandboxes.take_backup(first)
    (root / "media" / "new.txt").write_text("a second file")
    env = sandboxes.with_settings(sandbox.env(), **tools)
    manifest = sandboxes.take_backup(env)
    sandboxes.prove_backup(env, manifest)
    assert manifest.files
    assert len(manifest.files.needs) == 1, "the first file is in the archive of the first backup"

    kit = recovery_kit.write_kit(env)
    assert kit == root / "backups" / "recovery-kit" / "dev"
    assert (kit / "recipients.txt").read_text() == f"{key.recipient}\n"
    told = b"".join(file.read_bytes() for file in kit.iterdir())
    assert key.identity.encode() not in told
    assert b"password" not in told
    signing = history_files.signing_key(env.ctx)
    assert signing
    assert signing.public.encode() in told
    secrets = history_files.key_file(env.ctx).read_text().split("\n")
    assert not [
        line for line in secrets if line and not line.startswith("untrusted") and line.encode() in told
    ]
    at = debian.database.parameters
    variables = {"PGHOST": at["host"], "PGPORT": at["port"], "PGUSER": at["user"], "DATABASE": "kit_restored"}
    done = _followed(kit, **variables, IDENTITY=str(key.file), FILES=str(root / "unpacked"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{manifest.dump.file}: OK") == 2, "by the digests and by the history"
    assert f"{BackupName.of(manifest.dump.file).manifest}: OK" in done.stdout
    assert "Signature and comment signature verified" in done.stdout
    restored = targets.sealed_contents(debian.database.named("kit_restored"))
    original = targets.sealed_contents(debian.database.named("kit_source"))
    assert restored.tables == original.tables
    assert restored.content == original.content
    unpacked = Path(f"{root}/unpacked{root}/media")
    assert {file.name for file in unpacked.iterdir()} == {"statement.pdf", "link", "new.txt"}
    assert (unpacked / "statement.pdf").read_bytes() == (root / "media" / "statement.pdf").read_bytes()


def test_a_damaged_copy_stops_it_before_anything_is_restored(root: Path, debian: Server) -> None:
    folder = BackupFolder(root / "backups" / "dev")
    manifest = folder.add_backup(NOON)
    kit = recovery_kit.write_kit(builders.env(root, now=lambda: NOON))
    (folder.path / manifest.dump.file).write_bytes(b"something else")
    done = _followed(kit, PGHOST="127.0.0.1", PGPORT=debian.database.parameters["port"])
    assert done.returncode != 0
    assert "FAILED" in done.stdout
    assert "createdb" not in done.stderr


def test_without_a_proven_backup_there_is_no_kit(root: Path) -> None:
    BackupFolder(root / "backups" / "dev").add_backup(NOON, None)
    env = builders.env(root, now=lambda: NOON)
    with pytest.raises(Refused, match="dev has no proven backup") as refusal:
        recovery_kit.write_kit(env)
    assert "make backup" in refusal.value.hint
    assert not recovery_kit.kit_folder(env).exists()


class TestSignedHistory:
    """The check of the history, typed up to where the restore would begin."""

    @pytest.fixture
    def dev(self, root: Path) -> RecordedBackups:
        """Two proven backups on record, the newest from NOON, and a copy of all in a location."""
        needs.program("minisign")
        usb = {"name": "usb", "kind": "folder", "url": str(root / "usb")}
        made = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON, locations=[usb]))
        for ago in (1, 0):
            made.backup(NOON - timedelta(days=ago))
        return made

    @staticmethod
    def checked(kit: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Type the blocks before the database's: preparation and history."""
        text = (kit / "README.md").read_text()
        (kit / "README.md").write_text(text.partition("## 3. Restore the database")[0])
        done = _followed(kit, **variables)
        (kit / "README.md").write_text(text)
        return done

    @staticmethod
    def exchanged(dev: RecordedBackups, kit: Path) -> Manifest:
        """Another dump with a manifest that commits it, and digests of both in the kit."""
        taken = NOON
        name = BackupName.of(dev.manifest(taken).dump.file)
        dump = backup_files.write_file(dev.folder, name.dump, b"PGDMP of an attacker")
        changed = dev.manifest(taken).model_copy(update={"dump": dump})
        backup_files.write_file(dev.folder, name.dump, b"PGDMP of an attacker")
        backup_files.write_file(dev.folder, name.manifest, changed.encode())
        (kit / "SHA256SUMS").write_text(f"{dump.sha256}  {name.dump}\n")
        return changed

    def test_it_says_who_signed_and_where_copies_are(self, dev: RecordedBackups) -> None:
        key = history_files.signing_key(dev.env.ctx)
        assert key
        text = (recovery_kit.write_kit(dev.env) / "README.md").read_text()
        assert f"| public key of the signed history | {key.public} |" in text
        assert f"| copies of the history are in | {dev.chain} |" in text
        assert "| the history has at least | 5 entries, head " in text
        assert "other trusted keys" not in text

    def test_an_honest_backup_passes_and_a_later_one_too(self, dev: RecordedBackups) -> None:
        kit = recovery_kit.write_kit(dev.env)
        done = self.checked(kit)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "entry 5, sha256" in done.stdout
        later = dev.backup(NOON + timedelta(hours=1))
        assert self.checked(kit).returncode == 0, "the history has gone on"
        (kit / "SHA256SUMS").write_text(f"{later.dump.sha256}  {later.dump.file}\n")
        done = self.checked(kit, NAME=BackupName.of(later.dump.file).stem)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{later.dump.file}: OK" in done.stdout

    def test_an_exchanged_backup_fails_though_all_digests_agree(self, dev: RecordedBackups) -> None:
        kit = recovery_kit.write_kit(dev.env)
        changed = self.exchanged(dev, kit)
        done = self.checked(kit)
        assert done.returncode != 0
        assert f"{changed.dump.file}: OK" in done.stdout, "the digests beside it tell nothing"
        assert f"{BackupName.of(changed.dump.file).manifest}: FAILED" in done.stdout
        text = (kit / "README.md").read_text()
        assert "**If a line fails, do not restore this copy.**" in text
        assert "Take the copy of another place in the table" in text

    def test_an_exchanged_dump_alone_fails(self, dev: RecordedBackups) -> None:
        kit = recovery_kit.write_kit(dev.env)
        manifest = BackupName.of(dev.manifest(NOON).dump.file).manifest
        committed = (dev.folder / manifest).read_bytes()
        dump = self.exchanged(dev, kit).dump.file
        backup_files.write_file(dev.folder, manifest, committed)
        done = self.checked(kit)
        assert done.returncode != 0
        assert f"{manifest}: OK" in done.stdout
        assert f"{dump}: FAILED" in done.stdout

    def test_a_digest_of_the_kit_that_the_manifest_lacks_fails(self, dev: RecordedBackups) -> None:
        kit = recovery_kit.write_kit(dev.env)
        other = backup_files.write_file(dev.folder, "roles.sql", b"CREATE ROLE intruder SUPERUSER;")
        with (kit / "SHA256SUMS").open("a") as sums:
            sums.write(f"{other.sha256}  roles.sql\n")
        done = self.checked(kit)
        assert done.returncode != 0
        assert done.stdout.endswith("roles.sql: FAILED\n")

    def test_an_edited_entry_fails(self, dev: RecordedBackups) -> None:
        kit = recovery_kit.write_kit(dev.env)
        committed = dev.manifest(NOON).dump.sha256
        changed = self.exchanged(dev, kit)
        [piece] = dev.chain.glob("*.jsonl")
        piece.write_text(piece.read_text().replace(committed, changed.dump.sha256))
        done = self.checked(kit)
        assert done.returncode != 0
        assert "Signature verification failed" in done.stderr

    def test_a_history_put_back_to_before_the_kit_fails(self, dev: RecordedBackups, root: Path) -> None:
        shutil.copytree(dev.chain, root / "earlier")
        dev.backup(NOON + timedelta(hours=1))
        kit = recovery_kit.write_kit(dev.env)
        shutil.rmtree(dev.chain)
        shutil.copytree(root / "earlier", dev.chain)
        done = self.checked(kit)
        assert done.returncode != 0
        assert "entry 5, sha256" in done.stdout, "it is signed"
        assert "manifest.json: " not in done.stdout, "nothing after the head was typed"

    def test_a_signed_history_of_another_environment_fails(self, dev: RecordedBackups, root: Path) -> None:
        """All environments share the key."""
        kit = recovery_kit.write_kit(dev.env)
        test = RecordedBackups(builders.env(root, environment=Environment.TEST, rules=[], now=lambda: NOON))
        for ago in (1, 0):
            test.backup(NOON - timedelta(days=ago))
        done = self.checked(kit, HISTORY=str(test.chain))
        assert done.returncode != 0
        assert "history of test, entry 5" in done.stdout
        assert "\n0a1,4\n" in done.stdout, "no entry of dev"
        assert "manifest.json: " not in done.stdout

    def test_a_missing_file_of_the_history_fails(self, dev: RecordedBackups) -> None:
        """Each of the others is signed."""
        for hour in range(1, history_files.PIECE):
            dev.backup(NOON + timedelta(hours=hour), prove=False)
        dev.prove(dev.backup(NOON + timedelta(hours=history_files.PIECE)), NOON)
        kit = recovery_kit.write_kit(dev.env)
        first, second = sorted(dev.chain.glob("*.jsonl"))
        done = self.checked(kit)
        assert done.returncode == 0, done.stdout + done.stderr
        kept = first.read_bytes()
        first.unlink()
        done = self.checked(kit)
        assert done.returncode != 0
        assert "\n1d0\n" in done.stdout, "the entry before the first is missing"
        first.write_bytes(kept)
        second.unlink()
        done = self.checked(kit)
        assert done.returncode != 0
        assert "manifest.json: " not in done.stdout

    def test_a_backup_in_quarantine_since_the_kit_fails(self, dev: RecordedBackups, root: Path) -> None:
        kit = recovery_kit.write_kit(dev.env)
        shutil.copytree(dev.folder, root / "copy")
        manifest = dev.manifest(NOON)
        dev.quarantine(manifest, NOON)
        done = self.checked(kit, BACKUPS=str(root / "copy"))
        assert done.returncode != 0
        assert f"{BackupName.of(manifest.dump.file).manifest}: OK" not in done.stdout
        dev.undo(manifest, NOON)
        assert self.checked(kit, BACKUPS=str(root / "copy")).returncode == 0

    def test_a_location_that_has_the_entries_is_named(self, dev: RecordedBackups, root: Path) -> None:
        (root / "usb").mkdir()
        archiving.archive_backups(dev.env)
        later = dev.backup(NOON + timedelta(hours=1))
        text = (recovery_kit.write_kit(dev.env) / "README.md").read_text()
        assert f"| copies of the history are in | {dev.chain} |" in text, "usb has no entry of the newest yet"
        archiving.archive_backups(dev.env)
        kit = recovery_kit.write_kit(dev.env)
        places = f"| copies of the history are in | {dev.chain}; {root / 'usb' / 'dev' / 'chain'} |"
        assert places in (kit / "README.md").read_text()
        shutil.rmtree(dev.folder.parent / "chain")
        self.exchanged(dev, kit)
        (kit / "SHA256SUMS").write_text(f"{later.dump.sha256}  {later.dump.file}\n")
        usb = {"BACKUPS": str(root / "usb" / "dev"), "HISTORY": str(root / "usb" / "dev" / "chain")}
        done = self.checked(kit, **usb)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_an_earlier_backup_and_other_keys_are_called_so(self, root: Path) -> None:
        other = "RWQbDlVBvl6QLlHBrFEmuMAzQLqAQL2IVZX1wNpjDpqzlTc1O6MxBfhq"
        folder = BackupFolder(root / "backups" / "dev")
        made = folder.add_backup(NOON)
        env = builders.env(root, now=lambda: NOON, history_keys=[other])
        RecordedBackups(env).prove(made, NOON)
        kit = recovery_kit.write_kit(env)
        text = (kit / "README.md").read_text()
        assert f"| other trusted keys | {other} |" in text
        assert "nobody signed it when it was made" in text
        assert self.checked(kit).returncode == 0

    def test_without_an_entry_of_the_backup_it_says_so(self, root: Path, dev: RecordedBackups) -> None:
        BackupFolder(dev.folder).add_backup(NOON + timedelta(days=1))
        text = (recovery_kit.write_kit(dev.env) / "README.md").read_text()
        assert "| signed history | none: this installation has no entry of the backup |" in text
        assert "## 2. Nobody can check who wrote it" in text
        assert "minisign -V" not in text

    def test_a_damaged_history_is_named_and_the_kit_is_written(self, dev: RecordedBackups) -> None:
        key = history_files.signing_key(dev.env.ctx)
        assert key
        (history_files.home(dev.env) / f"{key.id}.jsonl").write_text("no line of a history\n")
        text = (recovery_kit.write_kit(dev.env) / "README.md").read_text()
        assert "| signed history | none: the history could not be read (" in text

    def test_a_copy_that_is_not_written_yet_is_not_named(self, dev: RecordedBackups) -> None:
        for file in history_files.home(dev.env).glob("*.written.json"):
            file.unlink()
        text = (recovery_kit.write_kit(dev.env) / "README.md").read_text()
        assert "| signed history | none: no location has a copy of it yet that names the backup |" in text
