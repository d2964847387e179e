"""One entry of the history: what was done to which backup, chained to the entry before it (decision 48)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, ValidationError

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import Record
from ledgerflow_ops.core.sealed_records import parse_json


class Kind(StrEnum):
    """What an entry says.

    BEGIN opens a history. EARLIER is a backup that was there before: nobody signed it when it was made.
    UNDO takes back a quarantine, or a rotation that was not carried out. ACCEPTED is a person's decision
    about what an audit found.
    """

    BEGIN = "begin"
    EARLIER = "earlier"
    BACKUP = "backup"
    ADOPTION = "adoption"
    REPAIR = "repair"
    REKEY = "rekey"
    PROOF = "proof"
    ROTATION = "rotation"
    QUARANTINE = "quarantine"
    UNDO = "undo"
    ACCEPTED = "accepted"


_ORDER = (
    "version", "n", "previous", "environment", "at", "kind", "file", "manifest", "proof", "dump", "who",
    "why",
)  # fmt: skip
"""The fields of an entry as its text has them."""


class Statement(Record):
    """What is to be recorded. `file` is the dump's name; the hashes are the SHA-256 of whole files, empty
    where the statement is not about that file."""

    kind: Kind
    file: str = ""
    manifest: str = ""
    proof: str = ""
    dump: str = ""
    who: str = ""
    why: str = ""


class Entry(Statement):
    """A statement in its place: number, hash of the entry before it (empty for the first), instant."""

    version: Literal[1] = 1
    n: int
    previous: str
    environment: Environment
    at: AwareDatetime

    @property
    def stem(self) -> str:
        """The stem of the backup's name; empty where the entry is about no backup."""
        return BackupName.of(self.file).stem if self.file else ""

    def encode(self) -> str:
        """The text that is hashed and signed: one line of JSON without the fields that are empty."""
        fields = self.model_dump(mode="json")
        present = {name: fields[name] for name in _ORDER if fields[name] != ""}
        return json.dumps(present, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> "Entry":
        """The entry in `text`; ValueError if it is none that this version reads."""
        try:
            fields = parse_json(text)
            entry = cls.model_validate({"previous": "", **fields})
            _ = entry.stem
        except (ValidationError, TypeError):
            raise ValueError("it is not an entry that this version can read") from None
        return entry


@dataclass(frozen=True, slots=True)
class Line:
    """An entry's text with its signature, as the history's file holds them: `minisig` is the signature file
    that `minisign -V` reads."""

    text: str
    minisig: str

    @property
    def digest(self) -> str:
        """SHA-256 of the entry's text: what the next entry names as the one before it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def encode(self) -> str:
        """The line without its end."""
        return json.dumps({"entry": self.text, "minisig": self.minisig}, separators=(",", ":"))

    @classmethod
    def decode(cls, line: str) -> "Line":
        """The line as it was written; ValueError if it is none."""
        fields = parse_json(line)
        if not isinstance(fields, Mapping) or set(fields) != {"entry", "minisig"}:
            raise ValueError("it is not a line of a history")
        return cls(_text(fields["entry"]), _text(fields["minisig"]))


def next_entry(statement: Statement, last: Line | None, environment: Environment, at: Any) -> Entry:
    """The statement as the entry that follows `last` (None: the first of all)."""
    n = Entry.decode(last.text).n + 1 if last else 1
    previous = last.digest if last else ""
    return Entry(**statement.model_dump(), n=n, previous=previous, environment=environment, at=at)


def trusted_comment(environment: str, n: int, digest: str) -> str:
    """The comment that a signature covers as well: the chain's head."""
    return f"ledgerflow_ops history of {environment}, entry {n}, sha256 {digest}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it is not a line of a history")
    return value
