"""The names of an environment's databases: the live one and its siblings.

    books                            the live database
    books__restoring_20261123_a1b2   being restored; only the restore connects to it
    books__before_20261123_a1b2      the live database before a restore replaced it

A name alone proves nothing: a database is ours only if its comment, which we wrote, says so.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from ledgerflow_ops.core.sealed_records import parse_json

_LONGEST = 63
"""The longest identifier in PostgreSQL, in bytes (NAMEDATALEN - 1; manual, chapter 4.1.1)."""
_KEY = "ledgerflow_ops"


class DatabaseRole(StrEnum):
    """The role of a sibling database."""

    RESTORING = "restoring"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class DatabaseMark:
    """What our comment on a database says. `comment` is the comment that it had before.

    `undone` is the id of the restore that made it and was rolled back. `only`: this database is the only copy
    of its data, since no backup of it can be loaded.
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
    """A database beside the live one. `size` is in bytes, None where our account may not read it."""

    name: str
    mark: DatabaseMark
    size: int | None


def new_id(now: datetime, token: str) -> str:
    """The id of a restore: its instant, to the second, and `token`, a few random characters."""
    return f"{now:%Y%m%d_%H%M%S}_{token}"


def sibling_name(database: str, role: DatabaseRole, ident: str) -> str:
    """The name of a sibling of `database`. A long name is cut between characters, never inside one."""
    ending = f"__{role}_{ident}"
    room = _LONGEST - len(ending.encode())
    return database.encode()[:room].decode("utf-8", "ignore") + ending


def previous_databases(
    siblings: Iterable[SiblingDatabase], environment: str, database: str
) -> list[SiblingDatabase]:
    """The databases that used to be live here, the newest first."""
    ours = [
        sibling
        for sibling in siblings
        if _belongs_to(sibling, environment, database) and sibling.mark.role is DatabaseRole.BEFORE
    ]
    return sorted(ours, key=lambda sibling: (sibling.mark.at, sibling.name), reverse=True)


def unfinished_restores(
    siblings: Iterable[SiblingDatabase], environment: str, database: str
) -> list[SiblingDatabase]:
    """The databases that interrupted restores left behind."""
    return [
        sibling
        for sibling in siblings
        if _belongs_to(sibling, environment, database) and sibling.mark.role is DatabaseRole.RESTORING
    ]


def is_restoring_name(name: str, database: str) -> bool:
    """Whether `name` is one that a restore of `database` gives; its comment may still be missing."""
    match = re.fullmatch(rf"(.*)__{DatabaseRole.RESTORING}_\d{{8}}_\d{{6}}_[0-9a-f]{{4}}", name, re.DOTALL)
    return match is not None and match[1] != "" and database.startswith(match[1])


def _belongs_to(sibling: SiblingDatabase, environment: str, database: str) -> bool:
    return sibling.mark.environment == environment and sibling.mark.database == database
