"""The codec of encrypted backups: age's own format, flat memory, and no altered byte that goes unnoticed."""

import io
import random
import subprocess
import threading
from collections import deque
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.storage.age_codec import AgeCodec, open_header
from ledgerflow_ops.adapters.storage.age_keys import IdentitySource
from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops_tests import damage, needs
from ledgerflow_ops_tests.fakes import age_keys
from ledgerflow_ops_tests.fakes.age_keys import Key

_PLAIN = random.Random(1).randbytes(200_000)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return age_keys.new_key(tmp_path / "key.txt")


@pytest.fixture
def codec(key: Key) -> AgeCodec:
    return AgeCodec((key.recipient,), IdentitySource(key.file))


def encrypted(codec: AgeCodec, data: bytes = _PLAIN) -> bytes:
    stored = bytearray()
    encoder = codec.encoder(stored.extend)
    encoder.write(data)
    encoder.close()
    return bytes(stored)


def decrypted(codec: AgeCodec, stored: bytes) -> bytes:
    decoder = codec.decoder(io.BytesIO(stored))
    try:
        return b"".join(iter(lambda: decoder.read(50_001), b""))
    finally:
        decoder.close()


def test_the_age_program_and_this_codec_open_each_others_files(
    codec: AgeCodec, key: Key, tmp_path: Path
) -> None:
    ours = tmp_path / "ours.age"
    ours.write_bytes(encrypted(codec))
    assert age_keys.opened_by_age(ours, key) == _PLAIN
    command: list[str | Path] = [needs.program("age"), "--encrypt", "--recipient", key.recipient]
    theirs = subprocess.run(command, input=_PLAIN, check=True, stdout=subprocess.PIPE).stdout
    assert decrypted(codec, theirs) == _PLAIN


def test_an_ssh_key_is_a_recipient_and_an_identity(tmp_path: Path) -> None:
    file = tmp_path / "id"
    words: list[str | Path] = [needs.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", file]
    subprocess.run(words, check=True)
    codec = AgeCodec((file.with_suffix(".pub").read_text().strip(),), IdentitySource(file))
    assert decrypted(codec, encrypted(codec)) == _PLAIN


def test_every_identity_of_the_file_is_tried(codec: AgeCodec, key: Key, tmp_path: Path) -> None:
    newer = age_keys.new_key(tmp_path / "newer.txt")
    newer.file.write_text(f"{newer.file.read_text()}\n{key.file.read_text()}")
    both = AgeCodec((newer.recipient,), IdentitySource(newer.file))
    assert decrypted(both, encrypted(both)) == decrypted(both, encrypted(codec)) == _PLAIN


@pytest.mark.parametrize("kind", damage.HARMS)
def test_no_damage_comes_to_a_quiet_end(codec: AgeCodec, kind: str) -> None:
    stored = encrypted(codec)
    for seed in range(40):
        with pytest.raises((BadBackup, KeyUnavailable)):
            decrypted(codec, damage.harmed(kind, stored, seed))


def test_every_truncation_is_found(codec: AgeCodec) -> None:
    stored = encrypted(codec)
    lengths = {*range(400), 65_536, len(stored) - 65_552, *(len(stored) - cut for cut in range(1, 40))}
    for length in lengths:
        with pytest.raises(BadBackup):
            decrypted(codec, stored[:length])


def test_a_header_of_another_file_for_the_same_key_does_not_open_the_payload(codec: AgeCodec) -> None:
    first, second = encrypted(codec), encrypted(codec)
    swapped = _header(first) + second[len(_header(second)) :]
    with pytest.raises(BadBackup, match="altered or cut"):
        decrypted(codec, swapped)


def _header(data: bytes) -> bytes:
    """The header of an age file: up to the line that begins with `---`."""
    return data[: data.index(b"\n", data.index(b"\n--- ") + 1) + 1]


def test_a_key_that_opens_nothing_is_no_verdict_on_the_bytes(codec: AgeCodec, tmp_path: Path) -> None:
    other = AgeCodec((), IdentitySource(age_keys.new_key(tmp_path / "other.txt").file))
    with pytest.raises(KeyUnavailable, match="no identity here opens it"):
        decrypted(other, encrypted(codec))
    with pytest.raises(KeyUnavailable, match=r"nothing\.txt cannot be read"):
        decrypted(AgeCodec((), IdentitySource(tmp_path / "nothing.txt")), encrypted(codec))


def test_a_file_without_an_identity_is_refused_and_not_repeated(codec: AgeCodec, tmp_path: Path) -> None:
    file = tmp_path / "half.txt"
    file.write_text("AGE-SECRET-KEY-1QQQQ\n")
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="no identity of age in") as refusal:
        decrypted(AgeCodec((), IdentitySource(file)), encrypted(codec))
    assert "1QQQQ" not in str(refusal.value)


def test_a_disk_that_fails_while_reading_is_no_damage(codec: AgeCodec) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    decoder = codec.decoder(Failing(encrypted(codec)))
    with pytest.raises(OSError, match="Input/output error"):
        list(iter(lambda: decoder.read(10_000), b""))


def test_a_disk_that_is_full_while_writing_ends_the_encoder(codec: AgeCodec) -> None:
    def full(data: bytes) -> None:
        raise LedgerError("full", hint=Hint("Free space."))

    encoder = codec.encoder(full)
    with pytest.raises(LedgerError, match="full"):
        deque((encoder.write(_PLAIN) for _ in range(100)), maxlen=0)
    encoder.abandon()


def test_a_header_opens_by_its_beginning_alone(codec: AgeCodec, tmp_path: Path) -> None:
    """Without the contents, which may be cut or altered: that is not a matter of the key."""
    store = LocalStore(tmp_path / "dev")
    store.prepare()
    with store.create("x.dump.age", codec) as file:
        file.write(_PLAIN)
        file.commit()
    stored, own = store.read("x.dump.age"), codec.identities.read()
    end = stored.index(b"\n", stored.index(b"\n--- ") + 1) + 1 + 16  # the header, its MAC, and the nonce
    for head in (stored, stored[:end], stored[: end + 100], stored[:end] + bytes(100)):
        open_header(head, own)
    other = age_keys.new_key(tmp_path / "other.txt")
    with pytest.raises(KeyUnavailable, match="no identity here opens it"):
        open_header(stored[:end], IdentitySource(other.file).read())
    altered = bytearray(stored)
    altered[end - 20] ^= 1
    for damaged in (stored[: end - 1], stored[:40], b"", b"PGDMP", bytes(altered)):
        with pytest.raises(BadBackup, match="header of the encrypted file is damaged"):
            open_header(damaged, own)


def test_no_thread_outlives_its_file(codec: AgeCodec, tmp_path: Path) -> None:
    store, before = LocalStore(tmp_path / "dev"), threading.active_count()
    store.prepare()
    with store.create("x.dump.age", codec) as file:
        file.write(_PLAIN)  # and no more: it is abandoned
    assert store.listing().files == {}
    with store.create("x.dump.age", codec) as file:
        for _ in range(50):
            file.write(_PLAIN)
        file.commit()
    assert store.head("x.dump.age", 5, codec) == _PLAIN[:5]
    assert threading.active_count() == before
