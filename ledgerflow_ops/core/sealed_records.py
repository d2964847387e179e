"""Records as bytes: JSON of a plain kind, ended by the digest of all the bytes before it (decision 6)."""

import json
from collections.abc import Sequence
from typing import Any

MARK = b',"digest":"'
TAIL = MARK + b'%s"}\n'
TAIL_SIZE = len(TAIL % (b"0" * 64))
"""Bytes at the end of a record that hold its digest."""


def ends_sealed(tail: bytes) -> bool:
    """Whether a file's last `TAIL_SIZE` bytes can be the end of a record."""
    return len(tail) == TAIL_SIZE and tail.startswith(MARK) and tail.endswith(b'"}\n')


def parse_json(text: str | bytes) -> Any:
    """The JSON in `text`.

    ValueError for all that our records never hold: bytes that are not UTF-8, a key twice in one object
    (readers differ in which they take), NaN and Infinity, and nesting too deep to be read.
    """
    words = text.decode() if isinstance(text, bytes) else text
    try:
        return json.loads(words, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")
