"""A codec for tests: it hides the bytes, and shows that none is missing or another, as encryption will.

Frames of at most 64 KiB of plain bytes, each after its length; an empty one, the number of plain bytes and
their keyed digest at the end. The key stream is a digest in counter mode: for tests, not for secrets.
"""

import hashlib
import hmac
from dataclasses import dataclass

from ledgerflow_ops.adapters.storage.codec import Sink, Source
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint

_FRAME = 64 * 1024
_HEADER = b"sealed-for-tests\n"
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Sealing:
    """A codec with this key."""

    key: bytes = b"a key of the tests"
    is_plain = False

    def encoder(self, sink: Sink) -> "_Encoder":
        return _Encoder(self.key, sink)

    def decoder(self, stored: Source) -> "_Decoder":
        return _Decoder(self.key, stored)


class _Masking:
    """The two halves' common part: what hides the bytes, and what authenticates them."""

    def __init__(self, key: bytes) -> None:
        self._key, self._frames, self.size = key, 0, 0
        self.digest = hmac.new(key, digestmod=hashlib.sha256)

    def mask(self, data: bytes) -> bytes:
        stream = hashlib.shake_128(self._key + self._frames.to_bytes(8, "big")).digest(len(data))
        self._frames += 1
        number = int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")
        return number.to_bytes(len(data), "big")

    def count(self, plain: bytes) -> None:
        self.digest.update(plain)
        self.size += len(plain)

    def trailer(self) -> bytes:
        self.digest.update(self.size.to_bytes(8, "big"))
        return self.size.to_bytes(8, "big") + self.digest.digest()


class _Encoder:
    def __init__(self, key: bytes, into: Sink) -> None:
        self._masking, self._into, self.abandoned = _Masking(key), into, False
        into(_HEADER)

    def write(self, data: bytes) -> None:
        for begin in range(0, len(data), _FRAME):
            plain = data[begin : begin + _FRAME]
            self._masking.count(plain)
            self._into(len(plain).to_bytes(4, "big") + self._masking.mask(plain))

    def close(self) -> None:
        self._into(bytes(4) + self._masking.trailer())

    def abandon(self) -> None:
        self.abandoned = True


class _Decoder:
    def __init__(self, key: bytes, stored: Source) -> None:
        self._masking, self._stored, self._ready, self._ended = _Masking(key), stored, b"", False
        self._begun = False

    def read(self, size: int, /) -> bytes:
        if not self._begun and self._exactly(len(_HEADER)) != _HEADER:
            raise _bad("it does not begin as such a file")
        self._begun = True
        if not self._ready and not self._ended:
            self._next()
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def close(self) -> None:
        """Nothing to release."""

    def _next(self) -> None:
        length = int.from_bytes(self._exactly(4), "big")
        if length > _FRAME:
            raise _bad("a frame is too long")
        if length:
            self._ready = self._masking.mask(self._exactly(length))
            self._masking.count(self._ready)
            return
        if not hmac.compare_digest(self._exactly(8 + _DIGEST), self._masking.trailer()):
            raise _bad("the digest is another")
        if self._stored.read(1):
            raise _bad("something follows its end")
        self._ended = True

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._stored.read(count - len(data))
            if not part:
                raise _bad("it is cut")
            data += part
        return data


def _bad(what: str) -> BadBackup:
    return BadBackup(
        f"The encoded bytes are not whole: {what}.", hint=Hint("Take the file from another location.")
    )
