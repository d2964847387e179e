"""SQL expressions as the server prints them, made comparable.

The server's text of an expression changes when it is loaded again: `x IN ('a','b')` on a varchar is
printed with its casts in one place before a restore and in another after it. The text without casts,
parentheses and white space does not change; quoted parts are kept exactly. A query's column without a title
gets one when it is loaded again: `NULL::integer` is then printed as `NULL::integer AS int4`
(`FigureColname` in PostgreSQL's parse_target.c, by which ruleutils.c decides whether to print one).
"""

import hashlib
import re
from collections.abc import Iterator

_TYPE = (
    r"(?:character varying|double precision|bit varying"
    r"|timestamp(?:\(\d\))? with(?:out)? time zone|time(?:\(\d\))? with(?:out)? time zone"
    r'|(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))?)(?:\(\d+(?:,\d+)?\))?(?:\[\])*'
)
_TOKEN = re.compile(rf"""('(?:[^']|'')*'|"(?:[^"]|"")*")|::{_TYPE}|[()\s]+""")
_TITLE = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+AS\s+(?!(?:NOT\s+)?MATERIALIZED\b)(?:"(?:[^"]|"")+"|\w+)"""
)


def normalised(expression: str) -> str:
    """`expression` without casts, parentheses and white space outside of quotes."""
    return _TOKEN.sub(lambda match: match[1] or "", expression)


def untitled(definition: str) -> str:
    """`definition` without the titles of columns (`AS name`) outside of quotes."""
    return _TITLE.sub(lambda match: match[1] or "", definition)


def titles(definition: str) -> Iterator[str]:
    """The column titles that `untitled` removes, in their order."""
    return (match[0] for match in _TITLE.finditer(definition) if not match[1])


def digest(expression: str) -> str:
    """The first 16 hex digits of the SHA-256 of the normalised expression; empty for no expression."""
    if not expression:
        return ""
    return hashlib.sha256(normalised(expression).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def fingerprint(text: str) -> str:
    """The first 16 hex digits of the SHA-256 of `text` as it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
