"""Archives that are cut or damaged, files that are no archives, and the memory for reading a large one."""

import io
import os
import random
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.catalog.manifest import Contents
from ledgerflow_ops.core.catalog.naming import MAGIC
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import programs
from ledgerflow_ops_tests.fakes.codecs import Sealing
from ledgerflow_ops_tests.fakes.memory_store import MemoryStore

MB = 1_000_000


def _dump(database: Database, compression: str) -> bytes:
    file = io.BytesIO()
    with source.snapshot(database) as snapshot:
        archive.dump(
            Client(client_tools.bundled_tools(), database.variables()),
            snapshot.snapshot_id,
            compression,
            file,
            lambda size: None,
        )
    return file.getvalue()


@pytest.fixture
def books(database: Database) -> Database:
    """A database whose dump is nearly all data, with a larger table at its end."""
    run_statements(
        database,
        "CREATE TABLE zz_last AS SELECT id, md5(id::text) AS word FROM generate_series(1, 20000) AS id",
    )
    return database


@pytest.mark.parametrize("compression", ["zstd:1", "gzip:6", "lz4", "none"])
def test_a_cut_archive_is_bad_wherever_it_was_cut(root: Path, books: Database, compression: str) -> None:
    whole, file = _dump(books, compression), root / "x.dump"
    chance = random.Random(compression)
    lengths = [0, 1, 5, 40, len(whole) - 1, len(whole) - 4, *(chance.randrange(len(whole)) for _ in range(3))]
    for length in lengths:
        file.write_bytes(whole[:length])
        assert _outcome(file) is None, f"cut to {length} of {len(whole)} bytes, it was taken for whole"
    file.write_bytes(whole)
    _decode(file)


