"""Backups that are encrypted anew for other recipients: the same plain bytes, and nothing lost on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rekey_plan import RekeyAction
from ledgerflow_ops.core.catalog.rekeying import rekeyed_name
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, LedgerError, Refused, SettingsError
from ledgerflow_ops.core.history.entry import Entry, Kind, Line
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import REKEY_STEPS, Step
from ledgerflow_ops.operations import catalog, rekey
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit, history_files
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e.commands import Shell, flip_bit
from ledgerflow_ops_tests.fakes import age_keys, disks, killing, sandboxes
from ledgerflow_ops_tests.fakes.age_keys import Key
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@dataclass(frozen=True)
class Rekeyed:
    """dev's folder of encrypted backups below `root`; it had the key `old`, and has `new` now."""

    root: Path
    old: Key
    new: Key
    fields: Mapping[str, Any]

    @property
    def folder(self) -> BackupFolder:
        return BackupFolder(self.root / "backups" / "dev", recipients=(self.old.recipient,))

    @property
    def both(self) -> Path:
        """A file with both identities."""
        file = self.root / "both.txt"
        file.write_text(f"{self.old.identity}\n{self.new.identity}\n")
        file.chmod(0o600)
        return file

    def env(self, **fields: Any) -> EnvironmentContext:
        given = {"recipients": [self.new.recipient], "identity_file": self.both, **self.fields, **fields}
        return builders.env(self.root, **given)

    @property
    def by_new_alone(self) -> EnvironmentContext:
        return self.env(identity_file=self.new.file)

    def add(self, ago: int = 1, rung: Rung | None = Rung.VALID, **more: Any) -> CatalogEntry:
        made = self.folder.add_backup(clock.now() - timedelta(days=ago), rung, **more)
        return catalog.entry(self.env(), BackupName.of(made.dump.file))

    def plain(self, env: EnvironmentContext, entry: CatalogEntry) -> list[bytes]:
        """The plain bytes of all data files of a backup."""
        assert entry.manifest
        files = entry.manifest.files.archives if entry.manifest.files else ()
        parts = [entry.manifest.dump, entry.manifest.globals, *files]
        return [env.file(part.file).read() for part in parts if part]

    def kinds(self) -> list[str]:
        """The kinds of the entries of the history, without its beginning."""
        env = self.env()
        key = history_files.signing_key(env.ctx)
        assert key
        entries = (Entry.decode(Line.decode(line).text) for line in history_files.own_lines(env, key))
        return [entry.kind for entry in entries if entry.kind not in (Kind.BEGIN, Kind.EARLIER)]


@pytest.fixture
def rekeyed(root: Path) -> Rekeyed:
    return Rekeyed(root, age_keys.new_key(root / "old.txt"), age_keys.new_key(root / "new.txt"), {})


def only(env: EnvironmentContext) -> CatalogEntry:
    (entry,) = catalog.entries(env)
    return entry


def test_the_new_backup_is_the_old_one_for_other_recipients(rekeyed: Rekeyed) -> None:
    old = rekeyed.add(files=[])
    env = rekeyed.env()
    before = rekeyed.plain(env, old)
    pins.pin(env, old.name, "year-end")
    result = rekey.rekey(env)
    assert not result.failed
    made = only(env)
    assert result.encrypted == {old.name.dump: made.name.dump}
    assert result.removed == [old.name.dump]
    assert made.proven
    assert made.manifest
    assert made.manifest.recipients == (rekeyed.new.recipient,)
    assert made.manifest.rekeyed
    assert old.manifest
    assert made.manifest.rekeyed.manifest_digest == old.manifest.digest
    assert made.manifest.backup_day == old.manifest.backup_day
    assert rekeyed.plain(rekeyed.by_new_alone, made) == before
    assert made.proof
    assert old.proof
    assert made.proof.examined_at == old.proof.examined_at
    assert made.proof.checks[-1]["name"] == rekey.CHECK
    assert old.name.dump in made.proof.checks[-1]["message"]
    pin = pins.read_pin(env, made.name)
    assert pin
    assert (pin.file, pin.reason) == (made.name.dump, "year-end")
    assert not [file for file in rekeyed.folder.names() if "_k" not in file], "something old was left"
    assert rekeyed.kinds() == [Kind.REKEY, Kind.PROOF, Kind.ROTATION]
    assert not audit.audit(env, full=True).faults
    (entry,) = [
        one for one in journal_file.read_entries(env.ctx.settings.state_dir) if one["what"] == "rekey"
    ]
    assert entry["encrypted"] == result.encrypted
    of_old = rekeyed.env(identity_file=rekeyed.old.file).file(made.name.dump)
    with pytest.raises(KeyUnavailable):
        of_old.read()
    assert [decision.action for decision in rekey.plan(env)] == [RekeyAction.KEEP]
    assert rekey.rekey(env).as_json() == {"encrypted": {}, "removed": [], "waiting": {}, "failed": []}


