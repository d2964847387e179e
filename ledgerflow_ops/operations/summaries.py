"""Summarizes the backups in an environment's folder.

An index in the state folder avoids reading manifests that have not changed. It is a cache: one that is
damaged, foreign or missing is rebuilt. Decisions about deleting or restoring read the manifests themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import xxhash

from ledgerflow_ops.adapters.storage import cache as cache_files
from ledgerflow_ops.adapters.storage.stored_file import Listing
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog import backup_summary, index, manifest, naming, proof, rungs
from ledgerflow_ops.core.catalog import catalog as core_catalog
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.catalog.catalog import newest_first
from ledgerflow_ops.core.catalog.index import IndexRecord
from ledgerflow_ops.core.catalog.naming import DUMPS, MANIFEST, BackupName
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

_ALWAYS_READ = 8
"""Number of newest backups whose manifests are read whatever the index says."""
_SAVE_EVERY = 500
"""Number of manifests read between two writes of the index. A write takes as long as some ten reads."""
_RECENT_NS = 2_000_000_000
"""Nanoseconds within which a file may change again without a new modification time: some file systems keep
times to one second, or to two. A file changed that shortly before it was read is read again next time."""


def present_backups(env: EnvironmentContext) -> list[BackupSummary]:
    """The committed backups in the environment's folder, newest recovery point first."""
    return newest_first(dump.summary for dump in list_dumps(env) if dump.summary is not None)


def own_backups(env: EnvironmentContext, backups: Iterable[BackupSummary]) -> list[BackupSummary]:
    """Those of the environment's own database. Backups of the sample do not count where a real one is set."""
    return [backup for backup in backups if env.is_sample or not backup.sample]


def list_dumps(env: EnvironmentContext) -> list[ListedDump]:
    """Every dump of the environment, by name, with or without a manifest; as `catalog.entries` has it."""
    return list_with_digest(env, env.store.listing())[0]


def list_with_digest(env: EnvironmentContext, listing: Listing) -> tuple[list[ListedDump], str]:
    """The dumps of a listing, as `list_dumps`, and a digest that changes whenever one of their files does.

    The digest is empty where something could not be read.
    """
    begun = clock.now().timestamp()
    stems = sorted(BackupName.of(file).stem for file in listing.names(*DUMPS, MANIFEST))
    names = [BackupName(stem).among(listing.taken) for stem in dict.fromkeys(stems)]
    indexed = _trusted_index(env, listing, _load_index(env))
    reading = _FolderReader(env, listing, indexed, begun)
    records = reading.records(names)
    settled = reading.indexable(records)
    if list(map(id, settled)) != list(map(id, indexed.values())):
        _save_index(env, settled)
    marks = [record.mark for record in records]
    mark = xxhash.xxh3_128_hexdigest("".join(marks).encode()) if all(marks) else ""
    return [record.listed for record in records], mark


@dataclass(frozen=True, slots=True)
class _FolderReader:
    """Reads one listing of a folder: from the index where files are unchanged, else from the manifests."""

    env: EnvironmentContext
    listing: Listing
    indexed: dict[str, IndexRecord]
    begun: float

    def records(self, names: Sequence[BackupName]) -> list[IndexRecord]:
        """The record of each dump.

        Reading a manifest takes milliseconds. Progress is reported, and the index is written on the way, so
        that the work of a killed process is not lost.
        """
        records: list[IndexRecord] = []
        read = 0
        for place, name in enumerate(names, start=1):
            indexed = self.indexed.get(name.stem)
            records.append(_read_record(self.env, self.listing, name, indexed))
            if records[-1] is indexed:
                continue
            read += 1
            if read % _SAVE_EVERY == 0:
                ahead = [self.indexed[later.stem] for later in names[place:] if later.stem in self.indexed]
                _save_index(self.env, [*self.indexable(records), *ahead])
            self.env.ctx.reporter.counted(place, len(names), "backups read")
        if read:
            self.env.ctx.reporter.counted(len(names), len(names), "backups read")
        return records

    def indexable(self, records: Iterable[IndexRecord]) -> list[IndexRecord]:
        """The records that may go into the index."""
        return [
            record
            for record in records
            if record is self.indexed.get(record.listed.name.stem)
            or _is_settled(self.listing, record, self.begun)
        ]