@pytest.mark.parametrize("compression", ["zstd:1", "gzip:6", "lz4", "none"])
def test_a_damaged_archive_is_bad_or_holds_something_else(
    root: Path, books: Database, compression: str
) -> None:
    whole, file = _dump(books, compression), root / "x.dump"
    file.write_bytes(whole)
    undamaged = _decode(file)
    chance = random.Random(compression)
    for _ in range(5):
        start = chance.randrange(len(whole) // 2, len(whole) - 200)
        damaged = bytearray(whole)
        damaged[start : start + 100] = bytes(100)
        file.write_bytes(damaged)
        assert _outcome(file) != undamaged, f"100 bytes zeroed at {start}"


def _decode(file: Path) -> Contents:
    with LocalStore(file.parent).open(file.name) as opened:
        return archive.decode(client_tools.bundled_tools(), opened)


def _outcome(file: Path) -> Contents | None:
    try:
        return _decode(file)
    except BadBackup:
        return None


@pytest.mark.parametrize("data", [b"", b"PGDMP", b"SELECT 1;\n", bytes(10_000), b"PGDMP" + os.urandom(5000)])
def test_what_is_no_archive_is_bad_for_every_reader(root: Path, data: bytes) -> None:
    file = root / "x.dump"
    file.write_bytes(data)
    with pytest.raises(BadBackup):
        _decode(file)
    for read in (archive.table_of_contents, archive.read_ddl):
        with pytest.raises(BadBackup):
            read(client_tools.bundled_tools(), file)


def test_the_table_of_contents_is_the_same_each_time_it_is_read(root: Path, books: Database) -> None:
    file = root / "x.dump"
    file.write_bytes(_dump(books, "zstd:1"))
    first = archive.table_of_contents(client_tools.bundled_tools(), file)
    assert first == archive.table_of_contents(client_tools.bundled_tools(), file)
    assert first.entries > 100
    assert b"CREATE TABLE public.zz_last" in archive.read_ddl(client_tools.bundled_tools(), file)


def test_a_pg_dump_that_fails_is_reported_with_its_last_lines_and_no_secret(
    root: Path, database: Database
) -> None:
    script = '"$real" "$@"; echo "error: postgresql://u:s3cr3t@h/b is lost" >&2; exit 7'
    tools = client_tools.find_tools(
        programs.falsified(root / "bad", "pg_dump", programs.DUMPS, script), "tools_dir"
    )
    assert tools is not None
    with source.snapshot(database) as snapshot, pytest.raises(LedgerError) as caught:
        archive.dump(
            Client(tools, database.variables()), snapshot.snapshot_id, "none", io.BytesIO(), lambda size: None
        )
    assert "pg_dump failed (exit code 7)" in caught.value.message
    assert "postgresql://u:***@h/b is lost" in caught.value.message


def test_a_disk_that_fails_in_the_middle_ends_every_program(database: Database) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> NoReturn:
            raise OSError(28, "No space left on device")

    before = set(psutil.Process().children(recursive=True))
    with source.snapshot(database) as snapshot, pytest.raises(OSError, match="No space left"):
        archive.dump(
            Client(client_tools.bundled_tools(), database.variables()),
            snapshot.snapshot_id,
            "none",
            Full(),
            lambda size: None,
        )
    assert set(psutil.Process().children(recursive=True)) <= before


def test_memory_does_not_grow_with_the_archive(root: Path, database: Database) -> None:
    run_statements(
        database,
        """CREATE TABLE large AS
           SELECT id, repeat(md5(id::text), 3000) AS word FROM generate_series(1, 2000) AS id""",
    )
    ours = psutil.Process()
    with source.snapshot(database) as snapshot, (root / "x.dump").open("wb", buffering=0) as file:
        before, seen = ours.memory_info().rss, [0]
        streamed = archive.dump(
            Client(client_tools.bundled_tools(), database.variables()),
            snapshot.snapshot_id,
            "none",
            file,
            lambda size: seen.append(ours.memory_info().rss),
        )
    assert streamed.size > 190 * MB
    assert max(seen) - before < 64 * MB


def test_the_hash_of_a_file_is_that_of_its_bytes(root: Path) -> None:
    (root / "x").write_bytes(b"abc")
    moves: list[int] = []
    assert LocalStore(root).content("x", moves.append) == (
        3,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    assert moves == [3]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, root: Path) -> BackupStore:
    return LocalStore(root) if request.param == "local" else MemoryStore()


def test_an_encoded_dump_is_written_and_read_as_a_stream(
    store: BackupStore, root: Path, books: Database
) -> None:
    programs_, codec, scratch = client_tools.bundled_tools(), Sealing(), root / "scratch"
    scratch.mkdir(mode=0o700)
    with source.snapshot(books) as snapshot, store.create("x.dump", codec) as new:
        client = Client(programs_, books.variables())
        streamed = archive.dump(client, snapshot.snapshot_id, "zstd:1", new, lambda size: None)
        content = new.end()
        new.commit()
    assert store.content("x.dump") == content
    assert content[0] > streamed.size
    assert store.head("x.dump", 5) != MAGIC == store.head("x.dump", 5, codec)
    with store.open("x.dump", codec) as file:
        assert archive.decode(programs_, file) == streamed.contents
    with store.open("x.dump", codec) as file:
        assert archive.row_sums(programs_, file, ["public.zz_last"])["public.zz_last"].rows == 20_000
    with store.local_path("x.dump", codec, scratch) as path:
        assert b"CREATE TABLE public.zz_last" in archive.read_ddl(programs_, path)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_an_encoded_dump_that_was_harmed_is_bad(
    store: BackupStore, root: Path, books: Database, harm: str
) -> None:
    codec, whole = Sealing(), _dump(books, "zstd:1")
    with store.create("x.dump", codec) as new:
        new.write(whole)
        new.commit()
    stored = bytearray(store.read("x.dump"))
    if harm == "flipped":
        stored[len(stored) // 2] ^= 1
    store.put("y.dump", bytes(stored[:-1] if harm == "cut" else stored))
    with store.open("y.dump", codec) as file, pytest.raises(BadBackup):
        archive.decode(client_tools.bundled_tools(), file)
