"""The promises of every kind of backup store (decision 34), tested on each of them."""

import hashlib
import os
import random
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.storage import age_keys
from ledgerflow_ops.adapters.storage.age_codec import AgeCodec
from ledgerflow_ops.adapters.storage.age_keys import IdentitySource
from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.adapters.storage.store import BackupStore, copy
from ledgerflow_ops.core.catalog.naming import MAGIC
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops_tests.fakes.codecs import Sealing
from ledgerflow_ops_tests.fakes.memory_store import MemoryStore

MB = 1024 * 1024


def _objects(server: str) -> Callable[[Path, pytest.FixtureRequest], BackupStore]:
    """A store of its own in the bucket of the session's server."""
    return lambda root, request: ObjectStore(request.getfixturevalue(server).bucket(), f"{root.name}/dev")


KINDS: dict[str, Callable[[Path, pytest.FixtureRequest], BackupStore]] = {
    "local": lambda root, request: LocalStore(root / "backups" / "dev"),
    "memory": lambda root, request: MemoryStore(),
    "s3": _objects("s3_server"),
    "azure": _objects("azure_server"),
}
"""Each kind of store, created below the folder of a test, whose name no other test's has."""


class _Identities(IdentitySource):
    """The identities of one key, which is in no file."""

    def read(self) -> list[Any]:
        return age_keys.parse_identities(_IDENTITY, "the test")


_IDENTITY, _RECIPIENT = age_keys.new_identity()
CODECS: dict[str, Codec] = {
    "plain": PLAIN,
    "encoded": Sealing(),
    "encrypted": AgeCodec((_RECIPIENT,), _Identities()),
}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, root: Path) -> BackupStore:
    made = KINDS[request.param](root, request)
    made.prepare()
    return made


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


def _all(store: BackupStore, name: str, codec: Codec = PLAIN, size: int = 70_001) -> bytes:
    with store.open(name, codec) as file:
        return b"".join(iter(lambda: file.read(size), b""))


def _put(store: BackupStore, name: str, data: bytes, codec: Codec) -> tuple[int, str]:
    with store.create(name, codec) as file:
        for begin in range(0, len(data), 300_000):
            file.write(data[begin : begin + 300_000])
        content = file.end()
        file.commit()
    return content


def _content(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


# -- a file comes in whole, or not at all -----------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 3 * MB + 1, 11 * MB])
def test_what_was_written_is_read_and_what_is_stored_is_hashed(
    store: BackupStore, codec: Codec, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    content = _put(store, "x.dump", data, codec)
    assert _all(store, "x.dump", codec) == data
    stored = _all(store, "x.dump")
    assert content == _content(stored) == store.content("x.dump")
    assert (stored == data) is codec.is_plain
    assert store.size("x.dump") == len(stored)


def test_nothing_goes_by_the_name_until_it_is_committed(store: BackupStore, codec: Codec) -> None:
    with store.create("x.dump", codec) as file:
        for step in (lambda: file.write(b"data"), file.end, file.sync):
            step()
            assert not store.taken("x.dump")
            assert store.names(".dump") == []
            assert not store.listing().taken("x.dump")
        before = file.stat()
        file.commit()
        assert store.names(".dump") == ["x.dump"]
    stat = store.stat("x.dump")
    assert stat
    assert before is None or (before.identity, before.size) == (stat.identity, stat.size)
    assert store.leftovers() == []


def test_what_was_ended_can_be_read_back_before_it_is_committed(store: BackupStore, codec: Codec) -> None:
    with store.create("x.dump", codec) as file:
        file.write(b"data" * 100_000)
        file.end()
        with file.open() as back:
            assert b"".join(iter(back.read, b"")) == b"data" * 100_000
        file.commit()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, None])
