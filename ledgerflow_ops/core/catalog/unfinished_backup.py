"""The record of a backup in the making: which files are its own, until its manifest commits them."""

from typing import Literal

from pydantic import ValidationError

from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed, validation_problems
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.models import FileFacts, Record

ENDING = ".making.json"


class PlacedFile(Record):
    """A file as it was just before it was given its name: renaming changes neither of the two."""

    file: str
    inode: int
    size: int


class UnfinishedBackup(Record):
    """What has been put beside a manifest that is not there yet."""

    version: Literal[1] = 1
    stem: str
    placed: tuple[PlacedFile, ...] = ()

    def encode(self) -> bytes:
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "UnfinishedBackup":
        """The record in `data`; BadBackup when it was edited or cut."""
        try:
            made = cls.model_validate(decode_sealed(data, file))
            for placed in made.placed:
                FileFacts(file=placed.file, size=placed.size, sha256="")
            return made
        except ValidationError as error:
            raise BadBackup(
                f"{file}: no record that this version can read: {'; '.join(validation_problems(error))}",
                hint="Remove the file. A dump without a manifest beside it is no backup.",
            ) from None


def record_name(name: BackupName) -> str:
    """What the record of this backup is called. It is hidden: no backup's file is."""
    return f".{name.stem}{ENDING}"
