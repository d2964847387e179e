"""Encrypts files in the format of age (age-encryption.org/v1), which the `age` program opens.

pyrage pulls from one stream and pushes into another, so each file has a thread of its own. It gives out plain
bytes before the end is authenticated: whoever reads must not act on them until `read` has returned the end.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledgerflow_ops.adapters.storage.age_keys import IdentitySource, parse_recipient
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, LedgerError
from ledgerflow_ops.core.hints import Hint

if TYPE_CHECKING:
    from ledgerflow_ops.adapters.storage.codec import Encoder, Sink, Source

_BUFFER = 4 * 1024 * 1024
"""Bytes that may wait between the two threads of a file."""
HEADER_SIZE = 64 * 1024
"""Bytes of a file that hold its header: some hundred for each recipient, a thousand for one of ssh-rsa."""
_PORTION = 256 * 1024
"""Bytes of decrypted text that are handed over at once: pyrage writes 8 KiB at a time."""
_OTHER_FILE = Hint("Take the file from another location, or take another backup.")
_WRONG_KEY = Hint(
    "This says nothing about the backup. Its manifest names its recipients: set identity_file or "
    "identity_command to the identity of one of them."
)


@dataclass(frozen=True, slots=True)
class AgeCodec:
    """Encrypts for `recipients`; decrypts with the identities that `identities` leads to."""

    recipients: tuple[str, ...]
    identities: IdentitySource
    is_plain = False

    def encoder(self, sink: "Sink") -> "Encoder":
        return _Encoder([parse_recipient(text) for text in self.recipients], sink)

    def decoder(self, stored: "Source") -> "Source":
        return _Decoder(self.identities, stored)


def open_header(head: bytes, identities: Sequence[object]) -> None:
    """Open the header of an encrypted file. `head` are its first HEADER_SIZE bytes, or all that it has.

    KeyUnavailable (5) where none of the identities opens it, BadBackup (4) where it is damaged. The contents
    are not authenticated.
    """
    import pyrage

    try:
        pyrage.decrypt_io(io.BytesIO(head), io.BytesIO(), identities)
    except pyrage.DecryptError as error:
        raise _header_error(str(error)) from None
    except OSError:  # the contents, which are cut: the header was opened before
        return


class _Cancelled(Exception):
    """The other side of a `_Handover` wants no more."""


class _Handover:
    """Bytes that one thread writes and another reads; `write` waits while too many are not read yet."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._size, self._changed = 0, threading.Condition()
        self._ended = self._cancelled = False
        self._error: BaseException | None = None

    def write(self, data: bytes) -> None:
        """Add bytes; raises the reader's error, or _Cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < _BUFFER or self._cancelled)
            if self._cancelled:
                raise self._error or _Cancelled
            self._parts.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def read(self) -> bytes:
        """The next bytes, none at the end; raises the writer's error, or _Cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._ended or self._cancelled)
            if self._cancelled:
                raise _Cancelled
            if self._parts:
                part = self._parts.popleft()
                self._size -= len(part)
                self._changed.notify_all()
                return part
            if self._error:
                raise self._error
            return b""

    def end(self, error: BaseException | None = None) -> None:
        """No more bytes will be written, because of `error` if there is one."""
        with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    def cancel(self, error: BaseException | None = None) -> None:
        """No more bytes will be read, because of `error` if there is one; safe at any time."""
        with self._changed:
            self._cancelled, self._error = True, self._error or error
            self._changed.notify_all()


class _Callbacks:
    """Streams for pyrage, which turns the exception of a callback into its own: `error` is the real one."""

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
        self._read, self._write = read, write
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(size)
        except BaseException as error:
            self.error = self.error or error
            raise

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except BaseException as error:
            self.error = self.error or error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""


class _Encoder:
    """Encrypts in a thread of its own, which also calls the sink."""

    def __init__(self, recipients: list[object], sink: "Sink") -> None:
        self._plain, self._recipients, self._sink = _Handover(), recipients, sink
        self._held = memoryview(b"")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._encrypt, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        self._plain.write(bytes(data))

    def close(self) -> None:
        self._plain.end()
        self._thread.join()
        if self._error:
            raise self._error

    def abandon(self) -> None:
        self._plain.cancel()
        self._thread.join()

    def _encrypt(self) -> None:
        import pyrage

        streams = _Callbacks(self._next, self._sink)
        try:
            pyrage.encrypt_io(streams, streams, self._recipients)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = streams.error or _as_ledger_error(error)
            self._plain.cancel(self._error)

    def _next(self, size: int) -> bytes:
        if not self._held:
            self._held = memoryview(self._plain.read())
        given, self._held = bytes(self._held[:size]), self._held[size:]
        return given


class _Decoder:
    """Decrypts in a thread of its own, from the first `read` on."""

    def __init__(self, identities: IdentitySource, stored: "Source") -> None:
        self._identities, self._stored = identities, stored
        self._plain, self._held, self._batch = _Handover(), memoryview(b""), bytearray()
        self._thread: threading.Thread | None = None

    def read(self, size: int, /) -> bytes:
        if self._thread is None:
            keys = self._identities.read()
            self._thread = threading.Thread(target=self._decrypt, args=(keys,), daemon=True)
            self._thread.start()
        if not self._held:
            self._held = memoryview(self._plain.read())
        given, self._held = bytes(self._held[:size]), self._held[size:]
        return given

    def close(self) -> None:
        """Stop decrypting; the stored bytes are not read any more."""
        self._plain.cancel()
        if self._thread:
            self._thread.join()

    def _decrypt(self, keys: list[object]) -> None:
        import pyrage

        streams = _Callbacks(self._stored.read, self._take)
        try:
            pyrage.decrypt_io(streams, streams, keys)
        except pyrage.DecryptError as error:
            self._plain.end(streams.error or _header_error(str(error)))
        except OSError:
            self._plain.end(streams.error or _payload_error())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._plain.end(streams.error or _as_ledger_error(error))
        else:
            if self._batch:
                self._plain.write(bytes(self._batch))
            self._plain.end()

    def _take(self, data: bytes) -> None:
        self._batch += data
        if len(self._batch) >= _PORTION:
            self._plain.write(bytes(self._batch))
            self._batch.clear()


def _header_error(text: str) -> LedgerError:
    """A header that no identity here opens says nothing about the backup; any other fault is damage."""
    if "No matching keys" in text:
        return KeyUnavailable("It is encrypted, and no identity here opens it.", hint=_WRONG_KEY)
    return BadBackup(f"The header of the encrypted file is damaged: {text}.", hint=_OTHER_FILE)


def _payload_error() -> BadBackup:
    return BadBackup("The encrypted file was altered or cut: its bytes do not decrypt.", hint=_OTHER_FILE)


def _as_ledger_error(error: BaseException) -> BaseException:
    """An error of pyrage as one of ours; its message names no key."""
    if isinstance(error, LedgerError):
        return error
    return LedgerError(f"Encryption failed: {error}", hint=Hint("Nothing was kept. Run it again."))
