"""The text encodings of databases, by PostgreSQL's names for them."""

import codecs
import re

_DECLARED = re.compile(rb"SET client_encoding = '(\w+)'")
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
