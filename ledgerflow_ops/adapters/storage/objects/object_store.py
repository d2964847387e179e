"""A backup store in a bucket: the objects whose keys begin with a prefix. Decision 46 says what differs."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ledgerflow_ops.adapters.storage.codec import PLAIN, Codec
from ledgerflow_ops.adapters.storage.objects import clients, s3_calls
from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, ObjectVersion, Protection
from ledgerflow_ops.adapters.storage.objects.object_errors import translated
from ledgerflow_ops.adapters.storage.objects.object_file import (
    UNFINISHED,
    ObjectFile,
    StagedUpload,
    Upload,
)
from ledgerflow_ops.adapters.storage.store import BackupStore, copy, decoded_copy
from ledgerflow_ops.adapters.storage.stored_file import CHUNK, FileStat, Listing, NewFile, StoredReader
from ledgerflow_ops.core.checks import Check, passed
from ledgerflow_ops.core.errors import LedgerError, Missing, Unanswered
from ledgerflow_ops.core.hints import Hint

if TYPE_CHECKING:
    from obstore import BytesStream, ObjectMeta

_LARGEST_COPY = 5 * 1024**3
"""Bytes that S3 copies in one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_WRITING: set[tuple[Bucket, str]] = set()
_WRITERS = Lock()
"""The keys that this process is writing."""