@pytest.mark.parametrize("done", ["nothing", "write", "end", "sync"])
def test_a_block_that_does_not_commit_leaves_nothing(
    store: BackupStore, done: str, error: type[BaseException] | None
) -> None:
    def begin() -> None:
        with store.create("x.dump") as file:
            if done != "nothing":
                file.write(b"half")
            if done in ("end", "sync"):
                getattr(file, done)()
            if error:
                raise error

    if error:
        with pytest.raises(error):
            begin()
    else:
        begin()
    assert (store.taken("x.dump"), store.leftovers(), dict(store.listing().files)) == (False, [], {})
    store.put("x.dump", b"whole")
    assert store.read("x.dump") == b"whole"


# -- one writer, and never over another -------------------------------------------------------------------


def test_a_second_writer_of_a_name_is_reported_and_the_first_goes_on(store: BackupStore) -> None:
    with store.create("x.dump") as first:
        first.write(b"first")
        with pytest.raises(LedgerError, match=r"x\.dump") as caught, store.create("x.dump"):
            pytest.fail("two writers have one file")
        assert "Another backup is writing" in caught.value.hint
        first.commit()
    assert store.read("x.dump") == b"first"


def test_a_name_that_is_taken_is_refused_and_keeps_its_bytes(store: BackupStore) -> None:
    store.put("x.dump", b"old")
    before = store.stat("x.dump")
    with pytest.raises(Refused, match="exists already") as caught:
        store.put("x.dump", b"new")
    assert str(caught.value.hint) == "Backups are never overwritten. Choose another name."
    assert (store.read("x.dump"), store.stat("x.dump"), store.leftovers()) == (b"old", before, [])


def test_a_name_that_was_taken_meanwhile_is_refused_too(store: BackupStore) -> None:
    other = store.section("other")
    other.prepare()
    other.put("y.dump", b"theirs")

    def write() -> None:
        with store.create("x.dump") as file:
            file.write(b"ours")
            other.move("y.dump", store, "x.dump")
            file.commit()

    with pytest.raises(Refused, match="exists already"):
        write()
    assert (store.read("x.dump"), store.leftovers()) == (b"theirs", [])


def test_of_many_that_race_for_a_name_one_wins_and_its_bytes_are_whole(store: BackupStore) -> None:
    writers, won, lost, go = 8, list[int](), list[int](), threading.Barrier(8)

    def write(number: int) -> None:
        go.wait()
        try:
            store.put("x.dump", bytes([number]) * 100_000)
            won.append(number)
        except LedgerError:
            lost.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, writers - 1)
    assert store.read("x.dump") == bytes(won) * 100_000
    assert store.leftovers() == []


# -- records, removal, sections ---------------------------------------------------------------------------


def test_a_record_is_replaced_at_one_instant(store: BackupStore) -> None:
    store.replace("x.pin.json", b"0" * 5_000)
    before, seen, ended = store.version("x.pin.json"), set[bytes](), threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.add(store.read("x.pin.json"))

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(1, 60):
        store.replace("x.pin.json", bytes([48 + number]) * 5_000)
    ended.set()
    reader.join()
    assert seen <= {bytes([48 + number]) * 5_000 for number in range(60)}
    assert store.version("x.pin.json") != before
    assert (store.names(".json"), store.leftovers()) == (["x.pin.json"], [])


def test_what_is_deleted_is_gone_and_what_is_not_there_may_be_deleted(store: BackupStore) -> None:
    store.put("x.dump", b"data")
    for _ in range(2):
        store.delete("x.dump")
        assert (store.taken("x.dump"), store.stat("x.dump"), store.size("x.dump")) == (False, None, None)
    with pytest.raises(LedgerError, match=r"x\.dump"):
        store.read("x.dump")
    store.section("none").delete("x.dump")


