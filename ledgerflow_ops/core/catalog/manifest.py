"""The records beside a dump: the manifest that commits it, and the seal it must equal."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import AwareDatetime, SerializerFunctionWrapHandler, ValidationError, model_serializer

from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.rekeying import RekeyOrigin
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import FileFacts, Record
from ledgerflow_ops.core.postgres import dump_warnings
from ledgerflow_ops.core.postgres.dump_warnings import DumpWarning
from ledgerflow_ops.core.sealed_records import MARK, TAIL, parse_json

T = TypeVar("T")
VERSION = 1
"""The format this code writes. A higher one is refused, not guessed at."""

_OPTIONAL = (
    "files", "properties", "warnings", "unheld", "notes", "preloaded", "members", "recipients", "rekeyed",
)  # fmt: skip


class TableContent(Record):
    """One table's data in the archive: rows, bytes of COPY text, xxh3-128 of that text.

    `root` is the partitioned table into which the rows are loaded, which may put them into other partitions;
    None where they are loaded into the table itself. Records then omit it, as those of earlier versions do.
    """

    rows: int
    size: int
    digest: str
    columns: str
    root: str | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return fields if self.root is not None else {k: v for k, v in fields.items() if k != "root"}


class SequenceState(Record):
    """A sequence's state: the arguments of setval (value, is_called)."""

    value: int
    called: bool


class LargeObjects(Record):
    """All large objects: how many, and one digest over their ids and contents."""

    count: int
    digest: str


class Contents(Record):
    """The contents of the archive, read from its own data stream."""

    tables: dict[str, TableContent]
    sequences: dict[str, SequenceState]
    large_objects: LargeObjects


class TableFacts(Record):
    """A table's facts read from the source in the snapshot: exact row count and sums of numeric columns."""

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
        listed = sorted((name, item.structure, item.definition) for name, item in self.objects.items())
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


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


class Grant(Record):
    """A right on a database; `grantee` is None for PUBLIC."""

    grantee: str | None
    privilege: str
    grantable: bool


class Setting(Record):
    """ALTER DATABASE … SET, or ALTER ROLE … IN DATABASE … SET where `role` is not None."""

    role: str | None
    name: str
    value: str


class DatabaseProperties(Record):
    """Properties of a database that the server stores outside of it. `provider` is
    pg_database.datlocprovider.

    `tablespace` is the database's own where that is not the server's default, `template` whether it may be
    copied by all, `labels` its security labels, each a provider and a label. Records omit those that are
    None, as records of earlier versions do.
    """

    owner: str
    connection_limit: int
    comment: str | None
    provider: str
    locale: str | None
    rules: str | None
    grants: tuple[Grant, ...]
    settings: tuple[Setting, ...]
    tablespace: str | None = None
    template: bool | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        for name in ("tablespace", "template", "labels"):
            if fields[name] is None:
                del fields[name]
        return fields


class TableOfContents(Record):
    """The archive's table of contents: the number of entries, and a digest of the list."""

    entries: int
    digest: str


class RunFacts(Record):
    """Who made the backup, why, and in which Dagster run."""

    run_id: str
    who: str
    why: str


