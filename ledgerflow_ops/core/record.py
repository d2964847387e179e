"""What every record is made of."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record that knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFacts(Record):
    """A file's name, length in bytes and SHA-256."""

    file: str
    size: int
    sha256: str
