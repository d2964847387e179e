"""Leftovers of killed operations: doctor names them, and the command in its hint removes them."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters.cluster import stray_clusters
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import drop_database, restore_server
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.core.restore.database_names import DatabaseMark, DatabaseRole
from ledgerflow_ops.operations.cleanup import leftover_report, leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders, databases, needs
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes

_DRILL = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.cluster.scratch_cluster import scratch_cluster
place, in_memory = make_server_home(Path(sys.argv[1])), sys.argv[2] == "in memory"
with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8", in_memory=in_memory) as made:
    print(made.cluster.data, made.server.parameters["host"], flush=True)
    sys.stdin.read()
"""
"""What a drill does with its server, without a backup."""


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    """An environment whose state folder and backup folder are empty."""
    env = builders.env(root / "mine", now=lambda: NOON)
    backup_folder_of(env).prepare()
    return env


def _named(env: EnvironmentContext, cause: str, *words: object) -> list[Check]:
    """Checks of leftovers of this kind with one of these words. Other tests may leave some."""
    found = [
        one
        for one in leftover_report.leftover_checks(env.ctx, [env])
        if not one.passed and one.cause == cause
    ]
    assert {(one.name, one.severity) for one in found} <= {("leftovers", Severity.WARN)}
    return [one for one in found if not words or any(str(word) in one.message for word in words)]


def _typed(hint: str, **variables: str) -> None:
    """Run the command of a hint in a shell."""
    command = hint[hint.index("LEDGER_ENV=") :] if "LEDGER_ENV=" in hint else hint
    subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=PROJECT,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        timeout=120,
    )