def _trusted_index(
    env: EnvironmentContext, listing: Listing, indexed: dict[str, IndexRecord]
) -> dict[str, IndexRecord]:
    """The index; empty where it contradicts the files of the newest backups.

    An index is easily falsified, by mistake or on purpose. RPO, `latest-proven` and the guard rely on the
    newest backups, so their manifests and proofs are read each time.
    """
    records = {summary.name: indexed[summary.name.stem] for summary in newest_first(_summaries(indexed))}
    proven = [
        name for name, record in records.items() if record.listed.summary and record.listed.summary.proven
    ]
    for name in dict.fromkeys([*list(records)[:_ALWAYS_READ], *proven[:1]]):
        record = records[name]
        if record.mark == listing.mark(_files(name, record.archives)):
            entry = catalog.entry(env, name)
            if backup_summary.list_dump(entry, manifest=listing.taken(name.manifest)) != record.listed:
                return {}
    return indexed


def _summaries(indexed: dict[str, IndexRecord]) -> Iterator[BackupSummary]:
    return (record.listed.summary for record in indexed.values() if record.listed.summary is not None)


def _read_record(
    env: EnvironmentContext, listing: Listing, name: BackupName, indexed: IndexRecord | None
) -> IndexRecord:
    """The record of a dump: from the index if none of its files has changed, else read again."""
    if indexed is not None and indexed.mark == listing.mark(_files(name, indexed.archives)):
        return indexed
    entry = catalog.entry(env, name, remember=False)
    archives: tuple[str, ...] = ()
    if entry.manifest and entry.manifest.files:
        archives = tuple(facts.file for facts in entry.manifest.files.archives)
    has_manifest = listing.taken(name.manifest)
    unreadable = bool(entry.problem) and (entry.unread or entry.manifest is None)
    # An empty mark matches no listing: the failure may have been temporary, so it is read again next time.
    mark = "" if unreadable else listing.mark(_files(name, archives))
    return IndexRecord(mark, archives, backup_summary.list_dump(entry, manifest=has_manifest))


def _files(name: BackupName, archives: tuple[str, ...]) -> tuple[str, ...]:
    """All files that determine the entry of a dump."""
    return (name.dump, name.manifest, name.globals, name.proof, *archives)


def _is_settled(listing: Listing, record: IndexRecord, begun: float) -> bool:
    """Whether a record may be indexed: its files did not change just now. Future times count as old."""
    changed, instant = listing.changed(_files(record.listed.name, record.archives)), int(begun * 1e9)
    ended = int(clock.now().timestamp() * 1e9)
    return bool(record.mark) and not instant - _RECENT_NS <= changed <= ended + _RECENT_NS


def _load_index(env: EnvironmentContext) -> dict[str, IndexRecord]:
    data = cache_files.load(_index_file(env))
    if data is None:
        return {}
    return index.decode(data, env.environment, code=_code_digest(), folder=env.store.location)


def _save_index(env: EnvironmentContext, records: list[IndexRecord]) -> None:
    cache_files.save(_index_file(env), index.encode(records, code=_code_digest(), folder=env.store.location))


def _index_file(env: EnvironmentContext) -> Path:
    """The index file. Each location of an environment has its own."""
    place = xxhash.xxh3_64_hexdigest(env.store.location.encode())
    return env.ctx.settings.state_dir / "index" / f"{env.environment}-{place}.json"


@cache
def _code_digest() -> str:
    """A digest of the modules that read manifests: another version may read them differently."""
    modules = (catalog, core_catalog, index, manifest, naming, proof, rungs, backup_summary)
    files = [Path(module.__file__ or "").read_bytes() for module in modules]
    return xxhash.xxh3_128_hexdigest(b"".join([*files, Path(__file__).read_bytes()]))
