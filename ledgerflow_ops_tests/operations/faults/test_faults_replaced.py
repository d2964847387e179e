"""A backup's files replaced by something else: links, pipes, folders, holes, forged records."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.commands.backup import examine_backup
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.catalog.manifest import Manifest, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, CannotJudge
from ledgerflow_ops.core.operation_requests import DrillRequest, VerifyRequest
from ledgerflow_ops.core.sealed_records import TAIL, parse_json
from ledgerflow_ops.operations import catalog, summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.monitoring import health_checks
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import backup_tables, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_NOBODY = 65534

Fault = Callable[[Path, Path], None]
"""Puts something else in a file's place; the other path is that of another, good file of the kind."""


def _gone(file: Path, other: Path) -> None:
    file.unlink()


def _dangling(file: Path, other: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_name("nowhere"))


def _linked(file: Path, other: Path) -> None:
    file.unlink()
    file.symlink_to(other)


def _looping(file: Path, other: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def _pipe(file: Path, other: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _socket(file: Path, other: Path) -> None:
    file.unlink()
    made = socket.socket(socket.AF_UNIX)
    here = os.open(file.parent, os.O_RDONLY)
    made.bind(f"/proc/self/fd/{here}/{file.name}")  # the path of a socket is short
    made.close()
    os.close(here)


def _folder(file: Path, other: Path) -> None:
    file.unlink()
    file.mkdir()


def _device(file: Path, other: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero") if os.geteuid() else os.mknod(file, 0o20600, os.makedev(1, 5))


def _holes(file: Path, other: Path) -> None:
    size = file.stat().st_size
    file.unlink()
    file.touch(mode=0o600)
    os.truncate(file, size)
    assert file.stat().st_blocks == 0, "the fault did not fire: this file system keeps no holes"


def _longer(file: Path, other: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"x")


ODD: dict[str, tuple[Fault, str]] = {
    "gone": (_gone, "is gone"),
    "a dangling link": (_dangling, "is a symbolic link, not a regular file"),
    "a link to a good one": (_linked, "is a symbolic link, not a regular file"),
    "a link to itself": (_looping, "is a symbolic link, not a regular file"),
    "a pipe": (_pipe, "is a pipe, not a regular file"),
    "a socket": (_socket, "is a socket, not a regular file"),
    "a folder": (_folder, "is a folder, not a regular file"),
    "a device": (_device, "not a regular file"),
    "holes": (_holes, "is a file of holes"),
    "longer": (_longer, "its manifest says"),
}


def _env(root: Path) -> EnvironmentContext:
    return builders.env(root, now=lambda: NOON)


def _two(env: EnvironmentContext) -> tuple[BackupName, BackupName]:
    """A backup proven an hour ago, and one proven a day ago."""
    made = [backup_tables.add_backup(env, NOON - timedelta(hours=hours), proven_at=NOON) for hours in (25, 1)]
    older, newer = (BackupName.of(manifest.dump.file) for manifest in made)
    return newer, older


@pytest.mark.parametrize("what", ODD)
def test_a_dump_that_was_replaced_is_believed_by_nobody(root: Path, what: str) -> None:
    env = _env(root)
    newer, older = _two(env)
    assert status.status(env).proven is not None
    fault, says = ODD[what]
    fault(backup_folder_of(env).file(newer.dump), backup_folder_of(env).file(older.dump))

    entry = catalog.entry(env, newer)
    assert (entry.state, entry.bad, entry.proven, entry.rung) == ("bad", True, False, Rung.WRITTEN)
    assert says in entry.problem
    assert catalog.find(env, "latest-proven") == older
    assert [one.name for one in summaries.present_backups(env) if one.proven] == [older]
    found = status.status(env)
    assert found.proven is not None
    assert found.proven.name == older
    told = [one.finding for one in found.incidents if one.finding.kind == "bad"]
    assert [says in one.message for one in told] == [True]
    aside = f"LEDGER_ENV=dev make quarantine FILE={newer.dump}"
    assert str(told[0].hint) == f"LEDGER_ENV=dev make backup; then {aside}"
    planned = {one.name: one for one in rotate.plan_rotation(env).plan.decisions}
    assert older.stem in planned
    assert not planned[older.stem].expires, "the one that is left to fall back on"


@pytest.mark.parametrize("part", ["manifest", "proof", "pin", "globals"])
@pytest.mark.parametrize("what", [what for what in ODD if what not in ("gone", "longer")])
def test_a_record_that_is_no_file_is_a_bad_record_and_holds_nobody_up(
    root: Path, part: str, what: str
) -> None:
    env = _env(root)
    newer, older = _two(env)
    for name in (newer, older):
        pins.pin(env, name, "a test")
    file: str = getattr(newer, part)
    ODD[what][0](backup_folder_of(env).file(file), backup_folder_of(env).file(getattr(older, part)))

    found = status.status(env)
    entry = catalog.entry(env, newer)
    expected = {"manifest": "bad", "proof": "written", "pin": "valid", "globals": "bad"}
    if (part, what) == ("globals", "holes"):  # only reading shows it: its size is right
        expected["globals"] = "valid"
    assert entry.state == expected[part]
    assert catalog.find(env, "latest-proven") == (newer if expected[part] == "valid" else older)
    assert {one.name.stem: one.state for one in summaries.list_dumps(env)}[newer.stem] == entry.state
    if part == "pin":  # what cannot be read holds
        assert {one.file for one in found.folder_status.pins} == {newer.dump, older.dump}
    assert catalog.entry(env, older).proven


DEEP = 200_000


def _sealed(text: bytes) -> bytes:
    """Bytes with the digest that a record of ours would have."""
    return text + TAIL % hashlib.sha256(text).hexdigest().encode()


ODD_TEXTS: dict[str, bytes] = {
    "nested too deep": b'{"version":1,"a":' + b"[" * DEEP,
    "nested too deep and closed": b'{"version":1,"a":' + b"[" * DEEP + b"]" * DEEP,
    "a list": b"[1",
    "NaN": b'{"version":1,"size":NaN',
    "Infinity": b'{"version":1,"size":-Infinity',
    "a key twice": b'{"version":1,"version":1',
    "not UTF-8": b'{"version":1,"who":"\xff\xfe"',
    "NUL": b'{"version":1,"who":"\x00"',
    "a huge number": b'{"version":' + b"9" * 6000,
    "UTF-16": '{"version":1'.encode("utf-16"),
    "another record": b'{"version":1',
    "a newer one": b'{"version":99',
}


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_record_that_nobody_could_have_written_is_a_bad_record(root: Path, text: str) -> None:
    env = _env(root)
    newer, older = _two(env)
    for file in (newer.manifest, older.proof, older.pin):
        backup_folder_of(env).file(file).write_bytes(_sealed(ODD_TEXTS[text]))
    assert catalog.entry(env, newer).state == "bad"
    assert newer.manifest in catalog.entry(env, newer).problem
    assert catalog.entry(env, older).state == "written"
    assert status.status(env).proven is None
    assert pins.pin_reason(env, older).startswith(older.pin), "what cannot be read holds"
    with pytest.raises(BadBackup) as refused:
        Manifest.decode(backup_folder_of(env).record(newer.manifest), newer.manifest)
    assert refused.value.hint


@pytest.mark.parametrize("text", ["[" * DEEP, "NaN", '{"a":1,"a":2}', "[1,", "\x00", '"', ""])
def test_plain_json_is_all_that_is_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is: no RecursionError, no other
        parse_json(text)


def test_a_record_of_a_gigabyte_is_not_read_into_memory(root: Path) -> None:
    env = _env(root)
    newer, _ = _two(env)
    file = backup_folder_of(env).file(newer.manifest)
    with file.open("r+b") as stream:
        stream.truncate(1 << 30)
    assert catalog.entry(env, newer).state == "bad"
    assert "without a digest at the end" in catalog.entry(env, newer).problem
    with pytest.raises(BadBackup, match="a record has at most"):
        regular_files.read_file(file)


def test_small_records_of_ours_that_are_something_else_stop_nothing(root: Path) -> None:
    """Notes of locks and servers, heartbeats, the journal, the index: each a pipe, then nested too deep."""
    env = _env(root)
    newer, _ = _two(env)
    state = env.ctx.settings.state_dir
    notes = [
        state / "locks" / "dev.holder.json",
        state / "servers" / "daemon.json",
        state / "heartbeats" / "dev",
        state / "journal.jsonl",
        state / "alerts.json",
        state / "watch" / "dev.json",
    ]
    summaries.list_dumps(env)
    for put in (os.mkfifo, lambda file: file.write_text("[" * DEEP), Path.mkdir):
        for file in notes:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.is_dir():
                file.rmdir()
            file.unlink(missing_ok=True)
            put(file)
        ended = threading.Event()
        found: list[Any] = []

        def look(ended: threading.Event = ended, found: list[Any] = found) -> None:
            found.append(status.overview(env.ctx, [env]))
            ended.set()

        threading.Thread(target=look, daemon=True).start()
        assert ended.wait(60), "status waits for a pipe"
        assert found[0].environments[0].proven.name == newer


# What follows reads real bytes.


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    """One proven backup of a small database; each test puts back what it took away."""
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as database:
        sandbox = Sandbox(root, database)
        env = sandbox.env()
        sandboxes.prove_backup(env, sandboxes.take_backup(env))
        yield sandbox


@pytest.fixture
def name(sandbox: Sandbox) -> Iterator[BackupName]:
    """The proven backup; afterwards the folder is as it was."""
    folder, kept = backup_folder_of(sandbox.env()).path, sandbox.root / "kept"
    shutil.copytree(folder, kept)
    (entry,) = sandbox.entries()
    assert entry.proven
    yield entry.name
    shutil.rmtree(folder)
    kept.rename(folder)


@pytest.mark.parametrize("what", ["a dangling link", "a link to a good one", "a pipe", "gone"])
def test_what_an_examination_could_not_look_at_is_not_believed_until_one_has(
    sandbox: Sandbox, name: BackupName, what: str
) -> None:
    env, file, aside = (
        sandbox.env(),
        backup_folder_of(sandbox.env()).file(name.dump),
        sandbox.root / "aside.dump",
    )
    shutil.copy(file, aside)
    ODD[what][0](file, aside)
    for operation in (verify.verify, drill.drill):
        examination = operation(env, name)
        assert examination.bad is not None
        assert ODD[what][1] in examination.bad.message
    assert sandbox.states() == {name.stem: "bad"}

    if os.path.lexists(file):
        file.unlink()
    shutil.copyfile(aside, file)
    file.chmod(0o600)
    (entry,) = sandbox.entries()
    assert (entry.state, entry.bad, entry.proven) == ("unjudged", False, False), "nobody has read it since"
    assert ODD[what][1] in entry.unjudged
    assert catalog.find(env, "latest") == name
    found = status.status(env)
    assert found.proven is None
    assert [str(one.finding.hint) for one in found.incidents if one.finding.kind == "unjudged"] == [
        f"LEDGER_ENV=dev make verify FILE={name.dump}"
    ]
    assert not health_checks.check_environment_freshness(env).passed

    assert verify.verify(env, name).rung is Rung.READABLE
    assert sandbox.states() == {name.stem: "valid"}, "these are the bytes that the proof is about"
    aside.unlink()


def test_holes_are_read_and_bad_and_a_proof_of_other_bytes_does_not_come_back(
    sandbox: Sandbox, name: BackupName
) -> None:
    env, file = sandbox.env(), backup_folder_of(sandbox.env()).file(name.dump)
    whole = file.read_bytes()
    _holes(file, file)
    bad = verify.verify(env, name).bad
    assert bad is not None
    assert "its SHA-256 differs" in bad.message
    assert bad.hint
    assert sandbox.states() == {name.stem: "bad"}
    file.write_bytes(whole)
    assert sandbox.states() == {name.stem: "bad"}, "a verdict stands until an examination says otherwise"
    assert verify.verify(env, name).rung is Rung.READABLE
    assert sandbox.states() == {name.stem: "readable"}
    sandboxes.prove_backup(env, Manifest.decode(backup_folder_of(env).record(name.manifest), name.manifest))
    assert sandbox.states() == {name.stem: "valid"}


def test_the_right_bytes_in_another_file_are_whole(sandbox: Sandbox, name: BackupName) -> None:
    """Another inode, other times, a hard link: the bytes are what counts."""
    env, file = sandbox.env(), backup_folder_of(sandbox.env()).file(name.dump)
    copy = sandbox.root / "copy.dump"
    shutil.copyfile(file, copy)
    file.unlink()
    os.link(copy, file)
    os.utime(file, (1, 4_000_000_000))
    file.chmod(0o600)
    assert sandbox.states() == {name.stem: "valid"}
    assert verify.verify(env, name).rung is Rung.READABLE
    assert sandbox.states() == {name.stem: "valid"}
    copy.unlink()


@pytest.fixture
def somebody(sandbox: Sandbox, name: BackupName) -> Iterator[None]:
    """Not root: whom the rights of files stop. All is that account's."""
    if os.geteuid():
        needs.missing("root, to be somebody else for a while")
    templates = sandbox.root / "state" / "postgres" / "templates"
    if templates.is_symlink():  # to those that the tests share, which are not that account's
        templates.unlink()
    for path in (sandbox.root, *sandbox.root.rglob("*")):
        if path.is_relative_to(sandbox.root / "state") or path.is_relative_to(sandbox.root / "backups"):
            os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for path in (sandbox.root / "state").rglob("*"):
            os.chown(path, 0, 0, follow_symlinks=False)


def test_a_dump_that_cannot_be_read_could_not_be_judged_and_is_not_bad(
    sandbox: Sandbox, name: BackupName, somebody: None
) -> None:
    """Missing rights stand in for any error of the system while reading, such as one of the disk."""
    env, dump = sandbox.env(), backup_folder_of(sandbox.env()).file(name.dump)
    dump.chmod(0)
    with pytest.raises(PermissionError):
        dump.read_bytes()
    for operation in (verify.verify, drill.drill):
        with pytest.raises(CannotJudge, match=r"could not be judged: .*Permission denied") as unjudged:
            operation(env, name)
        assert (unjudged.value.exit_code, bool(unjudged.value.hint)) == (5, True)
    (entry,) = sandbox.entries()
    assert (entry.state, entry.bad, entry.proven) == ("unjudged", False, False)
    os.seteuid(0)
    dump.chmod(0o600)
    assert verify.verify(env, name).rung is Rung.READABLE
    assert sandbox.states() == {name.stem: "valid"}


_AS_NOBODY = """
import importlib, json, os, pkgutil, sys
import importlib.readers
from pathlib import Path
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops_tests import builders
for package in ("ledgerflow_ops.core", "ledgerflow_ops.adapters", "ledgerflow_ops.operations"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)  # Python itself may lie where that account may not go
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
recorder = builders.Recorder()
env = builders.env(Path(sys.argv[1]), reporter=recorder)
name, told = BackupName(sys.argv[2]), {"writable": env.store.writable()}
for word, operation in (("verify", verify.verify), ("drill", drill.drill)):
    try:
        found = operation(env, name)
        told[word] = [found.rung and found.rung.word, found.bad and found.bad.message]
    except LedgerError as error:
        told[word] = [error.exit_code, error.message, str(error.hint)]
proven = status.status(env).proven
print(json.dumps({**told, "proven": proven and proven.name.stem, "said": recorder.said}))
"""
"""An ordinary account from its first step: the servers of its drills are its own."""


def _as_nobody(sandbox: Sandbox, name: BackupName) -> dict[str, Any]:
    os.seteuid(0)
    command = [sys.executable, "-c", _AS_NOBODY, str(sandbox.root), name.stem]
    finished = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=120, check=False, text=True)
    assert finished.returncode == 0, finished.stderr
    return dict(json.loads(finished.stdout))


def test_a_folder_that_cannot_be_written_makes_nothing_bad_and_hides_nothing_bad(
    sandbox: Sandbox, name: BackupName, somebody: None
) -> None:
    folder, files = backup_folder_of(sandbox.env()).path, sandbox.files()
    folder.chmod(0o500)
    told = _as_nobody(sandbox, name)
    assert not told["writable"], "the fault did not fire"
    assert told["verify"] == ["readable", None], "it proves less than is known: nothing is to be kept"
    exit_code, message, hint = told["drill"]
    assert exit_code == 1
    assert message.startswith(f"{folder}/.{name.proof}.")
    assert message.endswith(": Permission denied.")
    assert "make doctor" in hint
    assert told["proven"] == name.stem
    assert sandbox.states() == {name.stem: "valid"}
    assert sandbox.files() == files

    with backup_folder_of(sandbox.env()).file(name.dump).open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last[0] ^ 1]))
    told = _as_nobody(sandbox, name)
    for word in ("verify", "drill"):
        assert "its SHA-256 differs" in told[word][1]
    assert [said.startswith(f"the proof of {name.dump} was not written: ") for said in told["said"]] == [
        True,
        True,
    ]


