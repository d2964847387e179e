"""The records beside a dump: the manifest that commits it, and the seal it must equal."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup

VERSION = 1
"""The format this code writes. A higher one is refused, not guessed at."""


class Record(BaseModel):
    """A frozen record that knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableContent(Record):
    """One table's data in the archive: rows, bytes of COPY text, xxh3-128 of that text."""

    rows: int
    size: int
    digest: str
    columns: str


class SequenceState(Record):
    """What setval is called with."""

    value: int
    called: bool


class LargeObjects(Record):
    """All large objects: how many, and one digest over their ids and contents."""

    count: int
    digest: str


class Contents(Record):
    """What the archive's own stream holds."""

    tables: dict[str, TableContent]
    sequences: dict[str, SequenceState]
    large_objects: LargeObjects


class TableFacts(Record):
    """What the source says of a table under the snapshot: exact count and sums of numeric columns."""

    rows: int
    sums: dict[str, str | None]


class ObjectDigest(Record):
    """One schema object. `structure` holds across server versions, `definition` within a major version."""

    structure: str
    definition: str


class RoleFacts(Record):
    """A role's attributes and the roles it is a member of."""

    attributes: str
    member_of: tuple[str, ...]


class Seal(Record):
    """What the restored database must equal, taken under the dump's own snapshot."""

    tables: dict[str, TableFacts]
    sequences: tuple[str, ...]
    objects: dict[str, ObjectDigest]
    extensions: dict[str, str]
    roles: dict[str, RoleFacts]
    content: dict[str, str] | None
    """Digest per table read from the source itself (SEAL=full), or None where only counts and sums were."""

    @property
    def depth(self) -> str:
        """`full` where every byte was compared with the source, else `counts and sums`."""
        return "full" if self.content is not None else "counts and sums"

    @property
    def schema_digest(self) -> str:
        """One digest over every object."""
        return _sha256({name: item.model_dump() for name, item in self.objects.items()})


class Source(Record):
    """The database a backup was taken from."""

    system_identifier: str
    database: str
    server_version: str
    server_version_num: int
    bootstrap_role: str
    encoding: str
    collate: str
    ctype: str
    size: int

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server_version_num // 10000


class FileFacts(Record):
    """A file's name, length in bytes and SHA-256."""

    file: str
    size: int
    sha256: str


class TableOfContents(Record):
    """The archive's list of entries: how many, and a digest of the list."""

    entries: int
    digest: str


class RunFacts(Record):
    """Who made it, why, and in which Dagster run."""

    run_id: str
    who: str
    why: str


class Manifest(Record):
    """The record whose presence makes a dump a backup.

    Times are aware; sizes are bytes; durations are seconds. `digest` is the SHA-256 over all other
    fields in canonical JSON, so an edited manifest shows.
    """

    version: Literal[1] = VERSION
    environment: Environment
    backup_day: date
    time_zone: str
    recovery_point: datetime
    lsn: str
    started_at: datetime
    finished_at: datetime
    sample: bool
    dump: FileFacts
    globals: FileFacts | None
    globals_note: str
    compression: str
    tool_version: str
    source: Source
    toc: TableOfContents
    seal: Seal
    contents: Contents
    run: RunFacts
    durations: dict[str, float]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(table.rows for table in self.contents.tables.values())

    @property
    def digest(self) -> str:
        """SHA-256 over every field."""
        return _sha256(self.model_dump(mode="json"))

    def encode(self) -> bytes:
        """The manifest file's bytes."""
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Manifest":
        """The manifest in `data`; BadBackup when it was edited, cut or is of a version not known here."""
        try:
            return cls.model_validate(decode_sealed(data, file))
        except ValidationError as error:
            raise BadBackup(
                f"{file}: not a manifest this version can read: {'; '.join(problems(error))}",
                hint="Restore the file from another location, or upgrade ledgerflow_ops if it is newer.",
            ) from None


def encode_sealed(fields: Mapping[str, Any]) -> bytes:
    """`fields` as readable JSON with their digest added."""
    return (json.dumps({**fields, "digest": _sha256(fields)}, indent=1) + "\n").encode()


def decode_sealed(data: bytes, file: str) -> dict[str, Any]:
    """The fields of a record written by `encode_sealed`; BadBackup unless its digest holds."""
    hint = "It was changed or cut after it was written. Take it from another location; do not edit it."
    try:
        fields = json.loads(data)
        digest = fields.pop("digest")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise BadBackup(f"{file}: not a whole record.", hint=hint) from None
    version = fields.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BadBackup(
            f"{file}: written in format {version}; this version reads up to {VERSION}.",
            hint="Upgrade ledgerflow_ops to read it.",
        )
    if digest != _sha256(fields) or data != encode_sealed(fields):
        raise BadBackup(f"{file}: its digest does not match its contents: it was edited.", hint=hint)
    return dict(fields)


def problems(error: ValidationError) -> list[str]:
    """A validation error's places and reasons, one each, without the values."""
    return [
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False)
    ]


def _sha256(fields: Mapping[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
