"""The key-survival drill: with the escrowed identity alone every backup opens, and one is restored."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.backup_keys import Opening, short_recipient
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.errors import KeyUnavailable, LedgerError, SettingsError
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog, key_drill, key_record, keys
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import health_checks, settings_checks
from ledgerflow_ops_tests.builders import backup_folder_of, database_url
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import age_keys, sandboxes
from ledgerflow_ops_tests.fakes.age_keys import Key
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox


@pytest.fixture
def daily(root: Path) -> Key:
    return age_keys.new_key(root / "daily.txt")


@pytest.fixture
def escrow(root: Path) -> Key:
    (root / "stick").mkdir()
    return age_keys.new_key(root / "stick" / "escrow.txt")


def both(daily: Key, escrow: Key, **fields: Any) -> dict[str, Any]:
    """The settings of an environment that encrypts for both keys, and whose escrow is set."""
    own = {"recipients": [daily.recipient, escrow.recipient], "identity_file": daily.file}
    return {**own, "escrow_identity_file": escrow.file, **fields}


def take(env: EnvironmentContext, file: str) -> BackupName:
    return BackupName.of(sandboxes.take_backup(env, BackupRequest(file=file)).dump.file)


def problems(env: EnvironmentContext) -> list[tuple[str, Level]]:
    """The findings of the watch about keys."""
    found = health_checks.find_problems(env)
    return [(finding.subject, finding.level) for finding in found if finding.kind == "keys"]


def escrow_check(env: EnvironmentContext) -> Check:
    return list(settings_checks.escrow_checks(env))[-1]


def test_every_backup_opens_and_each_is_restored_in_turn(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    env = sandbox.env(**both(daily, escrow))
    first, second = take(env, "a.dump"), take(env, "b.dump")
    assert escrow_check(env).cause == "no drill"
    assert "LEDGER_ENV=dev make keys DRILL=1" in escrow_check(env).hint
    daily.file.unlink()  # the machine's own key is lost
    found = key_drill.drill_keys(env)
    assert (found.encrypted, found.opened, found.closed, found.exit_code) == (2, 2, (), 0)
    assert found.restored
    assert (found.restored.file, found.restored.rung) == (first.dump, "valid")
    assert "never restored with the escrowed identity" in found.restored.reason
    assert catalog.entry(env, first).proven, "the restored copy was compared, and the proof is recorded"
    assert not catalog.entry(env, second).proven
    assert key_record.read_drill(env) == found
    again = key_drill.drill_keys(env)
    assert again.restored
    assert again.restored.file == second.dump
    third = key_drill.drill_keys(env)
    assert third.restored
    assert third.restored.file == first.dump
    assert "longest of all" in third.restored.reason
    assert set(third.restores) == {first.dump, second.dump}
    assert problems(env) == []
    assert escrow_check(env).passed
    journal = [
        one for one in journal_file.read_entries(env.ctx.settings.state_dir) if one["what"] == "key drill"
    ]
    assert [(one["result"], one["opened"], one["file"]) for one in journal] == [
        ("ok", 2, first.dump),
        ("ok", 2, second.dump),
        ("ok", 2, first.dump),
    ]
    secret = escrow.identity.removeprefix("AGE-SECRET-KEY-1").encode()
    files = [file for file in sandbox.root.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file for file in files if secret in file.read_bytes()] == [escrow.file]


def test_one_that_only_another_key_opens_fails_and_is_named(
    sandbox: Sandbox, daily: Key, escrow: Key
) -> None:
    """The others are opened, and one of them is restored."""
    old = take(sandbox.env(recipients=[daily.recipient]), "old.dump")
    env = sandbox.env(**both(daily, escrow))
    new = take(env, "new.dump")
    found = key_drill.drill_keys(env)
    [closed] = found.closed
    assert (closed.file, closed.opening, closed.recipients) == (
        old.dump,
        Opening.OTHER_KEY,
        (daily.recipient,),
    )
    assert (found.encrypted, found.opened, found.exit_code) == (2, 1, 5)
    assert found.restored
    assert (found.restored.file, found.restored.rung) == (new.dump, "valid")
    check = found.check()
    assert (check.name, check.passed, check.severity) == ("key_survival", False, Severity.ERROR)
    assert f"does not open {old.dump}" in check.message
    assert daily.recipient[:8] in check.message
    assert "make rekey ALL=1" in check.hint
    assert problems(env) == [("drill", Level.CRITICAL)]
    assert escrow_check(env).cause == "failed"
    for file in backup_folder_of(env).path.glob("old.*"):
        file.unlink()  # once it is gone, so is the problem
    assert problems(env) == []


def test_a_backup_opens_only_if_its_archives_of_files_do(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    """A new backup uses the archive that an earlier one has made for another key."""
    ground = sandbox.with_files()
    take(ground.env(recipients=[daily.recipient]), "old.dump")
    env = ground.env(**both(daily, escrow))
    new = take(env, "new.dump")
    found = key_drill.drill_keys(env)
    closed = {item.file: item for item in found.closed}
    assert set(closed) == {"old.dump.age", new.dump}
    assert closed[new.dump].part.startswith("old.files")
    assert f"its file {closed[new.dump].part}" in found.check().message
    assert found.restored
    assert "none can be restored" in found.restored.trouble
    assert found.exit_code == 5


def lost(escrow: Key) -> None:
    escrow.file.unlink()


def shown_to_others(escrow: Key) -> None:
    escrow.file.chmod(0o640)


def garbled(escrow: Key) -> None:
    escrow.file.write_text(escrow.identity.replace("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-2"))


@pytest.mark.parametrize(
    ("spoil", "error", "code", "message", "hint"),
    [
        (lost, KeyUnavailable, 5, "cannot be read: No such file", "Set escrow_identity_file"),
        (shown_to_others, SettingsError, 2, "escrow_identity_file: .* can be read by others", "chmod 600"),
        (garbled, SettingsError, 2, "no identity of age in", "It begins with AGE-SECRET-KEY-1"),
    ],
)
def test_an_escrow_that_cannot_be_used_is_an_error_and_on_record(
    sandbox: Sandbox,
    daily: Key,
    escrow: Key,
    spoil: Callable[[Key], None],
    error: type[LedgerError],
    code: int,
    message: str,
    hint: str,
) -> None:
    env = sandbox.env(**both(daily, escrow))
    name = take(env, "a.dump")
    key_drill.drill_keys(env)
    before = key_record.read_drill(env)
    assert before
    spoil(escrow)
    with pytest.raises(error, match=message) as unusable:
        key_drill.drill_keys(env)
    assert unusable.value.exit_code == code
    assert hint in unusable.value.hint
    record = key_record.read_drill(env)
    assert record
    assert record.trouble == unusable.value.message
    assert record.restores == before.restores
    assert escrow.identity not in mask_secrets(str(record)) + str(unusable.value)
    assert problems(env) == [("drill", Level.WARNING)]
    check = key_drill.check_keys(env)
    assert (check.passed, check.severity, check.cause) == (False, Severity.WARN, "keys")
    assert escrow_check(env).cause == "failed"
    assert catalog.entry(env, name).proven, "it says nothing about the backup"


def same_file(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    return {"escrow_identity_file": daily.file}


def link_to_it(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    (root / "link.txt").symlink_to(daily.file)
    return {"escrow_identity_file": root / "link.txt"}


def same_command(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    command = f"cat {daily.file}"
    none = {"identity_file": None, "escrow_identity_file": None}
    return {**none, "identity_command": command, "escrow_identity_command": command}


def beside_the_backups(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    folder = root / "backups" / "keys"
    folder.mkdir(parents=True)
    return {"escrow_identity_file": shutil.copy2(escrow.file, folder / "escrow.txt")}


def in_a_location(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    (root / "archive").mkdir()
    return {"escrow_identity_file": shutil.copy2(escrow.file, root / "archive" / "escrow.txt")}


def nowhere(root: Path, daily: Key, escrow: Key) -> dict[str, Any]:
    return {"escrow_identity_file": None}


@pytest.mark.parametrize(
    ("placed", "message"),
    [
        (same_file, "is the file of identity_file"),
        (link_to_it, "is the file of identity_file"),
        (same_command, "escrow_identity_command is identity_command"),
        (beside_the_backups, "lies in the backups' folder"),
        (in_a_location, "lies in an archive location"),
        (nowhere, "No escrowed identity of dev is set"),
    ],
)
def test_what_is_no_escrow_is_refused_and_doctor_warns(
    sandbox: Sandbox,
    daily: Key,
    escrow: Key,
    placed: Callable[[Path, Key, Key], dict[str, Any]],
    message: str,
) -> None:
    changed = both(daily, escrow, **placed(sandbox.root, daily, escrow))
    env = sandboxes.with_settings(sandbox.env(**changed), archive_roots=(sandbox.root / "archive",))
    with pytest.raises(SettingsError, match=message) as refused:
        key_drill.drill_keys(env)
    assert refused.value.exit_code == 2
    assert refused.value.hint
    assert key_record.read_drill(env) is None
    causes = [(check.cause, check.severity) for check in settings_checks.escrow_checks(env)]
    assert causes == [("no escrow", Severity.WARN)]


def test_a_copy_of_the_daily_key_elsewhere_is_an_escrow(sandbox: Sandbox, daily: Key, root: Path) -> None:
    (root / "stick").mkdir()
    copy = shutil.copy2(daily.file, root / "stick" / "copy.txt")
    env = sandbox.env(**daily.settings, escrow_identity_file=copy)
    take(env, "a.dump")
    assert key_drill.drill_keys(env).exit_code == 0


def test_the_command_has_an_empty_home_and_no_agent(
    sandbox: Sandbox, daily: Key, escrow: Key, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    home = root / "home"
    home.mkdir()
    shutil.copy2(escrow.file, home / "escrow.txt")
    for name in ("HOME", "XDG_CONFIG_HOME", "GNUPGHOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
    fields = both(daily, escrow, escrow_identity_file=None)
    script = root / "escrow.sh"
    script.write_text(
        f'env > {root}/seen; [ -d "$HOME" ] && [ -z "$(ls -A "$HOME")" ] && cat {escrow.file}\n'
    )
    env = sandbox.env(**fields, escrow_identity_command=f"sh {script}")
    take(env, "a.dump")
    assert key_drill.drill_keys(env).exit_code == 0
    seen = (root / "seen").read_text()
    assert str(home) not in seen
    assert "SSH_AUTH_SOCK" not in seen
    [used] = [line.removeprefix("HOME=") for line in seen.splitlines() if line.startswith("HOME=")]
    assert not Path(used).exists(), "it is removed"
    at_home = sandbox.env(**fields, escrow_identity_command="sh -c 'cat \"$HOME/escrow.txt\"'")
    with pytest.raises(KeyUnavailable, match="escrow_identity_command failed") as missing:
        key_drill.drill_keys(at_home)
    assert "the command has an empty home and no agent" in missing.value.hint
    assert os.environ["HOME"] == str(home)


def test_a_damaged_header_is_bad(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    env = sandbox.env(**both(daily, escrow))
    names = [take(env, "a.dump"), take(env, "b.dump")]
    file = backup_folder_of(env).path / names[0].dump
    data = bytearray(file.read_bytes())
    data[data.index(b"\n--- ") + 8] ^= 1
    file.write_bytes(data)
    found = key_drill.drill_keys(env)
    [closed] = found.closed
    assert (closed.file, closed.opening, found.exit_code) == (names[0].dump, Opening.DAMAGED, 4)
    assert f"The header of {names[0].dump}" in found.check().message
    assert "make repair" in found.check().hint
    assert found.restored
    assert found.restored.file == names[1].dump


def test_the_restored_copy_is_compared_with_its_seal(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    """A manifest that commits the bytes of another, later dump: only a comparison of the rows shows it."""
    env = sandbox.env(**both(daily, escrow))
    old = sandboxes.take_backup(env, BackupRequest(file="old.dump"))
    with sandbox.database.connect() as connection:
        connection.execute("UPDATE public.profiles_transaction SET amount = amount + 1")
        new = sandboxes.take_backup(env, BackupRequest(file="new.dump"))
        connection.execute("UPDATE public.profiles_transaction SET amount = amount - 1")  # others use it
    folder = backup_folder_of(env)
    swapped = folder.path / old.dump.file
    swapped.write_bytes((folder.path / new.dump.file).read_bytes())
    facts = FileFacts(file=old.dump.file, size=new.dump.size, sha256=new.dump.sha256)
    forged = old.model_copy(update={"dump": facts})
    folder.replace(BackupName.of(old.dump.file).manifest, forged.encode())
    found = key_drill.drill_keys(env)
    assert found.restored
    assert (found.restored.file, found.restored.rung, found.exit_code) == (old.dump.file, "", 4)
    assert "profiles_transaction" in found.restored.bad
    assert (found.opened, found.check().severity) == (2, Severity.ERROR)


def test_no_plain_text_comes_to_a_disk(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    fields = both(daily, escrow)
    take(sandbox.env(**fields), "a.dump")
    seen = list[Path]()

    def look() -> None:
        files = [file for file in sandbox.root.rglob("*") if file.is_file()]
        seen.extend(file for file in files if file.read_bytes().startswith(b"PGDMP"))

    reporter = ActionAtStep(at=Step.COMPARE, action=look)
    assert key_drill.drill_keys(sandbox.env(reporter, **fields)).exit_code == 0
    assert reporter.fired
    assert seen == []


def test_copies_in_locations_are_opened_too(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    env = sandbox.env(**both(daily, escrow))
    name = take(env, "a.dump")
    folder = backup_folder_of(env).path
    shutil.copytree(folder, sandbox.root / "archive" / "dev")
    take(env, "b.dump")
    copy = sandbox.root / "archive" / "dev" / name.dump
    copy.write_bytes(b"age-encryption.org/v1\n-> X25519 cut".ljust(copy.stat().st_size, b"\n"))
    archived = sandboxes.with_settings(env, archive_roots=(sandbox.root / "archive",))
    found = key_drill.drill_keys(archived)
    [closed] = found.closed
    assert (closed.file, closed.location) == (name.dump, str(sandbox.root / "archive" / "dev"))
    assert (found.encrypted, found.opened, found.exit_code) == (3, 2, 4)


def test_an_overdue_drill_is_reported(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    fields = both(daily, escrow)
    env = sandbox.env(**fields)
    take(env, "a.dump")
    assert problems(env) == [], "the first one is awaited from now on"
    now = env.ctx.clock()
    within = sandbox.env(now=lambda: now + timedelta(days=14), **fields)
    later = sandbox.env(now=lambda: now + timedelta(days=16), **fields)
    assert ("overdue", Level.WARNING) not in problems(within)
    assert ("overdue", Level.WARNING) in problems(later)
    key_drill.drill_keys(env)
    assert escrow_check(within).passed
    assert escrow_check(later).cause == "overdue"
    assert ("overdue", Level.WARNING) in problems(later)
    assert ("overdue", Level.WARNING) not in problems(within)


def test_without_an_encrypted_backup_there_is_nothing_to_open(
    sandbox: Sandbox, daily: Key, escrow: Key
) -> None:
    sandboxes.take_backup(sandbox.env(), BackupRequest(file="plain.dump"))
    found = key_drill.drill_keys(sandbox.env(**both(daily, escrow)))
    assert (found.encrypted, found.restored, found.exit_code) == (0, None, 0)
    assert found.check().message == "There is no encrypted backup."


def test_an_identity_that_cannot_be_used_stops_the_list(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    env = sandbox.env(**both(daily, escrow))
    take(env, "a.dump")
    daily.file.chmod(0o644)
    with pytest.raises(SettingsError, match=r"identity_file: .* can be read by others"):
        list(keys.backup_keys(env))
    daily.file.unlink()
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        list(keys.backup_keys(env))


def test_at_the_terminal_and_in_the_status(sandbox: Sandbox, daily: Key, escrow: Key) -> None:
    """One line says which key opens how many backups, which no present key opens, and the drill's age."""
    old = take(sandbox.env(recipients=[daily.recipient]), "old.dump")
    take(sandbox.env(**both(daily, escrow)), "new.dump")
    shell = Shell(sandbox.root)
    variables = {
        "LEDGER_DEV_RECIPIENTS": f"{daily.recipient},{escrow.recipient}",
        "LEDGER_DEV_IDENTITY_FILE": str(daily.file),
        "LEDGER_DEV_DATABASE_URL": database_url(sandbox.database),
    }
    without = shell.ledgerflow("keys", "--drill", LEDGER_ENV="dev", **variables)
    assert without.code == 2
    assert "No escrowed identity of dev is set." in without.errors
    assert "Set escrow_identity_file or escrow_identity_command" in without.errors
    both_flags = shell.ledgerflow("keys", "--drill", "--create", LEDGER_ENV="dev", **variables)
    assert (both_flags.code, "CREATE and DRILL are two calls" in both_flags.errors) == (2, True)
    variables["LEDGER_DEV_ESCROW_IDENTITY_FILE"] = str(escrow.file)
    drilled = shell.ledgerflow("keys", LEDGER_ENV="dev", DRILL="1", **variables)
    assert drilled.code == 5
    assert f"The escrowed identity does not open {old.dump}" in drilled.errors
    assert "LEDGER_ENV=dev make rekey ALL=1" in drilled.errors
    listed = shell.ledgerflow("status", LEDGER_ENV="dev", **variables)
    line = next(line for line in listed.out.splitlines() if line.strip().startswith("keys: "))
    text = " ".join(listed.out.split())
    assert f"2 encrypted backups: {short_recipient(daily.recipient)} opens 2" in line
    assert f"{short_recipient(escrow.recipient)} opens 1; key-survival drill" in text
    assert "ago: FAILED, opened 1 of 2" in text
    told = shell.ledgerflow("status", LEDGER_ENV="dev", JSON="1", **variables).json["environments"][0]
    assert told["keys"]["opened_by"] == {daily.recipient: 2, escrow.recipient: 1}
    assert told["keys"]["opened_by_no_recipient"] == []
    assert (told["key_drill"]["passed"], told["key_drill"]["opened"]) == (False, 1)
    variables["LEDGER_DEV_RECIPIENTS"] = escrow.recipient
    changed = " ".join(shell.ledgerflow("status", LEDGER_ENV="dev", **variables).out.split())
    assert f"{short_recipient(daily.recipient)} (no recipient any more) opens 2" in changed
    assert "no present recipient opens old.dump.age: LEDGER_ENV=dev make rekey ALL=1" in changed


def test_the_record_is_sealed_and_a_changed_one_does_not_count(
    sandbox: Sandbox, daily: Key, escrow: Key
) -> None:
    env = sandbox.env(**both(daily, escrow))
    take(env, "a.dump")
    key_drill.drill_keys(env)
    file = env.ctx.settings.state_dir / "keys" / "dev.json"
    assert json.loads(file.read_text())["opened"] == 1
    file.write_text(file.read_text().replace('"opened":1', '"opened":9'))
    assert key_record.read_drill(env) is None
    assert escrow_check(env).cause == "no drill"
