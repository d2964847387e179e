"""A new object: its bytes are sent in parts while they come, and it gets its name at the end."""

import io
import secrets
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledgerflow_ops.adapters.storage.codec import Codec
from ledgerflow_ops.adapters.storage.objects import clients
from ledgerflow_ops.adapters.storage.objects.object_errors import already_there, translated
from ledgerflow_ops.adapters.storage.pace import Pace
from ledgerflow_ops.adapters.storage.store import decoded_copy
from ledgerflow_ops.adapters.storage.stored_file import FileStat, NewFile, StoredReader
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import Hint

if TYPE_CHECKING:
    from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore

_PIECE = 1024 * 1024
UNFINISHED = ".unfinished"
"""The section of large files that are being written, where parts cannot become an object exclusively."""


class Upload(Protocol):
    """A large file that is being sent. Its name is not visible before `publish`."""

    def part(self, data: bytes) -> None:
        """Send the next part."""

    def finish(self) -> None:
        """All parts were given: return when they are at the server."""

    def publish(self) -> None:
        """Give the object its name; Refused if that is taken."""

    def close(self) -> None:
        """Release what is not needed once it is published."""

    def abandon(self) -> None:
        """Remove what was sent, if the server can be reached."""


class StagedUpload:
    """A large file that is sent under a name of its own, and copied within the store when it is complete.

    For Azure and Google: there obstore sends parts, but cannot complete them exclusively.
    """

    def __init__(self, store: "ObjectStore", name: str) -> None:
        import obstore

        self._store, self._name = store, name
        self._staged = store.section(UNFINISHED)
        self._as = f"{name}.{secrets.token_hex(8)}"
        with self._translated():
            client, key = clients.parts(store.bucket), self._staged.key(self._as)
            self._writer = obstore.open_writer(client, key, buffer_size=store.bucket.part, max_concurrency=4)

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._store.describe(self._name), self._store.bucket.url)

    def part(self, data: bytes) -> None:
        with self._translated():
            self._writer.write(data)

    def finish(self) -> None:
        with self._translated():
            self._writer.close()

    def publish(self) -> None:
        self._staged.move(self._as, self._store, self._name)

    def close(self) -> None:
        """Nothing to release."""

    def abandon(self) -> None:
        with suppress(LedgerError):
            self._staged.delete(self._as)


class ObjectFile(NewFile):
    """A new object of a store."""

    def __init__(self, store: "ObjectStore", name: str, codec: Codec) -> None:
        self._store, self._pace = store, Pace(store.bucket.rate)
        self._pieces, self._held = list[memoryview](), 0
        self._upload: Upload | None = None
        super().__init__(name, codec)

    def stat(self) -> FileStat | None:
        return self._store.stat(self.name) if self.committed else None

    def open(self) -> StoredReader:
        self.end()
        if self.committed:
            return self._store.open(self.name, self._codec)
        if self._upload is not None:
            raise CannotJudge(
                f"{self._store.describe(self.name)}: an object store shows nothing of a large file before it "
                "is committed.",
                hint=Hint("Read it after it was committed, or keep the primary backups in a folder."),
            )
        return StoredReader(io.BytesIO(self._waiting()), self._store.describe(self.name), self._codec)

    def local_path(self, scratch: Path | None = None) -> AbstractContextManager[Path]:
        if scratch is None:
            raise ValueError(f"{self.name} is not on this machine: a copy needs a scratch folder")
        return decoded_copy(self.open, scratch / self.name)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            room = min(_PIECE, self._store.bucket.part - self._held)
            if not room:
                self._send()
                continue
            self._pace.take(min(room, len(view)))
            self._pieces.append(view[:room])
            self._held += min(room, len(view))
            view = view[room:]

    def _send(self) -> None:
        if self._upload is None:
            self._upload = self._store.begin_upload(self.name)
        part = self._waiting()
        self._pieces, self._held = [], 0
        self._upload.part(part)

    def _waiting(self) -> bytes:
        """The bytes that have not been sent, at most one part."""
        return b"".join(self._pieces)

    def _sync(self) -> None:
        if self._upload is not None:
            if self._held:
                self._send()
            self._upload.finish()

    def _commit(self) -> None:
        if self._store.taken(self.name):
            raise already_there(self._store.describe(self.name))
        try:
            self._publish()
        except LedgerError:
            if not self._was_committed():
                raise

    def _publish(self) -> None:
        if self._upload is None:
            self._store.create_object(self.name, self._waiting())
        else:
            self._upload.publish()

    def _was_committed(self) -> bool:
        """Whether the object is there with our bytes: the answer to our request may have been lost, and a
        repeated request is then refused."""
        with suppress(LedgerError):
            content = self.end()
            return self._store.size(self.name) == content[0] and self._store.content(self.name) == content
        return False

    def abandon(self) -> None:
        super().abandon()
        if self._upload is not None:
            self._upload.close() if self.committed else self._upload.abandon()
