"""What every record is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator

from ledgerflow_ops.core.hints import Hint


class Record(BaseModel):
    """A frozen record that knows all its fields.

    What checks them is built with the first record: most processes read few kinds of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _hint(value: object) -> Hint:
    if isinstance(value, Hint):
        return value
    if isinstance(value, str):
        return Hint(value)
    raise ValueError("it is not a text")


StoredHint = Annotated[Hint, PlainValidator(_hint), PlainSerializer(str, return_type=str)]
"""A hint in a record: stored as the string that it renders to, and read back as words."""


def _bare(name: str) -> str:
    """A file's own name: none that leads into another folder, or that no file can have."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError("it is not the bare name of a file")
    return name


class FileFacts(Record):
    """A file's name, length in bytes and SHA-256."""

    file: Annotated[str, AfterValidator(_bare)]
    size: int
    sha256: str
