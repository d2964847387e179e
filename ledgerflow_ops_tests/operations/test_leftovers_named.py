"""What killed operations have left: doctor names it, and the command that it gives takes it away."""

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

from ledgerflow_ops.adapters import dropping, strays, target
from ledgerflow_ops.adapters.account import server_account
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core import swap
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.swap import Mark, Role
from ledgerflow_ops.operations import orphans, sweeping
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders, databases, needs
from ledgerflow_ops_tests.builders import NOON, Recorder
from ledgerflow_ops_tests.fakes import grounds

_DRILL = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters import tools
from ledgerflow_ops.adapters.lodging import lodging
from ledgerflow_ops.adapters.throwaway import throwaway
place, in_memory = lodging(Path(sys.argv[1])), sys.argv[2] == "in memory"
with throwaway(place, tools.bundled(), "postgres", "UTF8", in_memory=in_memory) as made:
    print(made.cluster.data, made.server.parameters["host"], flush=True)
    sys.stdin.read()
"""
"""What a drill does with its server, without a backup."""


@pytest.fixture
def site(root: Path) -> Site:
    """Somebody who looks: a state folder and a folder of backups with nothing in them."""
    site = builders.site(root / "mine", now=lambda: NOON)
    site.folder.prepare()
    return site


def _named(site: Site, cause: str, *words: object) -> list[Check]:
    """What doctor says of leftovers of this kind with one of these words: others may leave some as well."""
    found = [one for one in orphans.examine(site.desk, [site]) if not one.passed and one.cause == cause]
    assert {(one.name, one.severity) for one in found} <= {("leftovers", Severity.WARN)}
    return [one for one in found if not words or any(str(word) in one.message for word in words)]


def _typed(hint: str, **variables: str) -> None:
    """Type the command of a hint at a shell, as it stands."""
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


def test_a_dead_drill_of_another_state_folder_is_named_and_a_live_one_never(root: Path, site: Site) -> None:
    if not strays.MEMORY.is_dir():
        needs.missing("/dev/shm")
    state = root / "theirs"
    with _drill(state, "in memory") as (drill, data, sockets, pid):
        assert _named(site, "drill", data.parent, sockets) == [], "a drill that is at work"
        _dies(drill, pid)
        (found,) = _named(site, "drill", data.parent, sockets)
        left = f"The server (process {pid}) of a drill that died has left a database in "
        left += f"{data.parent} {sockets}. "
        assert found.message == f"{left}Its state folder, {state / 'postgres'}, belongs to another state_dir."
        assert data.is_dir(), "looking takes nothing away"
        shutil.rmtree(state)
        (found,) = _named(site, "drill", data.parent, sockets)
        assert found.message == f"{left}Its state folder, {state / 'postgres'}, is gone."
        _typed(found.hint)
        assert grounds.until(lambda: not psutil.pid_exists(pid))
        assert _named(site, "drill", data.parent, sockets) == []
        assert not data.exists()
        assert not sockets.exists()


def test_a_dead_drill_on_the_disk_is_named_and_its_server_also_when_the_data_was_removed(
    root: Path, site: Site
) -> None:
    state = root / "theirs"
    with _drill(state, "on disk") as (drill, data, sockets, pid):
        assert _named(site, "drill", data.parent, sockets) == [], "a drill that is at work"
        assert _named(site, "server", data) == []
        _dies(drill, pid)
        (found,) = _named(site, "drill", data.parent, sockets)
        assert f"process {pid}) of a drill that died has left a database in {sockets} {data.parent}." in (
            found.message
        )
        assert found.hint == f"kill -QUIT {pid}; rm -rf {sockets} {data.parent}"
        shutil.rmtree(state)
        (found,) = _named(site, "server", data)
        assert found.message == (
            f"A PostgreSQL server (process {pid}) goes on running; its data, {data}, was removed."
        )
        _typed(found.hint)
        assert grounds.until(lambda: not psutil.pid_exists(pid))
        assert _named(site, "server", data) == []


def test_whose_mark_somebody_else_wrote_is_not_believed(root: Path, site: Site) -> None:
    """A folder called as a drill's, whose mark names another drill's lock, or none."""
    key, other = secrets.token_hex(4), root / "postgres" / "drills" / "01234567.lock"
    folder = strays.SOCKETS / f"{strays.PREFIX}{key}"
    folder.mkdir(mode=0o700)
    try:
        for mark in (bytes(other), b"", b"\0", b"/\0/%s.lock" % key.encode(), b"%s.lock" % key.encode()):
            (folder / "drill").write_bytes(mark)
            assert [one for one in strays.found(server_account()) if folder in one.folders] == []
    finally:
        shutil.rmtree(folder)


def test_a_half_restored_database_is_named_and_discarded(root: Path, embedded: Embedded) -> None:
    server = embedded.start()
    live, ident = f"Büro's {secrets.token_hex(3)}", swap.new_id(NOON, "a1b2")
    half, stranger = (swap.beside_name(live, Role.RESTORING, one) for one in (ident, f"{ident[:-4]}c3d4"))
    with databases.made(server, name=live) as database, _left(server, half), _left(server, stranger):
        site = builders.site(root, database)
        with server.connect() as connection:
            mark = Mark("dev", live, Role.RESTORING, ident, NOON, "first.dump")
            target.mark(connection, half, mark.encode())
            theirs = Mark("prod", live, Role.RESTORING, ident, NOON, "first.dump")
            target.mark(connection, stranger, theirs.encode())
        (found,) = _named(site, "dev databases")
        assert found.message == f"On the server of dev, half-restored and never live: {half}."
        settings = site.desk.settings
        _typed(
            found.hint,
            LEDGER_STATE_DIR=str(settings.state_dir),
            LEDGER_BACKUP_ROOT=str(settings.backup_root),
            LEDGER_DEV_DATABASE_URL=builders.url(database),
        )
        assert _named(site, "dev databases") == []
        with server.connect() as connection:
            assert not target.exists(connection, half)
            assert target.exists(connection, live)
            assert target.exists(connection, stranger), "another environment's"


@contextmanager
def _left(server: Database, name: str) -> Iterator[None]:
    """A database on the server, gone afterwards whoever has dropped it."""
    with server.connect() as connection:
        connection.execute(b"CREATE DATABASE " + databases.quoted(name).encode() + b" TEMPLATE template0")
    try:
        yield
    finally:
        dropping.drop(server, name)


def _gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    return child.pid


def test_what_lies_half_written_in_the_folder_is_named_and_swept(site: Site) -> None:
    there, ended = site.folder, _gone()
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
    (found,) = _named(site, "dev folder")
    assert found.message == (
        f"In {there.path}, left by an operation that was cut off or is at work: {', '.join(ours)}."
    )
    assert found.hint == "The next one sweeps it: LEDGER_ENV=dev make backup"
    sweeping.before(site)  # as a backup does
    assert _named(site, "dev folder") == []
    assert {one.name for one in there.path.iterdir()} == {"history", *kept}
    assert list(history.iterdir()) == []


@pytest.mark.parametrize("name", ["found.dump", "It's $HOME.dump", "two\nlines.dump", "Bu\u0308ro.dump"])
def test_a_dump_without_a_manifest_is_named_and_can_be_looked_at(site: Site, name: str) -> None:
    site.folder.file(name).write_bytes(b"PGDMP of somebody")
    (found,) = _named(site, "dev dumps")
    shown = ascii(name) if "\n" in name else name
    assert found.message == f"In {site.folder.path} without a manifest, and so no backup: {shown}."
    words = found.hint.removeprefix("LEDGER_ENV=dev make restore-test FILE=")
    said = subprocess.run(["/bin/sh", "-c", f"printf %s {words}"], capture_output=True, check=True)
    assert said.stdout.decode() == name, "the shell hands over the whole name"
    site.folder.file(name).unlink()
    assert _named(site, "dev dumps") == []


def test_nothing_left_is_told_as_well(site: Site) -> None:
    found = [one for one in orphans.examine(site.desk, [site]) if one.cause not in ("drill", "server")]
    assert [one.message for one in found if not one.passed] == []


def test_behind_a_link_nothing_is_swept(root: Path, site: Site) -> None:
    """A history, or a whole folder of backups, that leads to where other files are."""
    away, ended = root / "away", _gone()
    away.mkdir()
    theirs = [away / f".a.facts.json.{ended}.partial", away / "a.dump.partial"]
    for file in theirs:
        file.write_bytes(b"half")
    (site.folder.path / "history").symlink_to(away)
    sweeping.before(site)
    shutil.rmtree(site.folder.path)
    site.folder.path.symlink_to(away)
    sweeping.before(site)
    assert [one for one in theirs if one.exists()] == theirs
    assert _named(site, "dev folder") == []


_WRITER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.folder import Folder

def wait(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".facts.json"):
        print("about to give it its name", flush=True)
        sys.stdin.read(1)

sys.addaudithook(wait)
Folder(Path(sys.argv[1])).replace("a.facts.json", b"whole")
"""


def test_what_another_process_is_just_writing_stays_and_what_it_abandons_goes(site: Site) -> None:
    history = site.folder.path / "history"
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
        assert _named(site, "dev folder") == [], "a process is at work on it"
        assert sweeping.folder(site) == []
        assert half.read_bytes() == b"whole"
        os.utime(
            half, (half.stat().st_mtime - 50_000,) * 2
        )  # as a disk elsewhere, with another clock, has it
        assert sweeping.folder(site) == []
        if ends != "it goes on":
            child.kill()
            child.wait()
        if ends == "its number is another's by now":
            half = half.rename(half.with_name(f".a.facts.json.{os.getpid()}.partial"))
            os.utime(half, (1, 1))
        child.communicate("!")
        recorder = Recorder()
        swept = sweeping.folder(builders.site(site.folder.path.parents[1], reporter=recorder))
        name = f"history/{half.name}"
        assert swept == ([] if ends == "it goes on" else [name])
        assert recorder.said == [f"swept {name}: left half-written by an interrupted run" for name in swept]
        assert [one.name for one in history.iterdir()] == ["a.facts.json"], "the whole one is kept"
