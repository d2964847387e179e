"""Database encodings by PostgreSQL's names, and text with bytes that are invalid in its encoding.

Shared objects of a server (roles, databases, settings) store names and comments as the bytes that their
creator sent. These need not be valid in the encoding of the database they are read from.
"""

import codecs
import re

_DECLARED = re.compile(rb"SET client_encoding = '(\w+)'")
_MARK = "\N{REPLACEMENT CHARACTER}"
_ESCAPED = re.compile(f"{_MARK}([0-9A-F]{{2}})")
_LONE = re.compile("[\udc80-\udcff]")
_EXACT = frozenset({"utf-8", "iso8859-1", "latin-1", "ascii"})
"""Codecs that encode every decoded text to the same bytes again."""
NO_ENCODING = "SQL_ASCII"
"""PostgreSQL's name for no encoding: text is any bytes."""


def codec(encoding: str) -> str:
    """Python's codec for a database encoding; Latin-1 if it has none, since that decodes every byte."""
    if encoding == NO_ENCODING:
        return "latin-1"
    spelt = encoding.replace("KOI8", "KOI8_")
    try:
        return codecs.lookup(re.sub(r"\AWIN(?=\d)", "cp", spelt)).name
    except LookupError:
        return "latin-1"


def declared(text: bytes) -> str | None:
    """The codec for the client_encoding that a script of PostgreSQL's tools sets; None if it sets none."""
    match = _DECLARED.search(text)
    return codec(match[1].decode()) if match else None


def decode(data: bytes | bytearray | memoryview, codec: str) -> str:
    """`data` as text that can be printed, stored as JSON, and encoded to the same bytes by `encode`.

    A byte that is invalid in this encoding becomes U+FFFD and two hexadecimal digits.
    """
    try:
        text = str(data, codec)
        plain = codec in _EXACT or text.isascii() or text.encode(codec) == data
    except UnicodeError:
        plain = False
    if not plain:
        exact = codec if codec in _EXACT else "ascii"
        return _LONE.sub(lambda lone: _escaped(ord(lone[0]) - 0xDC00), _split(data, exact))
    return _ESCAPED.sub(lambda escape: _bytes(_MARK, codec) + escape[1], text) if _MARK in text else text


def encode(text: str, codec: str) -> bytes:
    """The bytes that `decode` read `text` from; UnicodeEncodeError if the encoding lacks a character."""
    if _MARK not in text:
        return text.encode(codec)
    parts = _ESCAPED.split(text)
    return b"".join(
        bytes.fromhex(part) if odd else part.encode(codec)
        for part, odd in zip(parts, [False, True] * len(parts), strict=False)
    )


def is_text(text: str) -> bool:
    """Whether all bytes of a text that `decode` returned were valid in its encoding."""
    return not _ESCAPED.search(text)


def _split(data: bytes | bytearray | memoryview, codec: str) -> str:
    """The text with lone surrogates for invalid bytes. A U+FFFD that would look like an escape is escaped."""
    text = str(data, codec, "surrogateescape")
    return _ESCAPED.sub(lambda escape: _bytes(_MARK, codec) + escape[1], text)


def _bytes(character: str, codec: str) -> str:
    return "".join(map(_escaped, character.encode(codec)))


def _escaped(byte: int) -> str:
    return f"{_MARK}{byte:02X}"
