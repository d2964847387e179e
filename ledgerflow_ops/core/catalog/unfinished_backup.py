"""The record of an unfinished backup: which files belong to it, until its manifest commits them."""

from typing import Literal

from pydantic import ValidationError

from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed, validation_problems
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import FileFacts, Record

ENDING = ".making.json"


class PlacedFile(Record):
    """A file just before it was renamed to its name: a rename changes neither inode nor size (bytes)."""

    file: str
    inode: int
    size: int


class UnfinishedBackup(Record):
    """The files of a backup whose manifest is not written yet."""

    version: Literal[1] = 1
    stem: str
    placed: tuple[PlacedFile, ...] = ()

    def encode(self) -> bytes:
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "UnfinishedBackup":
        """The record in `data`; BadBackup (exit 4) when it was edited or truncated."""
        try:
            made = cls.model_validate(decode_sealed(data, file))
            for placed in made.placed:
                FileFacts(file=placed.file, size=placed.size, sha256="")
            return made
        except ValidationError as error:
            raise BadBackup(
                f"{file}: no record that this version can read: {'; '.join(validation_problems(error))}",
                hint=Hint("Remove the file. A dump without a manifest is no backup."),
            ) from None


def record_name(name: BackupName) -> str:
    """The file name of this backup's record. It is hidden, unlike the files of backups."""
    return f".{name.stem}{ENDING}"