@dataclass(frozen=True, slots=True)
class ObjectStore(BackupStore):
    """The store of the objects `prefix`/NAME in a bucket. `prefix` has no slash at its ends."""

    bucket: Bucket
    prefix: str
    retain_until: datetime | None = field(default=None, compare=False)
    """New files, but not replaced records, are locked until then. Set it by `retained`."""

    def key(self, name: str) -> str:
        """The whole key of a file."""
        return f"{self.prefix}/{name}" if self.prefix else name

    # -- the place ----------------------------------------------------------------------------------------

    @property
    def location(self) -> str:
        return f"{self.bucket.url}/{self.prefix}".rstrip("/")

    @property
    def home(self) -> str:
        return f"{self.bucket.url}/{self.prefix.rpartition('/')[0]}".rstrip("/")

    def describe(self, name: str) -> str:
        return f"{self.location}/{name}"

    def reachable(self) -> bool:
        try:
            self._ask()
        except (Unanswered, Missing):
            return False
        return True

    def exists(self) -> bool:
        try:
            self._ask()
        except Missing:
            return False
        return True

    def writable(self) -> bool:
        """Whether the bucket is there; its server says only at a write whether it takes one."""
        return self.reachable()

    def prepare(self) -> None:
        """Check that the bucket is there: it is created at its provider, with rules that are not ours."""
        self._ask()

    def exposed(self) -> list[str]:
        parts = urlsplit(self.bucket.service)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            return [f"whoever is on the network to {parts.hostname} can read what is sent: it is plain http"]
        return []

    def space(self) -> None:
        return None

    def section(self, name: str) -> "ObjectStore":
        return replace(self, prefix=self.key(name))

    def root(self) -> None:
        return None

    def _ask(self) -> None:
        """One request that lists at most a page; LedgerError that says why nothing can be listed."""
        import obstore

        with self._translated():
            next(iter(obstore.list(clients.calls(self.bucket), self.prefix, chunk_size=1)), None)

    def _translated(self, name: str = "") -> AbstractContextManager[None]:
        return translated(self.describe(name) if name else self.location, self.bucket.url)

    # -- its files ----------------------------------------------------------------------------------------

    def listing(self) -> Listing:
        import obstore

        with self._translated():
            found = obstore.list_with_delimiter(clients.calls(self.bucket), self.prefix)
        stats = (_stat(entry) for entry in found["objects"])
        return Listing({stat.name: stat for stat in stats})

    def names(self, *endings: str, hidden: bool = False) -> list[str]:
        found = self.listing().files
        return sorted(name for name in found if name.endswith(endings) and (name[0] == ".") is hidden)

    def stat(self, name: str) -> FileStat | None:
        import obstore

        try:
            with self._translated(name):
                return _stat(obstore.head(clients.calls(self.bucket), self.key(name)))
        except LedgerError as error:
            self._ask()  # the answer to HEAD has no body: this one says what is wrong
            if isinstance(error, Missing):
                return None
            raise

    def privacy(self, name: str) -> Check:  # noqa: ARG002
        return passed(
            "permissions", "The rules of its provider say who may read the bucket; they are not read."
        )

    def name_of(self, text: str) -> str | None:
        name = text.removeprefix(f"{self.location}/")
        return None if "/" in name else name

    def how_to_fetch(self, name: str) -> Hint:
        return Hint(f"{self.describe(name)} is read from its server.")

    # -- reading ------------------------------------------------------------------------------------------

    def open(self, name: str, codec: Codec = PLAIN) -> StoredReader:
        import obstore

        with self._translated(name):
            stream = obstore.get(clients.downloads(self.bucket), self.key(name)).stream(min_chunk_size=CHUNK)
        return StoredReader(_Download(stream, self, name), self.describe(name), codec)  # type: ignore[arg-type]

    def head(self, name: str, count: int, codec: Codec = PLAIN) -> bytes:
        """As in every store. Stored bytes are asked for by their range, so no more than these are sent."""
        import obstore

        if not codec.is_plain:
            return BackupStore.head(self, name, count, codec)
        try:
            with self._translated(name):
                asked: obstore.GetOptions = {"range": (0, count)}
                return bytes(
                    obstore.get(clients.downloads(self.bucket), self.key(name), options=asked).bytes()
                )
        except LedgerError:  # an empty object has no range (416); for any other reason it is said again
            return BackupStore.head(self, name, count, codec)

    def local_path(
        self, name: str, codec: Codec = PLAIN, scratch: Path | None = None
    ) -> AbstractContextManager[Path]:
        if scratch is None:
            raise ValueError(f"{name} is not on this machine: a copy needs a scratch folder")
        return decoded_copy(lambda: self.open(name, codec), scratch / name)

    # -- writing ------------------------------------------------------------------------------------------

    @contextmanager
    def create(self, name: str, codec: Codec = PLAIN) -> Iterator[NewFile]:
        with self._alone(name):
            file = ObjectFile(self, name, codec)
            try:
                yield file
            finally:
                file.abandon()

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Be the only writer of this name in this process. Of several processes, the first to commit wins."""
        writing = (self.bucket, self.key(name))
        with _WRITERS:
            if writing in _WRITING:
                hint = Hint("Another backup is writing under this name. Try again.")
                raise LedgerError(f"{self.describe(name)} is being written.", hint=hint)
            _WRITING.add(writing)
        try:
            yield
        finally:
            _WRITING.discard(writing)

    def begin_upload(self, name: str) -> Upload:
        """The upload of a large new file."""
        if self.bucket.kind == "s3":
            return s3_calls.MultipartUpload(self.bucket, self.key(name), self.retain_until)
        return StagedUpload(self, name)

    def create_object(self, name: str, data: bytes) -> None:
        """Create a small object; Refused if its name is taken."""
        import obstore

        if self.retain_until:
            s3_calls.put_locked(self.bucket, self.key(name), data, self.retain_until)
            return
        with self._translated(name):
            obstore.put(clients.parts(self.bucket), self.key(name), data, mode="create")

    def replace(self, name: str, data: bytes) -> None:
        import obstore

        with self._translated(name):
            obstore.put(clients.parts(self.bucket), self.key(name), data, use_multipart=False)

    def delete(self, name: str) -> None:
        import obstore

        try:
            with self._translated(name):
                obstore.delete(clients.calls(self.bucket), self.key(name))
        except Missing:
            self._ask()

    def move(self, name: str, other: BackupStore, as_name: str) -> None:
        import obstore

        assert isinstance(other, ObjectStore), "a section of a bucket is in the bucket"
        if self.bucket.kind == "s3" and (self.size(name) or 0) > _LARGEST_COPY:
            with self.open(name) as source, other.create(as_name) as file:
                copy(source, file)
                file.commit()
        else:
            with translated(other.describe(as_name), self.bucket.url):
                client = clients.parts(self.bucket)
                obstore.copy(client, self.key(name), other.key(as_name), overwrite=False)
        self.delete(name)

    def leftovers(self) -> list[str]:
        return [name for name, _ in self._unfinished()]

    def sweep(self) -> list[str]:
        swept = self._unfinished()
        for name, upload in swept:
            if self.bucket.kind == "s3":
                s3_calls.abort_upload(self.bucket, self.key(name), upload)
            else:
                self.section(UNFINISHED).delete(upload)
        return [name for name, _ in swept]

    def _unfinished(self) -> list[tuple[str, str]]:
        """The names that unfinished uploads were to get, each with what its parts are known by."""
        if self.bucket.kind == "s3":
            return s3_calls.unfinished_uploads(self.bucket, self.key(""))
        staged = self.section(UNFINISHED).listing().files
        return [(name.rpartition(".")[0], name) for name in sorted(staged)]

    # -- what only a bucket has ---------------------------------------------------------------------------

    def protection(self) -> Protection:
        """What the bucket does for its objects by itself; unknown for Azure and Google."""
        return s3_calls.read_protection(self.bucket) if self.bucket.kind == "s3" else Protection()

    def retained(self, until: datetime) -> "ObjectStore":
        """The same store, which locks what it creates until that instant where the bucket can and the
        location's settings do not say `off`. Its `retain_until` is None where it cannot."""
        locks = self.bucket.lock != "off" and bool(self.protection().lockable)
        return replace(self, retain_until=until if locks else None)

    def versions(self) -> list[ObjectVersion]:
        """All versions of the store's files, also of those that were overwritten or deleted; S3 only."""
        return s3_calls.list_versions(self.bucket, self.key("")) if self.bucket.kind == "s3" else []


class _Download(io.RawIOBase):
    """An object's bytes, as they come."""

    def __init__(self, stream: "BytesStream", store: ObjectStore, name: str) -> None:
        self._chunks, self._store, self._name = iter(stream), store, name
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`; all of them where it is negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not self._rest:
            with translated(self._store.describe(self._name), self._store.bucket.url):
                self._rest = memoryview(next(self._chunks, b""))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


def _stat(entry: "ObjectMeta") -> FileStat:
    """An object's facts. HEAD and a list give its time to the second, and its ETag with or without quotes."""
    tag = (entry["e_tag"] or "").strip('"')
    modified = int(entry["last_modified"].timestamp()) * 1_000_000_000
    identity = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big")
    return FileStat(entry["path"].rpartition("/")[2], entry["size"], modified, modified, identity)