def test_the_plan_has_a_reason_for_each_backup_and_touches_nothing(rekeyed: Rekeyed) -> None:
    rekeyed.add(4)
    replace(rekeyed.folder, recipients=()).add_backup(clock.now() - timedelta(days=3))
    rekeyed.add(2, verdict=Verdict.BAD)
    replace(rekeyed.folder, recipients=(rekeyed.new.recipient,)).add_backup(clock.now() - timedelta(days=1))
    names = rekeyed.folder.names()
    old, new = rekeyed.old.recipient, rekeyed.new.recipient
    assert [(decision.action, decision.reason) for decision in rekey.plan(rekeyed.env())] == [
        (RekeyAction.ENCRYPT, f"{new} cannot read it; {old} can still read it"),
        (RekeyAction.KEEP, "it is not encrypted"),
        (RekeyAction.KEEP, "it is bad: its last examination found that"),
        (RekeyAction.KEEP, "it is encrypted for the present recipients"),
    ]
    assert rekeyed.folder.names() == names


def test_archives_that_others_need_are_encrypted_once_and_go_with_the_last(rekeyed: Rekeyed) -> None:
    first = rekeyed.add(40, files=[])
    assert first.manifest
    assert first.manifest.files
    second = replace(rekeyed.folder, recipients=(rekeyed.new.recipient,)).add_backup(
        clock.now() - timedelta(days=1), files=[first.manifest.files]
    )
    env = rekeyed.env()
    decision = rekey.plan(env, second.dump.file)[0]
    assert decision.reason == f"it needs {first.name.files}, which may be encrypted for others"
    assert not rekey.rekey(env, second.dump.file).failed
    made = catalog.newest_first(env)[0]
    assert made.manifest
    assert made.manifest.files
    (needed,) = made.manifest.files.needs
    assert rekeyed.plain(rekeyed.by_new_alone, made)
    written = rekeyed.folder.path.joinpath(needed.file).stat()
    assert not rekey.rekey(env).failed
    assert rekeyed.folder.path.joinpath(needed.file).stat().st_ino == written.st_ino, "used again"
    assert first.name.files not in rekeyed.folder.names()
    for entry in catalog.entries(env):
        assert entry.proven
        assert rekeyed.plain(rekeyed.by_new_alone, entry)
    assert not audit.audit(env).faults


def test_a_new_archive_without_a_backup_of_its_own_goes_when_nothing_needs_it(rekeyed: Rekeyed) -> None:
    first = rekeyed.add(40, files=[])
    assert first.manifest
    assert first.manifest.files
    second = rekeyed.add(20, files=[first.manifest.files])
    replace(rekeyed.folder, recipients=(rekeyed.new.recipient,)).add_backup(clock.now())
    env = rekeyed.env(retention_days=5, minimum_redundancy=1, keep_weekly=0, keep_monthly=0, keep_yearly=0)
    rekey.rekey(env, second.name.dump)
    archives = [file for file in rekeyed.folder.names() if "_k" in file and ".files." in file]
    assert len(archives) == 2
    rotate.carry_out_rotation(env, RotateRequest(carry_out=True, confirm="dev"))
    assert len(catalog.entries(env)) == 1
    assert not [file for file in rekeyed.folder.names() if ".files." in file]


def test_a_location_that_follows_keeps_its_copy_until_it_has_the_new_one(rekeyed: Rekeyed) -> None:
    (rekeyed.root / "usb").mkdir()
    location = {"name": "usb", "kind": "folder", "url": str(rekeyed.root / "usb")}
    env = rekeyed.env(locations=[location])
    old = rekeyed.add()
    archiving.archive_backups(env)
    result = rekey.rekey(env)
    assert result.removed == []
    assert result.waiting == {
        old.name.dump: f"usb has a copy of it, and none of {result.encrypted[old.name.dump]} yet"
    }
    assert len(catalog.entries(env)) == 2
    assert [decision.action for decision in rekey.plan(env)] == [RekeyAction.FINISH, RekeyAction.KEEP]
    archiving.archive_backups(env)
    assert rekey.rekey(env).removed == [old.name.dump]
    far = BackupFolder(rekeyed.root / "usb" / "dev").names()
    assert {BackupName.of(file).stem for file in far} == {only(env).name.stem}
    assert only(env.locations()[1]).proven
    assert not audit.audit(env).faults


