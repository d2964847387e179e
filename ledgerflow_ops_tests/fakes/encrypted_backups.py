"""Two encrypted backups of one database, and the ways of damaging a part of one (dump, files or roles)."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.operations import catalog
from ledgerflow_ops_tests import damage, databases
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import age_keys, sandboxes, targets
from ledgerflow_ops_tests.fakes.servers import Server
from ledgerflow_ops_tests.fakes.targets import RestoreTarget

CHUNK = 64 * 1024 + 16
"""Bytes of an encrypted chunk: the last one may be shorter. https://age-encryption.org/v1"""
_NOISE = "CREATE TABLE noise AS SELECT sha512(n::text::bytea) AS bytes FROM generate_series(1, 3000) AS n"
"""192 KB that cannot be compressed: the dump has several chunks."""
PARTS = ("dump", "files", "globals")


@dataclass(frozen=True)
class EncryptedBackups:
    """Two backups of one database for the same key, first.dump proven; and plain.dump, not encrypted."""

    target: RestoreTarget
    first: Manifest
    second: Manifest
    kept: Mapping[str, bytes]
    """All files of the folder, whole."""

    @property
    def name(self) -> BackupName:
        return BackupName.of(self.first.dump.file)

    def file(self, part: str) -> str:
        return str(getattr(self.name, part))

    def data(self, part: str) -> bytes:
        return self.kept[self.file(part)]

    def others(self, part: str, other: str = "second.dump.age") -> bytes:
        """The same part of another backup."""
        return self.kept[str(getattr(BackupName.of(other), part))]

    def lay(self, changes: Mapping[str, bytes], folder: Path | None = None) -> None:
        """Make the folder hold what it held, but for these files. By default the primary folder."""
        folder = folder or backup_folder_of(self.target.env()).path
        laid = {**self.kept, **changes}
        for file in folder.iterdir():
            if file.is_file() and file.name not in laid:
                file.unlink()
        for name, data in laid.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_bytes(data)

    def forged(self, part: str, data: bytes) -> dict[str, bytes]:
        """These bytes for a part, and a manifest that commits them."""
        facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if part == "files":
            state = self.first.files
            assert state
            changed: object = state.model_copy(update={"archive": state.archive.model_copy(update=facts)})
        else:
            changed = getattr(self.first, part).model_copy(update=facts)
        manifest = self.first.model_copy(update={part: changed})
        return {self.file(part): data, self.name.manifest: manifest.encode()}


@contextmanager
def encrypted_backups(session_root: Path, server: Server) -> Iterator[EncryptedBackups]:
    """Take them in a folder below `session_root`; the database is dropped afterwards."""
    with sandboxes.temporary_folder(session_root) as root:
        key, media = age_keys.new_key(root / "key.txt"), root / "media"
        media.mkdir()
        (media / "scan.pdf").write_bytes(os.urandom(3 * 64 * 1024))
        database = server.small_books(f"damaged_{secrets.token_hex(4)}")
        databases.run_statements(database, _NOISE)
        target = targets.new_target(root, database, server, {**key.settings, "files": [media]})
        try:
            (media / "later.pdf").write_bytes(os.urandom(1000))
            second = sandboxes.take_backup(target.env(), BackupRequest(file="second.dump"))
            sandboxes.take_backup(target.env(recipients=[]), BackupRequest(file="plain.dump"))
            yield _read(target, second)
        finally:
            target.drop_all()


def _read(target: RestoreTarget, second: Manifest) -> EncryptedBackups:
    env = target.env()
    first = catalog.read_manifest(env, catalog.find(env, "first.dump"))
    assert first
    own = backup_folder_of(env).path
    kept = {file.name: file.read_bytes() for file in own.iterdir() if file.is_file()}
    return EncryptedBackups(target, first, second, kept)


# What is done to a part. Each takes the backups and the part, and returns its damaged bytes.

Deed = Callable[[EncryptedBackups, str], bytes]


def header_of(data: bytes) -> bytes:
    """The header of an age file (up to the line that begins with `---`) with the nonce of its payload."""
    return data[: data.index(b"\n", data.index(b"\n--- ") + 1) + 1 + 16]


def _harmed(kind: str) -> Deed:
    return lambda backups, part: damage.harmed(kind, backups.data(part), 1)


def _cut(length: Callable[[bytes], int]) -> Deed:
    return lambda backups, part: backups.data(part)[: length(backups.data(part))]


def _flipped(place: Callable[[bytes], int]) -> Deed:
    def flip(backups: EncryptedBackups, part: str) -> bytes:
        data = bytearray(backups.data(part))
        data[place(backups.data(part))] ^= 1
        return bytes(data)

    return flip


def _payload(change: Callable[[list[bytes]], list[bytes]]) -> Deed:
    """The payload's chunks in another order, or other ones."""

    def changed(backups: EncryptedBackups, part: str) -> bytes:
        data = backups.data(part)
        head = header_of(data)
        rest = data[len(head) :]
        chunks = [rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)]
        return head + b"".join(change(chunks))

    return changed


def _others_header(backups: EncryptedBackups, part: str) -> bytes:
    own, other = backups.data(part), backups.others(part)
    return header_of(other) + own[len(header_of(own)) :]


def _header_size(data: bytes) -> int:
    return len(header_of(data))


SMALL: dict[str, Deed] = {
    **{kind: _harmed(kind) for kind in damage.HARMS if kind != "another digit"},
    "zero-filled": lambda backups, part: bytes(len(backups.data(part))),
    "cut after the header": _cut(_header_size),
    "cut in the nonce": _cut(lambda data: _header_size(data) - 5),
    "the last byte missing": _cut(lambda data: len(data) - 1),
    "a flip in the first line": _flipped(lambda data: 3),
    "a flip in the header's MAC": _flipped(lambda data: data.index(b"\n--- ") + 8),
    "a flip in the nonce": _flipped(lambda data: _header_size(data) - 1),
    "a flip in the payload": _flipped(lambda data: _header_size(data) + 20),
    "a flip in the last byte": _flipped(lambda data: len(data) - 1),
    "a chunk appended": _payload(lambda chunks: [*chunks, chunks[-1]]),
    "another backup's header": _others_header,
    "a plain file": lambda backups, part: backups.others(part, "plain.dump"),
}
"""For every part."""
LARGE: dict[str, Deed] = {
    **{
        f"cut {extra:+} at the border of chunk {number}": _cut(
            lambda data, number=number, extra=extra: _header_size(data) + number * CHUNK + extra  # type: ignore[misc]
        )
        for number in (1, 2)
        for extra in (-1, 0, 1)
    },
    "the first chunk missing": _payload(lambda chunks: chunks[1:]),
    "a chunk in the midst missing": _payload(lambda chunks: [chunks[0], *chunks[2:]]),
    "the last chunk missing": _payload(lambda chunks: chunks[:-1]),
    "two chunks swapped": _payload(lambda chunks: [chunks[1], chunks[0], *chunks[2:]]),
    "a chunk doubled": _payload(lambda chunks: [chunks[0], *chunks]),
    "a flip in the last chunk": _flipped(lambda data: len(data) - 40),
}
"""For those with several chunks."""


def for_another_key(backups: EncryptedBackups, part: str) -> bytes:
    """Another share of the key agreement: as if it were for another key."""
    data = backups.data(part)
    at = data.index(b"-> X25519 ") + 12
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


def flip_last(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