def test_a_file_is_moved_into_a_section_and_never_over_another(store: BackupStore) -> None:
    history = store.section("history")
    history.prepare()
    store.put("x.manifest.json", b"first")
    store.move("x.manifest.json", history, "x.2.manifest.json")
    assert (store.taken("x.manifest.json"), history.read("x.2.manifest.json")) == (False, b"first")
    assert store.names(".json") == []
    store.put("x.manifest.json", b"second")
    with pytest.raises(Refused, match="exists already"):
        store.move("x.manifest.json", history, "x.2.manifest.json")
    assert (store.read("x.manifest.json"), history.read("x.2.manifest.json")) == (b"second", b"first")


def test_a_copy_from_store_to_store_has_the_stored_bytes(store: BackupStore, root: Path) -> None:
    data = os.urandom(2 * MB + 5)
    committed = _put(store, "x.dump", data, Sealing())
    other = LocalStore(root / "archive" / "dev")
    other.prepare()
    with store.open("x.dump") as source, other.create("x.dump") as file:
        assert copy(source, file) == committed
        file.commit()
    assert _all(other, "x.dump", Sealing()) == data


# -- listing ----------------------------------------------------------------------------------------------


def test_names_and_listing_agree_and_hidden_files_are_asked_for(store: BackupStore) -> None:
    for name in ("b.dump", "a.dump", "a.manifest.json", ".a.making.json", "notes.txt"):
        store.put(name, name.encode())
    assert store.names(".dump") == ["a.dump", "b.dump"]
    assert store.names(".dump", ".manifest.json") == ["a.dump", "a.manifest.json", "b.dump"]
    assert store.names(".making.json") == []
    assert store.names(".making.json", hidden=True) == [".a.making.json"]
    listing = store.listing()
    assert listing.names(".dump") == {"a.dump", "b.dump"}
    assert {name: store.stat(name) for name in listing.files} == dict(listing.files)


def test_a_mark_is_another_whenever_a_file_is_comes_or_goes(store: BackupStore) -> None:
    names = ("x.dump", "x.pin.json", "y.dump")
    marks = [store.listing().mark(names)]
    store.put("x.dump", b"data")
    marks.append(store.listing().mark(names))
    assert store.listing().mark(names) == marks[-1]
    store.replace("x.pin.json", b"one")
    marks.append(store.listing().mark(names))
    store.replace("x.pin.json", b"two")
    marks.append(store.listing().mark(names))
    store.delete("x.dump")
    marks.append(store.listing().mark(names))
    assert len(set(marks)) == len(marks)


def test_a_listing_while_others_write_has_every_file_that_rests(store: BackupStore) -> None:
    resting = [f"{number}.dump" for number in range(50)]
    for name in resting:
        store.put(name, b"data")
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            store.put(f"new.{number}.dump", b"new")
            store.delete(f"new.{number - 3}.dump")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            assert set(resting) <= store.listing().names(".dump")
            assert set(resting) <= set(store.names(".dump"))
    finally:
        ended.set()
        writer.join()


def test_what_no_store_is_there_for_lists_as_nothing(store: BackupStore) -> None:
    none = store.section("none")
    assert (none.names(".dump"), dict(none.listing().files), none.leftovers()) == ([], {}, [])
    assert (none.stat("x.dump"), none.irregular_kind("x.dump")) == (None, "")


# -- reading ----------------------------------------------------------------------------------------------


def test_a_record_larger_than_any_of_ours_is_not_read(store: BackupStore) -> None:
    store.put("x.pin.json", bytes(1_001))
    assert store.read("x.pin.json", 1_001) == bytes(1_001)
    with pytest.raises(BadBackup, match=r"has 1,001 bytes: a record has at most 1,000\."):
        store.read("x.pin.json", 1_000)
    store.put("large.json", bytes(2 * MB))
    with pytest.raises(BadBackup, match="without a digest at the end"):
        store.record("large.json")


def test_a_program_gets_a_path_to_the_plain_bytes(store: BackupStore, codec: Codec, root: Path) -> None:
    scratch = root / "scratch"
    scratch.mkdir(mode=0o700)
    _put(store, "x.dump", MAGIC + b"plain", codec)
    with store.local_path("x.dump", codec, scratch) as path:
        assert path.read_bytes() == MAGIC + b"plain"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(scratch.iterdir()) == []
    assert store.head("x.dump", 5, codec) == MAGIC


