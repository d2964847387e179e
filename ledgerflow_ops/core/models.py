"""The base class and shared field types of all records."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator

from ledgerflow_ops.core.hints import Hint


class Record(BaseModel):
    """A frozen record that rejects unknown fields.

    Its validator is built with the first instance, because most processes read few kinds of records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _hint(value: object) -> Hint:
    if isinstance(value, Hint):
        return value
    if isinstance(value, str):
        return Hint(value)
    raise ValueError("it is not a string")


StoredHint = Annotated[Hint, PlainValidator(_hint), PlainSerializer(str, return_type=str)]
"""A hint in a record: stored as its string, and read back as words."""


def _bare(name: str) -> str:
    """The name if it is a file name without a path; ValueError otherwise."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError("it is not the bare name of a file")
    return name


class FileFacts(Record):
    """A file's name, length in bytes and SHA-256."""

    file: Annotated[str, AfterValidator(_bare)]
    size: int
    sha256: str
