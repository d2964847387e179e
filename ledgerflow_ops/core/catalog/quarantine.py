"""A backup in quarantine: moved aside, on record, and no backup as long as it is there."""

from datetime import date, datetime
from typing import Literal

from ledgerflow_ops.core.catalog.manifest import decode_record, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import Record

ENDING = ".quarantine.json"
FOLDER = "quarantine"
"""The section of the store that holds the backups in quarantine."""


class QuarantinedFile(Record):
    """A file of the backup: its name in the folder, and in the quarantine."""

    file: str
    kept_as: str


class Quarantined(Record):
    """Which backup was moved aside, why, by whom, and what it was.

    `files` are moved in this order, manifest first; `complete` says that all of them have been. `undo` says
    that they are being moved back, in the reverse order. `key` is the name of the record, without its ending.
    `bad` says whether the backup had been shown to be bad; `recovery_point` and `day` are those of its
    manifest, or what its name says where that cannot be read.
    """

    version: Literal[1] = 1
    file: str
    key: str
    day: date | None
    recovery_point: datetime | None
    state: str
    bad: bool
    problem: str
    reason: str
    who: str
    at: datetime
    files: tuple[QuarantinedFile, ...]
    complete: bool = False
    undo: bool = False

    @property
    def name(self) -> BackupName:
        return BackupName.of(self.file)

    @property
    def instant(self) -> datetime:
        """The instant (aware) that a newer backup has to be newer than."""
        return self.recovery_point or self.at

    def encode(self) -> bytes:
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Quarantined":
        """The record in `data`; BadBackup (exit 4) when it was edited or truncated."""
        hint = Hint("Move the files beside it back by hand if they are needed, then remove the record.")
        return decode_record(data, file, cls.model_validate, "a quarantine that this version can read", hint)
