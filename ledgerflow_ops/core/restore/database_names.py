"""The names under which an environment's databases stand beside each other, and what each one is.

    books                            the live database
    books__restoring_20261123_a1b2   being restored; nobody connects to it but the restore
    books__before_20261123_a1b2      what was live until a restore took its place

A name alone proves nothing: a database is ours only if its comment, written by us, says so.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from ledgerflow_ops.core.sealed_records import parse_json

_LONGEST = 63
"""Bytes of an identifier in PostgreSQL (NAMEDATALEN − 1)."""
_KEY = "ledgerflow_ops"


class DatabaseRole(StrEnum):
    """What a database beside the live one is."""

    RESTORING = "restoring"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class DatabaseMark:
    """What our comment on a database says. `comment` is the one that somebody else had written.

    `undone` is the id of the restore that had made it and was rolled back. `only`: no backup of what is in it
    can be loaded.
    """

    environment: str
    database: str
    role: DatabaseRole
    id: str
    at: datetime
    file: str
    comment: str | None = None
    undone: str = ""
    only: bool = False

    def encode(self) -> str:
        fields = {**asdict(self), "at": self.at.isoformat()}
        if not self.only:  # earlier versions do not know it
            del fields["only"]
        return json.dumps({_KEY: fields}, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str | None) -> "DatabaseMark | None":
        """The mark in a database's comment; None when the comment is not ours."""
        try:
            fields = parse_json(text or "")[_KEY]
            known = {
                **fields,
                "role": DatabaseRole(fields["role"]),
                "at": datetime.fromisoformat(fields["at"]),
            }
            return cls(**known)
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class SiblingDatabase:
    """A database that stands beside the live one. `size` is in bytes, None where we may not ask."""

    name: str
    mark: DatabaseMark
    size: int | None


def new_id(now: datetime, token: str) -> str:
    """What tells one restore from another: its instant, to the second, and a few random characters."""
    return f"{now:%Y%m%d_%H%M%S}_{token}"


def sibling_name(database: str, role: DatabaseRole, ident: str) -> str:
    """The name beside `database`; a long one is cut at a character, never inside one."""
    ending = f"__{role}_{ident}"
    room = _LONGEST - len(ending.encode())
    return database.encode()[:room].decode("utf-8", "ignore") + ending


def previous_databases(
    siblings: Iterable[SiblingDatabase], environment: str, database: str
) -> list[SiblingDatabase]:
    """The databases that used to be live here, the last one first."""
    ours = [
        sibling
        for sibling in siblings
        if _belongs_to(sibling, environment, database) and sibling.mark.role is DatabaseRole.BEFORE
    ]
    return sorted(ours, key=lambda sibling: (sibling.mark.at, sibling.name), reverse=True)


def unfinished_restores(
    siblings: Iterable[SiblingDatabase], environment: str, database: str
) -> list[SiblingDatabase]:
    """What restores that were cut off have left behind."""
    return [
        sibling
        for sibling in siblings
        if _belongs_to(sibling, environment, database) and sibling.mark.role is DatabaseRole.RESTORING
    ]


def is_restoring_name(name: str, database: str) -> bool:
    """Whether `name` is of the form that a restore of `database` makes; its mark may still be missing."""
    match = re.fullmatch(rf"(.*)__{DatabaseRole.RESTORING}_\d{{8}}_\d{{6}}_[0-9a-f]{{4}}", name, re.DOTALL)
    return match is not None and match[1] != "" and database.startswith(match[1])


def _belongs_to(sibling: SiblingDatabase, environment: str, database: str) -> bool:
    return sibling.mark.environment == environment and sibling.mark.database == database
