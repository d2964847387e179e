"""What CREATE and ALTER could do to the data."""

from collections.abc import Sequence

from ledgerflow_ops.guard.inside.effects import Finding, changes, destroys
from ledgerflow_ops.guard.inside.settings import setting
from ledgerflow_ops.guard.inside.tokens import Kind, Token

_KEEPS = ("not", "default", "constraint")
"""What can be dropped of a column or table without losing a row. All are reserved words."""
_SETTERS = ("system", "database", "role", "user")
_HOLDERS = ("table", "foreign", "view", "materialized", "index", "sequence")


def create(statement: Sequence[Token]) -> Finding:
    """CREATE adds; with OR REPLACE it replaces a definition, which every backup holds."""
    return changes(f"creates {_named(statement)}")


def alter(statement: Sequence[Token]) -> Finding:
    """ALTER changes definitions; some of its forms lose what was stored."""
    words = [token.text if token.kind is Kind.WORD else "" for token in statement]
    kind = words[1] if len(words) > 1 else ""
    for place, token in enumerate(statement):
        after = words[place + 1] if place + 1 < len(words) else ""
        if token.is_word("drop") and after not in _KEEPS:
            return destroys(f"drops {after or 'something'} of {_named(statement)}")
    if kind in _HOLDERS and _converts(statement):
        return destroys(f"converts a column of {_named(statement)} into another type")
    if any(token.is_word("unlogged") for token in statement):
        return destroys(f"makes {_named(statement)} a table that a crash empties")
    if kind in _SETTERS:
        return _settings(statement)
    return changes(f"alters {_named(statement)}")


def _converts(statement: Sequence[Token]) -> bool:
    """ALTER [COLUMN] name [SET DATA] TYPE …"""
    return any(
        token.is_word("type")
        and (statement[place - 1].is_word("data") or statement[place - 2].is_word("alter", "column"))
        for place, token in enumerate(statement)
        if place > 2
    )


def _settings(statement: Sequence[Token]) -> Finding:
    place = next((at for at, token in enumerate(statement) if token.is_word("set")), None)
    rest = statement[place + 1 :] if place else ()
    if rest:
        finding = setting(rest[0].text, "".join(token.text for token in rest[2:]))
        if finding.effect:
            return finding
    return changes(f"alters {_named(statement)}")


def _named(statement: Sequence[Token]) -> str:
    return " ".join(token.text for token in statement[1:4]) or "something"