@contextmanager
def _drill(state: Path, where: str) -> Iterator[tuple[subprocess.Popen[str], Path, Path, int]]:
    """The server of a drill at work for that state folder: drill, data, folder of its socket, server."""
    child = subprocess.Popen(
        [sys.executable, "-c", _DRILL, str(state), where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    data, sockets = map(Path, child.stdout.readline().split())
    pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    try:
        yield child, data, sockets, pid
    finally:
        child.kill()
        child.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        for folder in (data.parent, sockets):
            shutil.rmtree(folder, ignore_errors=True)


def _dies(drill: subprocess.Popen[str], server: int) -> None:
    drill.kill()
    drill.wait()
    assert psutil.pid_exists(server), "the fault did not fire: the server went with its drill"


def test_a_dead_drill_of_another_state_folder_is_named_and_a_live_one_never(
    root: Path, env: EnvironmentContext
) -> None:
    if not stray_clusters.MEMORY.is_dir():
        needs.missing("/dev/shm")
    state = root / "theirs"
    with _drill(state, "in memory") as (drill, data, sockets, pid):
        assert _named(env, "drill", data.parent, sockets) == [], "a drill that is at work"
        _dies(drill, pid)
        (found,) = _named(env, "drill", data.parent, sockets)
        left = f"The server (process {pid}) of a drill that died has left a database in "
        left += f"{data.parent} {sockets}. "
        assert found.message == f"{left}Its state folder, {state / 'postgres'}, belongs to another state_dir."
        assert data.is_dir(), "looking takes nothing away"
        shutil.rmtree(state)
        (found,) = _named(env, "drill", data.parent, sockets)
        assert found.message == f"{left}Its state folder, {state / 'postgres'}, is gone."
        _typed(str(found.hint))
        assert sandboxes.wait_until(lambda: not psutil.pid_exists(pid))
        assert _named(env, "drill", data.parent, sockets) == []
        assert not data.exists()
        assert not sockets.exists()


def test_a_dead_drill_on_the_disk_is_named_and_its_server_also_when_the_data_was_removed(
    root: Path, env: EnvironmentContext
) -> None:
    state = root / "theirs"
    with _drill(state, "on disk") as (drill, data, sockets, pid):
        assert _named(env, "drill", data.parent, sockets) == [], "a drill that is at work"
        assert _named(env, "server", data) == []
        _dies(drill, pid)
        (found,) = _named(env, "drill", data.parent, sockets)
        assert f"process {pid}) of a drill that died has left a database in {sockets} {data.parent}." in (
            found.message
        )
        assert str(found.hint) == f"kill -QUIT {pid}; rm -rf {sockets} {data.parent}"
        shutil.rmtree(state)
        (found,) = _named(env, "server", data)
        assert found.message == (
            f"A PostgreSQL server (process {pid}) still runs, but its data, {data}, was removed."
        )
        _typed(str(found.hint))
        assert sandboxes.wait_until(lambda: not psutil.pid_exists(pid))
        assert _named(env, "server", data) == []


def test_whose_mark_somebody_else_wrote_is_not_believed(root: Path, env: EnvironmentContext) -> None:
    """A folder with the name of a drill's, whose mark names another drill's lock, or none."""
    key, other = secrets.token_hex(4), root / "postgres" / "drills" / "01234567.lock"
    folder = stray_clusters.SOCKETS / f"{stray_clusters.PREFIX}{key}"
    folder.mkdir(mode=0o700)
    try:
        for mark in (bytes(other), b"", b"\0", b"/\0/%s.lock" % key.encode(), b"%s.lock" % key.encode()):
            (folder / "drill").write_bytes(mark)
            assert [
                one for one in stray_clusters.find_stray_clusters(server_account()) if folder in one.folders
            ] == []
    finally:
        shutil.rmtree(folder)


def test_a_half_restored_database_is_named_and_discarded(root: Path, embedded: EmbeddedPostgres) -> None:
    server = embedded.start()
    live, ident = f"Büro's {secrets.token_hex(3)}", database_names.new_id(NOON, "a1b2")
    half, stranger = (
        database_names.sibling_name(live, DatabaseRole.RESTORING, one) for one in (ident, f"{ident[:-4]}c3d4")
    )
    with (
        databases.temporary_database(server, name=live) as database,
        _left(server, half),
        _left(server, stranger),
    ):
        env = builders.env(root, database)
        with server.connect() as connection:
            mark = DatabaseMark("dev", live, DatabaseRole.RESTORING, ident, NOON, "first.dump")
            restore_server.set_database_comment(connection, half, mark.encode())
            theirs = DatabaseMark("prod", live, DatabaseRole.RESTORING, ident, NOON, "first.dump")
            restore_server.set_database_comment(connection, stranger, theirs.encode())
        (found,) = _named(env, "dev databases")
        assert found.message == f"On the server of dev, half-restored and never live: {half}."
        settings = env.ctx.settings
        _typed(
            str(found.hint),
            LEDGER_STATE_DIR=str(settings.state_dir),
            LEDGER_BACKUP_ROOT=str(settings.backup_root),
            LEDGER_DEV_DATABASE_URL=builders.database_url(database),
        )
        assert _named(env, "dev databases") == []
        with server.connect() as connection:
            assert not restore_server.database_exists(connection, half)
            assert restore_server.database_exists(connection, live)
            assert restore_server.database_exists(connection, stranger), "another environment's"


@contextmanager
def _left(server: Database, name: str) -> Iterator[None]:
    """A database on the server, dropped afterwards unless the test has done so."""
    with server.connect() as connection:
        connection.execute(
            b"CREATE DATABASE " + databases.quoted_identifier(name).encode() + b" TEMPLATE template0"
        )
    try:
        yield
    finally:
        drop_database.drop_database(server, name)


def _gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    return child.pid


def test_what_lies_half_written_in_the_folder_is_named_and_swept(env: EnvironmentContext) -> None:
    there, ended = backup_folder_of(env), _gone()
    history = there.path / "history"
    history.mkdir(mode=0o700)
    ours = [
        "a.dump.partial",
        "a.manifest.json.partial",
        f".a.proof.json.{ended}.partial",
        ".a.making.json",
        f"history/.a.facts.json.{ended}.partial",
    ]
    kept = ["notes.partial", "b.dump.partial", f".b.proof.json.{os.getpid()}.partial", ".b.partial"]
    for name in (*ours, kept[0], *kept[2:]):
        there.file(name).write_bytes(b"half")
    there.file(kept[1]).mkdir()
    (found,) = _named(env, "dev folder")
    assert found.message == (
        f"In {there.path}, left by an operation that was interrupted or still runs: {', '.join(ours)}."
    )
    assert str(found.hint) == "The next one sweeps it: LEDGER_ENV=dev make backup"
    leftover_sweep.sweep_before_operation(env)  # as a backup does
    assert _named(env, "dev folder") == []
    assert {one.name for one in there.path.iterdir()} == {"history", *kept}
    assert list(history.iterdir()) == []


@pytest.mark.parametrize("name", ["found.dump", "It's $HOME.dump", "two\nlines.dump", "Bu\u0308ro.dump"])
def test_a_dump_without_a_manifest_is_named_and_can_be_looked_at(env: EnvironmentContext, name: str) -> None:
    backup_folder_of(env).file(name).write_bytes(b"PGDMP of somebody")
    (found,) = _named(env, "dev dumps")
    shown = ascii(name) if "\n" in name else name
    assert (
        found.message == f"In {backup_folder_of(env).path} without a manifest, and so not a backup: {shown}."
    )
    words = str(found.hint).removeprefix("LEDGER_ENV=dev make restore-test FILE=")
    said = subprocess.run(["/bin/sh", "-c", f"printf %s {words}"], capture_output=True, check=True)
    assert said.stdout.decode() == name, "the shell hands over the whole name"
    backup_folder_of(env).file(name).unlink()
    assert _named(env, "dev dumps") == []


def test_nothing_left_is_reported_as_well(env: EnvironmentContext) -> None:
    found = [
        one for one in leftover_report.leftover_checks(env.ctx, [env]) if one.cause not in ("drill", "server")
    ]
    assert [one.message for one in found if not one.passed] == []


def test_behind_a_link_nothing_is_swept(root: Path, env: EnvironmentContext) -> None:
    """A history, or a whole folder of backups, that leads to where other files are."""
    away, ended = root / "away", _gone()
    away.mkdir()
    theirs = [away / f".a.facts.json.{ended}.partial", away / "a.dump.partial"]
    for file in theirs:
        file.write_bytes(b"half")
    (backup_folder_of(env).path / "history").symlink_to(away)
    leftover_sweep.sweep_before_operation(env)
    shutil.rmtree(backup_folder_of(env).path)
    backup_folder_of(env).path.symlink_to(away)
    leftover_sweep.sweep_before_operation(env)
    assert [one for one in theirs if one.exists()] == theirs
    assert _named(env, "dev folder") == []


_WRITER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.storage.folder import Folder

def wait(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".facts.json"):
        print("about to give it its name", flush=True)
        sys.stdin.read(1)

sys.addaudithook(wait)
Folder(Path(sys.argv[1])).replace("a.facts.json", b"whole")
"""


def test_what_another_process_is_just_writing_stays_and_what_it_abandons_goes(
    env: EnvironmentContext,
) -> None:
    history = backup_folder_of(env).path / "history"
    history.mkdir(mode=0o700)
    for ends in ("it goes on", "it is killed", "its number is another's by now"):
        child = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(history)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout
        assert child.stdout.readline()
        (half,) = [one for one in history.iterdir() if one.name.startswith(".")]
        assert half.name == f".a.facts.json.{child.pid}.partial"
        assert _named(env, "dev folder") == [], "a process is at work on it"
        assert leftover_sweep.sweep_folder(env) == []
        assert half.read_bytes() == b"whole"
        os.utime(
            half, (half.stat().st_mtime - 50_000,) * 2
        )  # as a disk elsewhere, with another clock, has it
        assert leftover_sweep.sweep_folder(env) == []
        if ends != "it goes on":
            child.kill()
            child.wait()
        if ends == "its number is another's by now":
            half = half.rename(half.with_name(f".a.facts.json.{os.getpid()}.partial"))
            os.utime(half, (1, 1))
        child.communicate("!")
        recorder = Recorder()
        swept = leftover_sweep.sweep_folder(
            builders.env(backup_folder_of(env).path.parents[1], reporter=recorder)
        )
        name = f"history/{half.name}"
        assert swept == ([] if ends == "it goes on" else [name])
        assert recorder.said == [f"swept {name}: left half-written by an interrupted run" for name in swept]
        assert [one.name for one in history.iterdir()] == ["a.facts.json"], "the whole one is kept"
