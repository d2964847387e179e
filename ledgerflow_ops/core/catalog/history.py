"""What is kept of an expired backup: a record of its removal, and its summary."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.manifest import decode_record, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import Record

FACTS = ".facts.json"
GOING = ".going.json"

WHOLE = timedelta(days=90)
KNOWN = timedelta(days=500)
"""How long manifests and proofs (WHOLE) and summaries (KNOWN) are kept at least, measured as
retention does.
"""
KEPT_WHOLE, KEPT_KNOWN = 90, 500
"""How many are kept at any age: a clock that is years ahead must not empty the history."""


@cache
def _summary() -> TypeAdapter[BackupSummary]:
    return TypeAdapter(BackupSummary)


class FileRecord(Record):
    """A file as it was when its removal was decided. It is removed only if it is still the same.

    `size` is in bytes, -1 for a file whose bytes were only in the cloud.
    """

    file: str
    size: int
    mtime_ns: int


class RemovalPart(Record):
    """The files to remove in one location, in this order. `archive` holds files that other backups may need.

    `looked` is false for a location that could not be reached when the removal was decided.
    """

    root: str
    """Empty for the primary folder."""
    files: tuple[FileRecord, ...] = ()
    archive: FileRecord | None = None
    looked: bool = True


class Removal(Record):
    """The removal of one backup. It is complete when all its parts are removed and its partition is wiped."""

    version: Literal[1] = 1
    file: str
    key: str
    """The name of its manifest and its facts in the history, without endings."""
    digest: str
    day: date
    reasons: tuple[str, ...]
    who: str
    at: datetime
    retired: bool = False
    """Whether its manifest was moved to the history: from then on it is no backup."""
    wiped: bool = False
    parts: tuple[RemovalPart, ...] = ()

    @property
    def name(self) -> BackupName:
        return BackupName.of(self.file)

    @property
    def kept_as(self) -> BackupName:
        return BackupName(self.key)

    @property
    def over(self) -> bool:
        return self.retired and self.wiped and not self.parts

    def encode(self) -> bytes:
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Removal":
        """The record in `data`; BadBackup (exit 4) when it was edited or truncated."""
        hint = Hint("Check what is left of that backup in the folder above, then remove the file.")
        return decode_record(data, file, cls.model_validate, "a removal that this version can read", hint)


def encode_facts(summary: BackupSummary) -> bytes:
    """A summary as the history stores it."""
    return encode_sealed(_summary().dump_python(summary, mode="json"))


def decode_facts(data: bytes, file: str) -> BackupSummary:
    """The summary in `data`; BadBackup (exit 4) when it was edited or truncated."""
    hint = Hint("Only statistics need it: remove the file.")
    validate = _summary().validate_python
    return decode_record(data, file, validate, "facts that this version can read", hint)


def expired_records(
    points: Sequence[tuple[str, datetime]], since: datetime, age: timedelta, kept: int
) -> set[str]:
    """The names of the records to remove from the history, of pairs of name and recovery point.

    These are older than `age` before `since`, the newest proven recovery point, and not among the `kept`
    newest.
    """
    newest_first = sorted(points, key=lambda pair: pair[1], reverse=True)
    return {name for name, point in newest_first[kept:] if point < since - age}
