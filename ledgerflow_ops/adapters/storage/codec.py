"""The step that a file's bytes pass between its reader or writer and the store: today none, next encryption.

What a store holds, counts and hashes are *stored* bytes; what callers write and read are *plain* bytes.
"""

from collections.abc import Callable
from typing import Protocol

Sink = Callable[[bytes], object]
"""Takes the next stored bytes."""


class Source(Protocol):
    """Gives the next bytes, at most `size` of them; none at the end."""

    def read(self, size: int, /) -> bytes: ...


class Encoder(Protocol):
    """Turns the plain bytes of one file into stored ones, which go to the sink that it was made for."""

    def write(self, data: bytes) -> object:
        """Take the next plain bytes."""

    def close(self) -> None:
        """End the stored bytes, with whatever proves that none are missing. Nothing is written after it."""

    def abandon(self) -> None:
        """Give up: end threads, give memory back. Safe at any time, also after `close`."""


class Codec(Protocol):
    """How files are encoded. One object serves any number of files and threads."""

    @property
    def is_plain(self) -> bool:
        """Whether stored and plain bytes are the same: then a program may read a store's own file."""

    def encoder(self, into: Sink) -> Encoder:
        """What encodes one file, from its first byte on."""

    def decoder(self, stored: Source) -> Source:
        """The plain bytes of what `stored` gives.

        `read` returns no bytes (the end) only once all that was stored has been shown to be whole and
        unaltered. BadBackup at the latest there for bytes that are cut or altered; CannotJudge where the
        key to them is not at hand, which says nothing of the bytes. What was read before the end is not
        yet shown to be right.
        """


class _Through:
    """Hands on what it is given."""

    def __init__(self, into: Sink) -> None:
        self.write = into

    def close(self) -> None:
        """There is nothing to end."""

    def abandon(self) -> None:
        """There is nothing to give back."""


class Plain:
    """The identity: what is stored is what was written."""

    is_plain = True

    def encoder(self, into: Sink) -> Encoder:
        return _Through(into)

    def decoder(self, stored: Source) -> Source:
        return stored


PLAIN: Codec = Plain()
