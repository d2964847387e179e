"""How a file's bytes are encoded on their way into the store and decoded on their way out.

A store holds, counts and hashes *stored* bytes; callers write and read *plain* bytes. The one here
stores the plain bytes; `age_codec.py` encrypts.
"""

from collections.abc import Callable
from typing import Protocol

Sink = Callable[[bytes], object]
"""Takes the next stored bytes."""


class Source(Protocol):
    """A stream of bytes: `read` returns at most `size` of them, and none at the end."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None:
        """Stop, and release what it holds. Safe at any time."""


class Encoder(Protocol):
    """Encodes the plain bytes of one file, and passes the stored bytes to its sink."""

    def write(self, data: bytes) -> object:
        """Take the next plain bytes."""

    def close(self) -> None:
        """Finish the stored bytes, with whatever proves that none are missing. No `write` may follow."""

    def abandon(self) -> None:
        """Give up: end threads and release memory. Safe at any time, also after `close`."""


class Codec(Protocol):
    """How files are encoded. One object serves any number of files and threads."""

    @property
    def is_plain(self) -> bool:
        """Whether stored and plain bytes are the same, so that a program may read the file."""

    def encoder(self, sink: Sink) -> Encoder:
        """A new encoder for one file, which passes the stored bytes to `sink`."""

    def decoder(self, stored: Source) -> Source:
        """The plain bytes of `stored`.

        `read` returns no bytes (the end) only after all stored bytes have been verified as complete and
        unaltered. It raises BadBackup, at the latest at the end, if bytes are missing or altered, and
        CannotJudge if the key is not available, which says nothing about the bytes. Bytes that are read
        before the end are not verified yet.
        """


class _PassThrough:
    """Passes bytes on unchanged."""

    def __init__(self, sink: Sink) -> None:
        self.write = sink

    def close(self) -> None:
        """Nothing to finish."""

    def abandon(self) -> None:
        """Nothing to release."""


class PlainCodec:
    """The identity: the stored bytes are the plain bytes."""

    is_plain = True

    def encoder(self, sink: Sink) -> Encoder:
        return _PassThrough(sink)

    def decoder(self, stored: Source) -> Source:
        return stored


PLAIN: Codec = PlainCodec()
