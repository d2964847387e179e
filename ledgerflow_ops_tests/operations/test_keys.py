"""Keys: one is created privately and never beside the backups; which backups it opens is read from them."""

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.catalog.backup_keys import Opening
from ledgerflow_ops.core.checks import Severity
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.operations import keys
from ledgerflow_ops.operations.monitoring import settings_checks
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import age_keys, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox


def test_a_new_identity_is_private_and_never_overwritten(root: Path) -> None:
    env = builders.env(root, identity_file=root / "keys" / "dev.txt")
    created = keys.create_key(env)
    assert created.file == root / "keys" / "dev.txt"
    assert stat.S_IMODE(created.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(created.file.parent.stat().st_mode) == 0o700
    text = created.file.read_text()
    assert f"# public key: {created.recipient}" in text
    assert env.identities.read()
    with pytest.raises(Refused, match="exists already: an identity is never overwritten"):
        keys.create_key(env)
    assert created.file.read_text() == text
    (entry,) = journal_file.read_entries(env.ctx.settings.state_dir)
    assert entry["recipient"] == created.recipient
    assert "AGE-SECRET-KEY" not in str(entry)


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("backups/prod/key.txt", "the backups' folder"),
        ("archive/key.txt", "an archive location"),
        ("media/key.txt", "a folder that is backed up"),
        ("link/key.txt", "the backups' folder"),
    ],
)
def test_no_identity_is_put_beside_what_it_opens(root: Path, place: str, what: str) -> None:
    (root / "backups").mkdir()
    (root / "link").symlink_to(root / "backups")
    made = builders.env(root, identity_file=root / place, files=(root / "media",))
    env = sandboxes.with_settings(made, archive_roots=(root / "archive",))
    with pytest.raises(Refused, match=f"No identity is kept in {what}") as refusal:
        keys.create_key(env)
    assert "Set identity_file to a path outside" in refusal.value.hint
    assert not (root / place).exists()


def test_it_is_listed_which_backups_open_and_who_cannot_read_them(sandbox: Sandbox, root: Path) -> None:
    first, second = (age_keys.new_key(root / f"{name}.txt") for name in ("first", "second"))
    sandboxes.take_backup(sandbox.env(), BackupRequest(file="plain.dump"))
    old = sandbox.env(recipients=[first.recipient])
    sandboxes.take_backup(old, BackupRequest(file="old.dump"))
    both = [first.recipient, second.recipient]
    sandboxes.take_backup(sandbox.env(recipients=both), BackupRequest(file="new.dump"))
    env = sandbox.env(recipients=both, identity_file=second.file)
    found = {item.file: (item.opening, item.lacks) for item in keys.backup_keys(env)}
    assert found == {
        "plain.dump": (Opening.PLAIN, ()),
        "old.dump.age": (Opening.OTHER_KEY, (second.recipient,)),
        "new.dump.age": (Opening.OPENS, ()),
    }
    none = {item.file: item.opening for item in keys.backup_keys(sandbox.env(recipients=both))}
    assert none["new.dump.age"] is Opening.NO_IDENTITY
    (*_, unopened) = settings_checks.encryption_checks(env)
    assert (unopened.cause, unopened.severity) == ("other key", Severity.WARN)
    assert "does not open 1 backup, as old.dump.age" in unopened.message
    folder = backup_folder_of(env).path
    shutil.copytree(folder, root / "archive" / "dev")
    (folder / "new.dump.age").write_bytes(b"age-encryption.org/v1\n-> X25519 cut")
    archived = sandboxes.with_settings(env, archive_roots=(root / "archive",))
    again = [(item.file, item.opening) for item in keys.backup_keys(replace(archived, location=None))]
    assert ("new.dump.age", Opening.OPENS) in again, "the archived copy"


def test_the_doctor_says_who_can_read(root: Path) -> None:
    key, other = (age_keys.new_key(root / f"{name}.txt") for name in ("first", "other"))
    prod = builders.env(root, environment=Environment.PROD)
    (plain,) = settings_checks.encryption_checks(prod)
    assert (plain.cause, plain.severity) == ("plain", Severity.WARN)
    assert "LEDGER_ENV=prod make keys CREATE=1" in plain.hint
    assert list(settings_checks.encryption_checks(builders.env(root))) == []
    recipients = [key.recipient]
    good = builders.env(root, recipients=recipients, identity_file=key.file)
    assert [check.passed for check in settings_checks.encryption_checks(good)] == [True]
    none = list(settings_checks.encryption_checks(builders.env(root, recipients=recipients)))[-1]
    assert none.cause == "no identity"
    wrong = builders.env(root, recipients=recipients, identity_file=other.file)
    last = list(settings_checks.encryption_checks(wrong))[-1]
    assert last.cause == "wrong identity"
    assert other.recipient in last.hint
