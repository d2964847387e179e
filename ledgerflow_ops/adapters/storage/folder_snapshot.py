"""A folder as one look finds it: every file in it, with what changes whenever the file does."""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import xxhash

from ledgerflow_ops.adapters.storage.cloud_placeholders import is_dataless, is_placeholder, own_name
from ledgerflow_ops.adapters.system.os_errors import translated


@dataclass(frozen=True, slots=True)
class FolderSnapshot:
    """What lies in a folder. `files` are the names' own facts, `targets` what is behind those that are links,
    `placeholders` the files that a cloud keeps elsewhere, by their own names. `there` is whether it exists.
    """

    files: Mapping[str, os.stat_result]
    targets: Mapping[str, str]
    placeholders: frozenset[str]
    there: bool = True

    def names(self, *endings: str) -> set[str]:
        """The files with one of these endings, those that are elsewhere too; hidden ones left out."""
        return {
            name for name in (*self.files, *self.placeholders) if name.endswith(endings) and name[0] != "."
        }

    def taken(self, name: str) -> bool:
        return name in self.files or name in self.placeholders

    def evicted(self, name: str) -> bool:
        """Whether its bytes are only in the cloud."""
        return name in self.placeholders or (name in self.files and is_dataless(self.files[name]))

    def mark(self, names: Iterable[str]) -> str:
        """A digest that is another whenever one of these files is, comes or goes."""
        return xxhash.xxh3_128_hexdigest(os.fsencode("|".join(map(self._mark, names))))

    def changed(self, names: Iterable[str]) -> int:
        """When one of these files was changed last (ns), its attributes among it; 0 where none is there."""
        return max((self.files[name].st_ctime_ns for name in names if name in self.files), default=0)

    def _mark(self, name: str) -> str:
        facts = self.files.get(name)
        if facts is None:
            return f"{name} {name in self.placeholders}"
        return (
            f"{name} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_mode}"
            f" {is_dataless(facts)} {name in self.placeholders} {self.targets.get(name, '')}"
        )


def scan(folder: Path) -> FolderSnapshot:
    """What lies in `folder` now; nothing where there is none. LedgerError when it cannot be read."""
    files: dict[str, os.stat_result] = {}
    targets: dict[str, str] = {}
    placeholders = set()
    with translated(folder):
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    if is_placeholder(entry.name):
                        placeholders.add(own_name(entry.name))
                    else:
                        _add(entry, files, targets)
        except (FileNotFoundError, NotADirectoryError):
            return FolderSnapshot({}, {}, frozenset(), there=False)
    return FolderSnapshot(files, targets, frozenset(placeholders))


def _add(entry: "os.DirEntry[str]", files: dict[str, os.stat_result], targets: dict[str, str]) -> None:
    """Take a file in, unless it went away meanwhile."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    files[entry.name] = facts
    if stat.S_ISLNK(facts.st_mode):
        try:
            behind = entry.stat()
            seen = (behind.st_ino, behind.st_size, behind.st_blocks, behind.st_mtime_ns, behind.st_ctime_ns)
            targets[entry.name] = str(seen)
        except OSError:
            targets[entry.name] = "nothing"