@pytest.mark.parametrize("kind", [VerifyRequest, DrillRequest])
def test_without_its_manifest_a_dump_could_not_be_judged(
    sandbox: Sandbox,
    name: BackupName,
    kind: type[VerifyRequest | DrillRequest],
    capfd: pytest.CaptureFixture[str],
) -> None:
    env = sandbox.env()
    backup_folder_of(env).file(name.manifest).unlink()
    files = sandbox.files()
    assert examine_backup(env, Terminal(as_json=True), kind(file=name.dump)) == 5
    said = json.loads(capfd.readouterr().out)
    assert (said["exit_code"], said["proven"], said["rung"]) == (
        5,
        False,
        "readable" if kind is VerifyRequest else "restored",
    )
    assert "NOT PROVEN: it has no manifest" in said["error"]["message"]
    assert "make backup" in said["error"]["hint"]
    assert sandbox.files() == files
    assert examine_backup(env, Terminal(as_json=False), kind(file=name.dump)) == 5
    assert "Without its manifest it can never be proven" in capfd.readouterr().out


def test_one_verdict_the_lowest(sandbox: Sandbox, name: BackupName) -> None:
    """A table of contents that verify calls bad is not good because everything in it could be restored."""
    env = sandbox.env()
    manifest = Manifest.decode(backup_folder_of(env).record(name.manifest), name.manifest)
    toc = manifest.toc.model_copy(update={"entries": manifest.toc.entries + 1})
    forged = manifest.model_copy(update={"toc": toc})
    backup_folder_of(env).replace(
        name.manifest, encode_sealed(forged.model_dump(mode="json", exclude={"files"}))
    )
    for operation in (drill.drill, verify.verify, drill.drill):
        bad = operation(env, name).bad
        assert bad is not None
        assert (bad.cause, "entries committed" in bad.message) == ("table of contents", True)
        assert sandbox.states() == {name.stem: "bad"}


def test_a_tool_that_is_killed_says_nothing_of_the_backup(
    sandbox: Sandbox, name: BackupName, root: Path
) -> None:
    """A pg_restore that the system kills because memory is short."""
    bundled = client_tools.bundled_tools()
    programs = root / "programs"
    shutil.copytree(bundled.folder, programs, symlinks=True)
    real = programs / "pg_restore.real"
    (programs / "pg_restore").rename(real)
    (programs / "pg_restore").write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exec {bundled.path("pg_restore")} "$@";; esac\nkill -9 $$\n'
    )
    (programs / "pg_restore").chmod(0o755)
    env = sandboxes.with_settings(sandbox.env(), tools_dir=programs)
    with pytest.raises(CannotJudge, match="pg_restore failed because of this machine") as unjudged:
        verify.verify(env, name)
    assert unjudged.value.exit_code == 5
    assert sandbox.states() == {name.stem: "valid"}, "its bytes were read and are the committed ones"
