"""Summaries of an environment's backups: as its folder stands, and of those that rotation has taken away.

An index in the state folder spares the reading of manifests that have not changed since. It is a cache: one
that is damaged, foreign or gone is made again, and whoever decides what is deleted or restored reads the
manifests themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import xxhash

from ledgerflow_ops.adapters.storage import cache as saved
from ledgerflow_ops.adapters.storage.stored_file import Listing
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog import backup_summary, index, manifest, naming, proof, rungs
from ledgerflow_ops.core.catalog import catalog as core_catalog
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.catalog.catalog import newest_first
from ledgerflow_ops.core.catalog.index import IndexRecord
from ledgerflow_ops.core.catalog.naming import DUMP, MANIFEST, BackupName
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

_ALWAYS_READ = 8
"""So many of the newest backups are read whatever the index says of them."""
_SAVE_EVERY = 500
"""After so many manifests read, the index is written: it takes as long as reading some ten of them."""
_RECENT_NS = 2_000_000_000
"""Nanoseconds within which a file may change again and show the same times: file systems keep whole
seconds, or two. What was changed so shortly before it was read is read again the next time."""


def present_backups(env: EnvironmentContext) -> list[BackupSummary]:
    """The committed backups that lie in the environment's folder, newest recovery point first."""
    return newest_first(one.summary for one in list_dumps(env) if one.summary is not None)


def own_backups(env: EnvironmentContext, found: Iterable[BackupSummary]) -> list[BackupSummary]:
    """Those of the environment's own database: backups of the sample do not count where it has a real one."""
    return [one for one in found if env.is_sample or not one.sample]


def list_dumps(env: EnvironmentContext) -> list[ListedDump]:
    """Every dump of the environment, by name, also what is no backup; as `catalog.entries` tells it."""
    return list_with_digest(env, env.store.listing())[0]


def list_with_digest(env: EnvironmentContext, found: Listing) -> tuple[list[ListedDump], str]:
    """As `listed`, of the folder as a look has just found it; and a digest that is another whenever a file
    of any of them is. The digest is empty where something could not be read."""
    begun = clock.now().timestamp()
    stems = sorted(BackupName.of(file).stem for file in found.names(DUMP, MANIFEST))
    names = [BackupName(stem) for stem in dict.fromkeys(stems)]
    known = _trusted_index(env, found, _load_index(env))
    reading = _FolderReader(env, found, known, begun)
    records = reading.records(names)
    kept = reading.kept(records)
    if list(map(id, kept)) != list(map(id, known.values())):
        _save_index(env, kept)
    marks = [record.mark for record in records]
    mark = xxhash.xxh3_128_hexdigest("".join(marks).encode()) if all(marks) else ""
    return [record.listed for record in records], mark


@dataclass(frozen=True, slots=True)
class _FolderReader:
    """A look at a folder: what the index has, and what has to be read from the manifests since."""

    env: EnvironmentContext
    seen: Listing
    known: dict[str, IndexRecord]
    begun: float

    def records(self, names: Sequence[BackupName]) -> list[IndexRecord]:
        """What is known of each dump.

        Reading takes milliseconds for each: it is told how far it got, and the index is written on the way,
        so that a process that is killed leaves the next one the rest only.
        """
        records: list[IndexRecord] = []
        read = 0
        for place, name in enumerate(names, start=1):
            known = self.known.get(name.stem)
            records.append(_read_record(self.env, self.seen, name, known))
            if records[-1] is known:
                continue
            read += 1
            if read % _SAVE_EVERY == 0:
                ahead = [self.known[one.stem] for one in names[place:] if one.stem in self.known]
                _save_index(self.env, [*self.kept(records), *ahead])
            self.env.ctx.reporter.counted(place, len(names), "backups read")
        if read:
            self.env.ctx.reporter.counted(len(names), len(names), "backups read")
        return records

    def kept(self, records: Iterable[IndexRecord]) -> list[IndexRecord]:
        """Those that may go into the index."""
        return [
            record
            for record in records
            if record is self.known.get(record.listed.name.stem) or _is_settled(self.seen, record, self.begun)
        ]


