"""The index of an environment's backups: a cache of summaries that can be rebuilt from the files at any time.

A record holds the mark of the files that it was read from. When the mark differs, they are read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup

_PLAIN = [
    field.name
    for field in fields(BackupSummary)
    if field.name not in ("environment", "name", "tables", "recipients")
]
_INSTANTS = {"recovery_point", "finished_at", "examined_at", "restored_at"}


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """One dump as it was read, the mark of all files it was read from, and the archives of other backups it
    needs.
    """

    mark: str
    archives: tuple[str, ...]
    listed: ListedDump


def encode(records: Iterable[IndexRecord], *, code: str, folder: str) -> bytes:
    """The index's bytes. `code` identifies the version of the program, `folder` the indexed folder."""
    layouts: dict[tuple[str, ...], int] = {}
    rows = [_encoded(record, layouts) for record in records]
    return encode_sealed({"code": code, "folder": folder, "layouts": list(layouts), "records": rows})


def decode(data: bytes, environment: Environment, *, code: str, folder: str) -> dict[str, IndexRecord]:
    """The records by stem. The result is empty where the bytes are damaged or of another program
    or folder.
    """
    try:
        content = decode_sealed(data, "index")
        if (content["code"], content["folder"]) != (code, folder):
            return {}
        layouts = content["layouts"]
        records = [_decoded(row, layouts, environment) for row in content["records"]]
    except (BadBackup, KeyError, ValueError, TypeError, IndexError, AttributeError):
        return {}
    return {record.listed.name.stem: record for record in records}


def _encoded(record: IndexRecord, layouts: dict[tuple[str, ...], int]) -> list[Any]:
    dump = record.listed
    row = [record.mark, record.archives, dump.name.dump, dump.size, dump.state, dump.local, dump.manifest]
    row.append(dump.problem)
    if dump.summary is None:
        return [*row, None]
    names = tuple(dump.summary.tables)
    place = layouts.setdefault(names, len(layouts))
    plain = [_plain(getattr(dump.summary, name)) for name in _PLAIN]
    readers = layouts.setdefault(dump.summary.recipients, len(layouts))
    return [*row, [place, list(dump.summary.tables.values()), readers, plain]]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _decoded(row: list[Any], layouts: list[list[str]], environment: Environment) -> IndexRecord:
    mark, archives, file, size, state, local, manifest, problem, held = row
    name = BackupName.of(file)
    summary = None
    if held is not None:
        place, counts, readers, plain = held
        recipients = tuple(layouts[readers])
        values: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
        values["day"] = date.fromisoformat(values["day"])
        for instant in _INSTANTS:
            if values[instant] is not None:
                values[instant] = datetime.fromisoformat(values[instant])
        tables: Mapping[str, int] = dict(zip(layouts[place], counts, strict=True))
        summary = BackupSummary(
            environment=environment, name=name, tables=tables, recipients=recipients, **values
        )
    listed = ListedDump(environment, name, size, state, local, manifest, problem, summary)
    return IndexRecord(mark, tuple(archives), listed)
