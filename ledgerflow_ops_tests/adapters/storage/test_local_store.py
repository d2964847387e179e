"""What happens only to a folder: a full disk, kills between two system calls, links, evicted files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.storage.codec import PLAIN
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.fakes.codecs import Sealing

MB = 1024 * 1024
_DYING = """
import os, signal, sys
from pathlib import Path
from ledgerflow_ops.adapters.storage.codec import PLAIN
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops_tests.fakes.codecs import Sealing

folder, calls, encoded = sys.argv[1:]
left, within = int(calls), False

def count(event, told):
    global left
    if within and event in ("open", "os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
store = LocalStore(Path(folder))
within = True
with store.create("x.dump", Sealing() if encoded else PLAIN) as file:
    for _ in range(4):
        file.write(b"data" * 100_000)
    file.commit()
within = False
"""
"""Writes a file, and kills itself before the n-th system call that concerns a name."""


@pytest.fixture
def store(root: Path) -> LocalStore:
    made = LocalStore(root / "backups" / "dev")
    made.prepare()
    return made


@pytest.mark.parametrize("encoded", ["", "encoded"])
def test_killed_at_each_step_a_file_is_whole_or_not_there(store: LocalStore, encoded: str) -> None:
    data, codec, killed = b"data" * 400_000, Sealing() if encoded else PLAIN, 0
    while True:
        command = [sys.executable, "-c", _DYING, str(store.path), str(killed), encoded]
        code = subprocess.run(command, check=False).returncode
        if store.taken("x.dump"):
            with store.open("x.dump", codec) as file:
                assert b"".join(iter(file.read, b"")) == data
        assert set(store.sweep()) <= {"x.dump.partial"}
        assert {file.name for file in store.path.iterdir()} <= {"x.dump"}
        store.delete("x.dump")
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
    assert killed >= 3, "it was not killed before its file was made, named and its folder synced"


def test_a_writer_that_was_killed_holds_nobody_up_once_it_is_swept(store: LocalStore) -> None:
    script = _DYING.replace("file.commit()", "print('written', flush=True); sys.stdin.read()")
    command = [sys.executable, "-c", script, str(store.path), "99", ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"written\n"
        with pytest.raises(LedgerError) as caught, store.create("x.dump"):
            pytest.fail("two writers have one file")
        assert "Another backup is writing" in caught.value.hint
        child.kill()
    assert store.leftovers() == ["x.dump.partial"] == store.sweep()
    store.put("x.dump", b"whole")
    assert store.read("x.dump") == b"whole"


def test_processes_that_race_for_a_name_leave_one_whole_file(store: LocalStore) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from ledgerflow_ops.adapters.storage.local_store import LocalStore\n"
        "from ledgerflow_ops.core.errors import LedgerError\n"
        "store = LocalStore(Path(sys.argv[1]))\nprint(flush=True)\nsys.stdin.read()\n"
        "try:\n    store.put('x.dump', sys.argv[2].encode() * 1_000_000)\n"
        "except LedgerError:\n    sys.exit(3)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(store.path), letter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for letter in "abcd"
    ]
    for child in children:
        assert child.stdout
        child.stdout.readline()
    for child in children:
        assert child.stdin
        child.stdin.close()
    codes = {letter: child.wait() for letter, child in zip("abcd", children, strict=True)}
    for child in children:
        assert child.stdout
        child.stdout.close()
    won = [letter for letter, code in codes.items() if code == 0]
    assert (len(won), set(codes.values()) <= {0, 3}) == (1, True)
    assert store.read("x.dump") == won[0].encode() * 1_000_000


@pytest.mark.parametrize("encoded", [False, True])
def test_a_full_disk_is_an_error_that_leaves_nothing_and_harms_nothing(root: Path, encoded: bool) -> None:
    with disks.small_disk(root / "disk", "3m") as disk:
        store = LocalStore(disk / "backups" / "dev")
        store.prepare()
        store.put("old.dump", b"old")
        codec, free = Sealing() if encoded else PLAIN, store.free()

        def write() -> None:
            with store.create("x.dump", codec) as file:
                for _ in range(8):
                    file.write(bytes(MB))
                file.commit()

        with pytest.raises(LedgerError, match="No space left") as caught:
            write()
        assert "The disk is full" in caught.value.hint
        assert (store.names(".dump"), store.leftovers(), store.free()) == (["old.dump"], [], free)
        assert store.read("old.dump") == b"old"


def test_a_read_only_folder_refuses_to_be_written_and_is_read(store: LocalStore) -> None:
    store.put("x.dump", b"data")
    with disks.read_only(store.path):
        assert not store.writable()
        for write in (store.put, store.replace):
            with pytest.raises(LedgerError):
                write("y.dump", b"new")
        with pytest.raises(LedgerError):
            store.delete("x.dump")
        assert (store.names(".dump"), store.read("x.dump")) == (["x.dump"], b"data")


def test_an_evicted_file_is_listed_and_taken_and_never_read_or_overwritten(store: LocalStore) -> None:
    store.folder.placeholder("x.dump").write_bytes(b"placeholder")
    stat = store.stat("x.dump")
    assert stat
    assert (stat.evicted, stat.here, stat.version, store.size("x.dump")) == (True, False, None, None)
    assert store.listing().files["x.dump"] == stat
    assert (store.names(".dump"), store.evicted("x.dump"), store.taken("x.dump")) == (["x.dump"], True, True)
    assert str(store.how_to_fetch("x.dump")).startswith(
        f"Download it (macOS: brctl download {store.path}/x.dump)"
    )
    with pytest.raises(LedgerError):
        store.read("x.dump")
    with pytest.raises(Refused, match="exists already"):
        store.put("x.dump", b"new")
    store.delete("x.dump")
    assert list(store.path.iterdir()) == []


def test_a_file_whose_placeholder_was_left_beside_it_is_there_and_evicted(store: LocalStore) -> None:
    store.put("x.dump", b"data")
    version = store.version("x.dump")
    store.folder.placeholder("x.dump").write_bytes(b"placeholder")
    stat = store.stat("x.dump")
    assert stat
    assert (stat.evicted, stat.version, store.listing().files["x.dump"]) == (True, version, stat)


@pytest.mark.parametrize("target", ["precious", "nowhere"])
def test_a_link_is_not_read_and_not_written_through(store: LocalStore, root: Path, target: str) -> None:
    (root / "precious").write_bytes(b"precious")
    (store.path / "x.dump").symlink_to(root / target)
    (store.path / "y.dump.partial").symlink_to(root / target)
    assert (store.irregular_kind("x.dump"), store.size("x.dump")) == ("a symbolic link", None)
    for read in (store.read, store.content, store.open):
        with pytest.raises(BadBackup, match="is a symbolic link"):
            read("x.dump")
    with pytest.raises(Refused, match="exists already"):
        store.put("x.dump", b"new")
    with pytest.raises(LedgerError):
        store.put("y.dump", b"new")
    assert (root / "precious").read_bytes() == b"precious"
    assert not (root / "nowhere").exists()


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(store: LocalStore) -> None:
    os.mkfifo(store.path / "x.dump")
    with pytest.raises(BadBackup, match="is a pipe"):
        store.open("x.dump")


def test_a_folder_behind_a_link_is_refused(root: Path) -> None:
    (root / "real").mkdir()
    (root / "backups").mkdir()
    (root / "backups" / "dev").symlink_to(root / "real")
    with pytest.raises(Refused, match="symbolic link"):
        LocalStore(root / "backups" / "dev").prepare()


def test_what_a_link_leads_to_is_part_of_its_mark(store: LocalStore, root: Path) -> None:
    (root / "real").write_bytes(b"one")
    (store.path / "x.dump").symlink_to(root / "real")
    before = store.listing().mark(["x.dump"])
    (root / "real").write_bytes(b"another")
    assert store.listing().mark(["x.dump"]) != before


def test_what_others_may_read_is_reported(store: LocalStore) -> None:
    store.put("x.dump", b"data")
    (store.path / "x.dump").chmod(0o644)
    store.path.chmod(0o755)
    listing = store.listing()
    assert (listing.files["x.dump"].private, listing.shared) == (False, ("the folder itself",))
    assert not store.privacy("x.dump").passed


def test_a_file_of_holes_is_hollow(store: LocalStore) -> None:
    with (store.path / "x.dump").open("wb") as file:
        file.truncate(MB)
    store.put("y.dump", bytes(100))
    assert (store.is_unwritten("x.dump"), store.is_unwritten("y.dump"), store.is_unwritten("z.dump")) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("name", ["x" * 300 + ".dump", "x\0.dump", "x.dump/y.dump"])
def test_a_name_that_cannot_be_is_not_there(store: LocalStore, name: str) -> None:
    store.put("x.dump", b"data")
    assert (store.taken(name), store.evicted(name), store.size(name)) == (False, False, None)


def test_what_is_not_mounted_is_not_reachable(root: Path) -> None:
    store = LocalStore(root / "away" / "dev")
    assert (store.reachable(), store.exists(), store.listing().exists) == (False, False, False)