def test_a_location_that_cannot_be_reached_is_waited_for(rekeyed: Rekeyed) -> None:
    location = {"name": "usb", "kind": "folder", "url": str(rekeyed.root / "away")}
    old = rekeyed.add()
    result = rekey.rekey(rekeyed.env(locations=[location]))
    assert result.waiting == {old.name.dump: "usb cannot be reached"}
    assert len(catalog.entries(rekeyed.env())) == 2


def test_a_new_file_that_differs_is_not_kept(rekeyed: Rekeyed) -> None:
    old = rekeyed.add()
    names = rekeyed.folder.names()
    elsewhere = BackupFolder(rekeyed.root / "elsewhere", recipients=(rekeyed.new.recipient,))
    other = elsewhere.path / elsewhere.add_backup(clock.now()).dump.file

    def exchange() -> None:
        (new,) = rekeyed.folder.path.glob("*_k*.globals.sql.age")
        new.write_bytes(other.read_bytes())

    env = rekeyed.env(reporter=ActionAtStep(at=Step.DECRYPT_BACK, action=exchange))
    (error,) = rekey.rekey(env).failed
    assert "was read back and differs from" in error.message
    assert rekeyed.folder.names() == names
    assert catalog.entry(rekeyed.env(), old.name).proven


def test_a_real_one_is_proven_again_with_the_new_key_alone(sandbox: Sandbox, rekeyed: Rekeyed) -> None:
    with_files = sandbox.with_files()
    old = with_files.env(**rekeyed.old.settings)
    sandboxes.prove_backup(old, sandboxes.take_backup(old))
    env = with_files.env(recipients=[rekeyed.new.recipient], identity_file=rekeyed.both)
    assert not rekey.rekey(env).failed
    made = only(env)
    assert made.proven
    drilled = drill.drill(with_files.env(**rekeyed.new.settings), made.name)
    assert drilled.proven
    assert any("3 files decrypted" in check.message for check in drilled.checks)
    assert not audit.audit(env, full=True).faults


class TestBadInput:
    def test_without_recipients(self, rekeyed: Rekeyed) -> None:
        rekeyed.add()
        with pytest.raises(SettingsError, match="dev has no recipients") as error:
            rekey.rekey(rekeyed.env(recipients=[]))
        assert "Set recipients" in error.value.hint

    def test_an_unknown_file_and_one_that_is_plain(self, rekeyed: Rekeyed) -> None:
        plain = replace(rekeyed.folder, recipients=()).add_backup(clock.now())
        with pytest.raises(SettingsError, match=r"There is no none\.dump"):
            rekey.rekey(rekeyed.env(), "none.dump")
        with pytest.raises(Refused, match="is not encrypted: it stays as it is"):
            rekey.rekey(rekeyed.env(), plain.dump.file)

    @pytest.mark.parametrize(
        ("identity", "message", "hint"),
        [
            ("none", "no identity is set here", "Set identity_file"),
            ("old", "No identity here opens what the recipients encrypt", "on a line of its own"),
        ],
    )
    def test_without_an_identity_that_opens_new_files(
        self, rekeyed: Rekeyed, identity: str, message: str, hint: str
    ) -> None:
        rekeyed.add()
        names = rekeyed.folder.names()
        file = rekeyed.old.file if identity == "old" else None
        with pytest.raises(KeyUnavailable, match=message) as error:
            rekey.rekey(rekeyed.env(identity_file=file))
        assert error.value.exit_code == 5
        assert hint in error.value.hint
        assert rekeyed.folder.names() == names

    def test_one_that_does_not_open_the_old_file(self, rekeyed: Rekeyed) -> None:
        rekeyed.add()
        names = rekeyed.folder.names()
        result = rekey.rekey(rekeyed.by_new_alone)
        assert [type(error) for error in result.failed] == [KeyUnavailable]
        assert result.exit_code == 5
        assert rekeyed.folder.names() == names

    @pytest.mark.parametrize("ending", [".dump.age", ".globals.sql.age", ".files.tar.zst.age"])
    def test_an_old_file_that_is_not_the_committed_one(self, rekeyed: Rekeyed, ending: str) -> None:
        damaged, whole = rekeyed.add(2, files=[]), rekeyed.add(1, files=[])
        flip_bit(rekeyed.folder.path / f"{damaged.name.stem}{ending}")
        names = rekeyed.folder.names()
        result = rekey.rekey(rekeyed.env())
        (error,) = result.failed
        assert isinstance(error, BadBackup)
        assert "is not what its manifest commits: it was not encrypted anew" in error.message
        assert "make repair" in error.hint
        assert list(result.encrypted) == [whole.name.dump], "the others are not held up"
        assert {file for file in names if damaged.name.stem in file} <= rekeyed.folder.names()

    def test_a_folder_that_is_read_only(self, rekeyed: Rekeyed) -> None:
        old = rekeyed.add()
        names = rekeyed.folder.names()
        with (
            disks.read_only(rekeyed.folder.path),
            pytest.raises(Refused, match="is read-only: nothing can be encrypted anew there"),
        ):
            rekey.rekey(rekeyed.env())
        assert rekeyed.folder.names() == names
        assert catalog.entry(rekeyed.env(), old.name).proven

    def test_too_little_space(self, rekeyed: Rekeyed) -> None:
        with disks.small_disk(rekeyed.folder.path, "4m"):
            old = rekeyed.add()
            disks.fill(rekeyed.folder.path)
            names = rekeyed.folder.names()
            result = rekey.rekey(rekeyed.env())
            (error,) = result.failed
            assert type(error) is LedgerError
            assert "Not enough space" in error.message
            assert rekeyed.folder.names() == names
            assert catalog.entry(rekeyed.env(), old.name).proven

    def test_a_foreign_file_of_the_new_name(self, rekeyed: Rekeyed) -> None:
        old = rekeyed.add()
        made = rekeyed_name(old.name, [rekeyed.new.recipient])
        (rekeyed.folder.path / made.dump).write_bytes(b"somebody's")
        (error,) = rekey.rekey(rekeyed.env(), old.name.dump).failed
        assert "exists already, and is not this backup's" in error.message
        assert (rekeyed.folder.path / made.dump).read_bytes() == b"somebody's"
        assert catalog.entry(rekeyed.env(), old.name).proven


