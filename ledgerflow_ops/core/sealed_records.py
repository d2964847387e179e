"""Records as bytes: strict JSON that ends with the digest of all bytes before it (decision 6)."""

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
    """The value of the JSON in `text`.

    ValueError for what our records never contain: bytes that are not UTF-8, a duplicate key (parsers differ
    in which value they take: RFC 8259, section 4), NaN and Infinity, and nesting too deep to parse.
    """
    words = text.decode() if isinstance(text, bytes) else text
    try:
        return json.loads(words, object_pairs_hook=_unique, parse_constant=_reject_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def _reject_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")