def test_the_first_bytes_of_a_file_are_read_alone(store: BackupStore) -> None:
    _put(store, "x.dump", bytes(range(256)) * 8192, PLAIN)
    _put(store, "empty.dump", b"", PLAIN)
    assert store.head("x.dump", 300) == bytes(range(256)) + bytes(range(44))
    assert store.head("x.dump", 10 * MB) == bytes(range(256)) * 8192
    assert store.head("empty.dump", 300) == b""
    with pytest.raises(LedgerError):
        store.head("missing.dump", 300)


def test_an_encoded_file_needs_a_folder_that_may_hold_plain_text(store: BackupStore) -> None:
    _put(store, "x.dump", b"plain", Sealing())
    with pytest.raises(ValueError, match="needs a scratch folder"):
        store.local_path("x.dump", Sealing())


# -- the codec: what is cut or altered is refused before the end -----------------------------------------


def _refused(store: BackupStore, name: str, root: Path) -> None:
    """Neither a reader nor a program accepts it as complete."""
    scratch = root / "scratch"
    with pytest.raises(BadBackup, match="not whole"):
        _all(store, name, Sealing())
    with pytest.raises(BadBackup, match="not whole"), store.local_path(name, Sealing(), scratch):
        pytest.fail("a program was given what is not whole")
    assert list(scratch.iterdir()) == []


def test_a_file_that_was_cut_anywhere_never_comes_to_its_end(store: BackupStore, root: Path) -> None:
    (root / "scratch").mkdir(mode=0o700)
    _put(store, "x.dump", os.urandom(150_000), Sealing())
    stored = _all(store, "x.dump")
    cuts = [0, 1, 16, 17, 20, 21, 65_000, len(stored) - 45, len(stored) - 44, len(stored) - 1]
    for number, cut in enumerate(cuts):
        store.put(f"{number}.dump", stored[:cut])
        _refused(store, f"{number}.dump", root)
    store.put("longer.dump", stored + b"x")
    _refused(store, "longer.dump", root)


def test_a_file_with_one_bit_flipped_never_comes_to_its_end(store: BackupStore, root: Path) -> None:
    (root / "scratch").mkdir(mode=0o700)
    chance = random.Random(34)
    _put(store, "x.dump", chance.randbytes(150_000), Sealing())
    stored = _all(store, "x.dump")
    places = [0, 17, 21, len(stored) - 44, len(stored) - 1, *chance.sample(range(len(stored)), 60)]
    for number, place in enumerate(places):
        flipped = bytearray(stored)
        flipped[place] ^= 1 << chance.randrange(8)
        store.put(f"{number}.dump", bytes(flipped))
        _refused(store, f"{number}.dump", root)


def test_another_key_opens_nothing(store: BackupStore) -> None:
    _put(store, "x.dump", b"plain", Sealing(b"one key"))
    with pytest.raises(BadBackup):
        _all(store, "x.dump", Sealing(b"another"))


# -- words for people -------------------------------------------------------------------------------------


def test_a_file_is_named_or_pointed_at(store: BackupStore) -> None:
    assert store.name_of("x.dump") == "x.dump"
    assert store.name_of("/elsewhere/x.dump") is None
    assert store.describe("x.dump").startswith(store.location)
    assert store.location.startswith(store.home)
    if root := store.root():
        assert store.name_of(str(root / "x.dump")) == "x.dump"


def test_a_store_that_was_made_is_private_and_tells_its_room(store: BackupStore) -> None:
    store.put("x.dump", b"data")
    assert (store.exists(), store.reachable(), store.writable()) == (True, True, True)
    assert store.privacy("x.dump").passed
    assert store.exposed() == []
    assert store.listing().shared == ()
    assert store.listing().files["x.dump"].private
    assert store.free() is None or store.free()