def killed(rekeyed: Rekeyed, where: str) -> None:
    """A rekey in a process of its own, killed at that step."""
    recipient, identities = rekeyed.new.recipient, str(rekeyed.both)
    killing.kill_at("rekey", where, rekeyed.root, NOWHERE, recipient, identities)


@pytest.mark.parametrize(
    "where", [*REKEY_STEPS[1:], f"{Step.ENCRYPT}#2", f"{Step.DECRYPT_BACK}#3", "naming .manifest.json"]
)
def test_a_kill_at_any_step_leaves_one_whole_and_the_next_run_finishes(rekeyed: Rekeyed, where: str) -> None:
    old = rekeyed.add(files=[])
    env = rekeyed.env()
    before = rekeyed.plain(env, old)
    killed(rekeyed, where)
    whole = [entry for entry in catalog.entries(env) if entry.is_backup]
    assert whole
    assert all(rekeyed.plain(env, entry) == before for entry in whole)
    assert any(entry.proven for entry in whole)
    assert not rekey.rekey(env).failed
    made = only(env)
    assert made.proven
    assert rekeyed.plain(rekeyed.by_new_alone, made) == before
    assert not [file for file in rekeyed.folder.names() if "_k" not in file], "something old was left"
    assert not audit.audit(env, full=True).faults


def test_at_the_terminal(rekeyed: Rekeyed) -> None:
    old = rekeyed.add()
    shell = Shell(rekeyed.root)
    keys = {"LEDGER_DEV_RECIPIENTS": rekeyed.new.recipient, "LEDGER_DEV_IDENTITY_FILE": str(rekeyed.both)}
    neither = shell.ledgerflow("rekey", LEDGER_ENV="dev", **keys)
    assert neither.code == 2
    assert "hint: LEDGER_ENV=dev make rekey ALL=1 DRY_RUN=1 shows the plan." in neither.errors
    planned = shell.ledgerflow("rekey", "--all", "--dry-run", LEDGER_ENV="dev", **keys)
    assert f"encrypt {old.name.dump}: {rekeyed.new.recipient} cannot read it" in planned.out
    done = shell.ledgerflow("rekey", LEDGER_ENV="dev", ALL="1", JSON="1", **keys)
    assert done.code == 0, done.all
    assert list(done.json["encrypted"]) == done.json["removed"] == [old.name.dump]
    assert only(rekeyed.env()).proven