def _trusted_index(
    env: EnvironmentContext, seen: Listing, known: dict[str, IndexRecord]
) -> dict[str, IndexRecord]:
    """The index, unless what it says of the newest backups is not what their own files say: then none of it.

    An index is easy to write, by a mistake or on purpose. What RPO, `latest-proven` and the guard rely on is
    therefore read from the manifest and the proof each time.
    """
    held = {one.name: known[one.name.stem] for one in newest_first(_summaries(known))}
    proven = [name for name, record in held.items() if record.listed.summary and record.listed.summary.proven]
    for name in dict.fromkeys([*list(held)[:_ALWAYS_READ], *proven[:1]]):
        record = held[name]
        if record.mark == seen.mark(_files(name, record.archives)):
            entry = catalog.entry(env, name)
            if backup_summary.list_dump(entry, manifest=seen.taken(name.manifest)) != record.listed:
                return {}
    return known


def _summaries(known: dict[str, IndexRecord]) -> Iterator[BackupSummary]:
    return (record.listed.summary for record in known.values() if record.listed.summary is not None)


def _read_record(
    env: EnvironmentContext, seen: Listing, name: BackupName, known: IndexRecord | None
) -> IndexRecord:
    """What is known of a dump: as the index has it, if all its files are as they were then."""
    if known is not None and known.mark == seen.mark(_files(name, known.archives)):
        return known
    entry = catalog.entry(env, name, remember=False)
    archives: tuple[str, ...] = ()
    if entry.manifest and entry.manifest.files:
        archives = tuple(facts.file for facts in entry.manifest.files.archives)
    there = seen.taken(name.manifest)
    trouble = bool(entry.problem) and (entry.unread or entry.manifest is None)
    # A mark that no look will find: what could not be read may have been the reading's own trouble.
    mark = "" if trouble else seen.mark(_files(name, archives))
    return IndexRecord(mark, archives, backup_summary.list_dump(entry, manifest=there))


def _files(name: BackupName, archives: tuple[str, ...]) -> tuple[str, ...]:
    """All files that the entry of a dump is read from."""
    return (name.dump, name.manifest, name.globals, name.proof, *archives)


def _is_settled(seen: Listing, record: IndexRecord, begun: float) -> bool:
    """Whether a record may be kept. Times in the future, by a clock that went wrong, are as good as old."""
    changed, instant = seen.changed(_files(record.listed.name, record.archives)), int(begun * 1e9)
    ended = int(clock.now().timestamp() * 1e9)
    return bool(record.mark) and not instant - _RECENT_NS <= changed <= ended + _RECENT_NS


def _load_index(env: EnvironmentContext) -> dict[str, IndexRecord]:
    data = saved.load(_index_file(env))
    if data is None:
        return {}
    return index.decode(data, env.environment, code=_code_digest(), folder=env.store.location)


def _save_index(env: EnvironmentContext, records: list[IndexRecord]) -> None:
    saved.save(_index_file(env), index.encode(records, code=_code_digest(), folder=env.store.location))


def _index_file(env: EnvironmentContext) -> Path:
    """An index for each folder: an environment may have backups in several places."""
    place = xxhash.xxh3_64_hexdigest(env.store.location.encode())
    return env.ctx.settings.state_dir / "index" / f"{env.environment}-{place}.json"


@cache
def _code_digest() -> str:
    """A digest of the program that reads manifests: another version may read something else in them."""
    modules = (catalog, core_catalog, index, manifest, naming, proof, rungs, backup_summary)
    files = [Path(module.__file__ or "").read_bytes() for module in modules]
    return xxhash.xxh3_128_hexdigest(b"".join([*files, Path(__file__).read_bytes()]))
