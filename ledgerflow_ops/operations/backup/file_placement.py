"""Gives a backup's files their final names: all of them and its manifest, or none.

Until the manifest commits them, a record in the folder names this backup's files. A killed process leaves
the record behind, and the next sweep removes the files that it names. No record names files of others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledgerflow_ops.adapters.storage.stored_file import NewFile
from ledgerflow_ops.core.catalog import unfinished_backup
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.unfinished_backup import PlacedFile, UnfinishedBackup
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.operations.context import EnvironmentContext


class FilePlacement:
    """The placement of one backup's files. Requires the environment's lock."""

    def __init__(self, env: EnvironmentContext, name: BackupName) -> None:
        self._store, self._file = env.store, unfinished_backup.record_name(name)
        self._record, self._placed = UnfinishedBackup(stem=name.stem), list[str]()

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """If the block fails, remove the files that it placed, the manifest first."""
        try:
            yield
        except BaseException:
            for file in reversed(self._placed):
                self._store.delete(file)
            raise
        finally:
            if not any(self._store.taken(file) for file in self._placed) or self._committed:
                self._store.delete(self._file)

    @property
    def _committed(self) -> bool:
        return self._store.taken(BackupName(self._record.stem).manifest)

    def place(self, file: NewFile) -> None:
        """Give a finished file its name, after recording durably that it belongs to this backup."""
        stat = file.stat()
        if stat is not None:
            placed = (*self._record.placed, PlacedFile(file=file.name, inode=stat.identity, size=stat.size))
            self._record = self._record.model_copy(update={"placed": placed})
            self._store.replace(self._file, self._record.encode())
        with self.placing(file.name):
            file.commit()

    @contextmanager
    def placing(self, file: str) -> Iterator[None]:
        """The block gives `file` its name. From then on the file is ours, unless the name was in use."""
        self._placed.append(file)
        try:
            yield
        except Refused:
            self._placed.remove(file)
            raise
