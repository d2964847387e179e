"""The text encodings of databases, by PostgreSQL's names for them, and text that is not in its encoding.

Names and comments that all databases of a server share (roles, databases, settings) have the bytes that
whoever made them has sent: they need not be text in the encoding of the database that is looked from.
"""

import codecs
import re

_DECLARED = re.compile(rb"SET client_encoding = '(\w+)'")
_MARK = "\N{REPLACEMENT CHARACTER}"
_ESCAPED = re.compile(f"{_MARK}([0-9A-F]{{2}})")
_LONE = re.compile("[\udc80-\udcff]")
_EXACT = frozenset({"utf-8", "iso8859-1", "latin-1", "ascii"})
"""Codecs that give every text back as the bytes it came from."""
NO_ENCODING = "SQL_ASCII"
"""What a database without an encoding calls it: its text is bytes."""


def codec(encoding: str) -> str:
    """Python's codec for a database encoding; Latin-1, in which every byte is a sign, where there is none."""
    if encoding == NO_ENCODING:
        return "latin-1"
    spelt = encoding.replace("KOI8", "KOI8_")
    try:
        return codecs.lookup(re.sub(r"\AWIN(?=\d)", "cp", spelt)).name
    except LookupError:
        return "latin-1"


def declared(text: bytes) -> str | None:
    """The codec that a script of PostgreSQL's tools declares for itself; None where it declares none."""
    match = _DECLARED.search(text)
    return codec(match[1].decode()) if match else None


def decode(data: bytes | bytearray | memoryview, codec: str) -> str:
    """`data` as text that can be printed, stored as JSON, and turned back by `encode` to the same bytes.

    A byte that is no text in this encoding is a replacement character and two hexadecimal digits.
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
    """The bytes that `decode` made `text` of; UnicodeEncodeError when the encoding lacks a character."""
    if _MARK not in text:
        return text.encode(codec)
    parts = _ESCAPED.split(text)
    return b"".join(
        bytes.fromhex(part) if odd else part.encode(codec)
        for part, odd in zip(parts, [False, True] * len(parts), strict=False)
    )


def is_text(text: str) -> bool:
    """Whether what `decode` returned was text in its encoding, all of it."""
    return not _ESCAPED.search(text)


def _split(data: bytes | bytearray | memoryview, codec: str) -> str:
    """As text with lone surrogates for what is none. A mark that would be read as an escape is escaped."""
    text = str(data, codec, "surrogateescape")
    return _ESCAPED.sub(lambda escape: _bytes(_MARK, codec) + escape[1], text)


def _bytes(character: str, codec: str) -> str:
    return "".join(map(_escaped, character.encode(codec)))


def _escaped(byte: int) -> str:
    return f"{_MARK}{byte:02X}"