class Manifest(Record):
    """The record whose presence makes a dump a backup.

    Times are aware; sizes are bytes; durations are seconds. The file ends with the SHA-256 of all its
    bytes before that, so an edited or truncated manifest is recognised.
    """

    version: Literal[1] = 1
    environment: Environment
    backup_day: date
    time_zone: str
    recovery_point: AwareDatetime
    lsn: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    sample: bool
    dump: FileFacts
    globals: FileFacts | None
    globals_note: str
    files: FilesState | None = None
    """The files that go with this dump; None where none are listed, and in manifests of earlier versions."""
    compression: str
    tool_version: str
    source: Source
    toc: TableOfContents
    seal: Seal
    contents: Contents
    properties: DatabaseProperties | None = None
    warnings: tuple[DumpWarning, ...] | None = None
    """The warnings given while the dump was taken; None where there were none, and in earlier manifests."""
    unheld: tuple[str, ...] | None = None
    """Unlogged tables and sequences of a standby: it has none of their data, so the dump has none either."""
    notes: tuple[str, ...] | None = None
    """Sentences about what the source has and the dump does not carry; None in earlier manifests."""
    preloaded: tuple[str, ...] | None = None
    """The libraries that the source's server preloads; None where they are not known."""
    members: dict[str, str] | None = None
    """The relations that belong to extensions, with their extension; None in earlier manifests."""
    recipients: tuple[str, ...] | None = None
    """The public keys that the files are encrypted for (age); None where they are plain."""
    rekeyed: RekeyOrigin | None = None
    run: RunFacts
    durations: dict[str, float]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(table.rows for table in self.contents.tables.values())

    @property
    def lacks(self) -> str:
        """Which objects of the database are not in the dump; empty when none is missing."""
        return dump_warnings.missing_objects(self.warnings)

    @property
    def remedy(self) -> Hint:
        """What to do about the missing objects."""
        return dump_warnings.missing_remedy(self.warnings)

    @property
    def ceiling(self) -> Rung:
        """The highest rung it can reach: a dump that lacks objects may equal its seal, but not the
        database.
        """
        return Rung.EQUAL if self.lacks else Rung.VALID

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every field, as its file holds them."""
        return hashlib.sha256(_text(self._fields())).hexdigest()

    def encode(self) -> bytes:
        """The manifest file's bytes."""
        return encode_sealed(self._fields())

    def _fields(self) -> dict[str, Any]:
        """The fields that the file holds. Optional fields that earlier versions did not know are omitted
        while None.

        Proofs name the digest of their manifest, so the digest of an earlier version's manifest must not
        change.
        """
        absent = {name for name in _OPTIONAL if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=absent)

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Manifest":
        """The manifest in `data`; BadBackup (exit 4) when it was edited, truncated or is of an unknown
        version.
        """
        hint = Hint("Restore the file from another location, or upgrade ledgerflow_ops if it is newer.")
        return decode_record(data, file, cls.model_validate, "a manifest this version can read", hint)


def encode_sealed(fields: Mapping[str, Any]) -> bytes:
    """`fields` as one line of JSON, ended by the SHA-256 of all the bytes before it."""
    text = _text(fields)
    return text + TAIL % hashlib.sha256(text).hexdigest().encode()


def decode_record(
    data: bytes, file: str, validate: Callable[[dict[str, Any]], T], expected: str, hint: Hint
) -> T:
    """The record in `data`, by `validate`.

    BadBackup (exit 4) when it was edited or truncated, and, with `hint`, when it is not `expected`.
    """
    try:
        return validate(decode_sealed(data, file))
    except ValidationError as error:
        problems = "; ".join(validation_problems(error))
        raise BadBackup(f"{file}: not {expected}: {problems}", hint=hint) from None


def decode_sealed(data: bytes, file: str) -> dict[str, Any]:
    """The fields of a record written by `encode_sealed`; BadBackup (exit 4) unless every byte is
    as written.
    """
    hint = Hint(
        "It was changed or cut after it was written. Restore it from another location; do not edit it."
    )
    text, mark, _ = data.rpartition(MARK)
    if not mark or text + TAIL % hashlib.sha256(text).hexdigest().encode() != data:
        raise BadBackup(f"{file}: it was changed or cut: its digest does not match its bytes.", hint=hint)
    try:
        fields = parse_json(text + b"}")
    except ValueError as error:
        raise BadBackup(
            f"{file}: it is not JSON that we write, though its digest is right: {error}.", hint=hint
        ) from None
    if not isinstance(fields, dict):
        raise BadBackup(f"{file}: it is not a JSON object, though its digest is right.", hint=hint)
    if isinstance(fields.get("version"), int) and fields["version"] > VERSION:
        raise BadBackup(
            f"{file}: written in format {fields['version']}; this version reads up to {VERSION}.",
            hint=Hint("Upgrade ledgerflow_ops to read it."),
        )
    return dict(fields)


def _text(fields: Mapping[str, Any]) -> bytes:
    """The JSON object without its closing brace, for the digest to follow."""
    return json.dumps(fields, separators=(",", ":")).removesuffix("}").encode()


def validation_problems(error: ValidationError) -> list[str]:
    """The field and the reason of each problem of a validation error, without the values."""
    return [
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False)
    ]
