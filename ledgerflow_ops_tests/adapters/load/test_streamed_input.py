"""A file that is fed to a program is read to its verified end, whatever the program reads of it."""

import random
import subprocess
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.load.streamed_input import streamed_input
from ledgerflow_ops.adapters.storage.age_codec import AgeCodec
from ledgerflow_ops.adapters.storage.age_keys import IdentitySource
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable
from ledgerflow_ops_tests.fakes import age_keys

_PLAIN = random.Random(1).randbytes(3_000_000)
CONTENT, LITTLE = ["sha256sum"], ["head", "--bytes=10"]


@pytest.fixture
def file(tmp_path: Path) -> StoredFile:
    key = age_keys.new_key(tmp_path / "key.txt")
    codec, store = AgeCodec((key.recipient,), IdentitySource(key.file)), LocalStore(tmp_path / "dev")
    store.prepare()
    with store.create("x.dump.age", codec) as new:
        new.write(_PLAIN)
        new.commit()
    return StoredFile(store, "x.dump.age", codec)


def _path(file: StoredFile) -> Path:
    return Path(file.store.describe(file.name))


@pytest.mark.parametrize("program", [CONTENT, LITTLE])
def test_a_program_gets_the_plain_bytes(file: StoredFile, program: list[str]) -> None:
    with streamed_input(file) as stream:
        done = subprocess.run(program, stdin=stream.descriptor, stdout=subprocess.PIPE, check=True)
        stream.finish(done.returncode)
    assert done.stdout == subprocess.run(program, input=_PLAIN, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("program", [CONTENT, LITTLE])
def test_an_altered_end_is_found_though_the_program_was_content(file: StoredFile, program: list[str]) -> None:
    data = _path(file).read_bytes()
    _path(file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with streamed_input(file) as stream:
        done = subprocess.run(program, stdin=stream.descriptor, stdout=subprocess.DEVNULL, check=True)
        with pytest.raises(BadBackup, match="altered or cut"):
            stream.finish(done.returncode)


def test_a_missing_key_is_the_error_and_not_what_the_program_says_of_an_empty_input(
    file: StoredFile,
) -> None:
    closed = StoredFile(file.store, file.name, AgeCodec((), IdentitySource()))
    with streamed_input(closed) as stream:
        done = subprocess.run(["grep", "x"], stdin=stream.descriptor, stdout=subprocess.DEVNULL, check=False)
        assert done.returncode == 1
        with pytest.raises(KeyUnavailable, match="no identity is set here"):
            stream.finish(done.returncode)


def test_it_ends_with_its_block_though_the_program_read_nothing(file: StoredFile) -> None:
    with streamed_input(file) as stream:
        subprocess.run(["false"], stdin=stream.descriptor, check=False)
    assert stream.descriptor >= 0
