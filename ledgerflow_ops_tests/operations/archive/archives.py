"""An environment's backups and two archive locations, in real folders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Reporter
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.archive.archive_result import ArchiveResult
from ledgerflow_ops.operations.archive.copies import copy_in, place_name
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import rotate
from ledgerflow_ops.operations.retention.rotate import RotationResult
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

TWO: Mapping[str, Mapping[str, Any]] = {"usb": {}, "far": {}}


@dataclass(frozen=True)
class Archives:
    """dev's backups below `root`, and its archive locations: a folder for each name, with its settings."""

    root: Path
    locations: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: TWO)
    archive_roots: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    reporter: Reporter | None = None
    recipients: tuple[str, ...] = ()
    """For whom the backups that are added are encrypted; none by default."""

    def __post_init__(self) -> None:
        for name in self.locations:
            (self.root / name).mkdir(exist_ok=True)

    @property
    def env(self) -> EnvironmentContext:
        listed = [
            {"name": name, "kind": "folder", "url": str(self.root / name), **given}
            for name, given in self.locations.items()
        ]
        own: dict[str, Any] = {"locations": listed, "archive_roots": self.archive_roots, **self.settings}
        return builders.env(self.root, reporter=self.reporter, **own)

    def with_settings(self, settings: Mapping[str, Any] | None = None, **locations: Any) -> "Archives":
        """The same folders with further settings of the environment, and of these locations."""
        merged = {name: {**given, **locations.get(name, {})} for name, given in self.locations.items()}
        return replace(self, locations=merged, settings={**self.settings, **(settings or {})})

    @property
    def places(self) -> list[str]:
        return list(self.locations)

    @property
    def primary(self) -> BackupFolder:
        return BackupFolder(self.root / "backups" / "dev", recipients=self.recipients)

    def folder(self, place: str) -> BackupFolder:
        return BackupFolder(self.root / place / "dev")

    def at(self, place: str) -> EnvironmentContext:
        return next(at for at in self.env.locations() if place_name(at) == place)

    def add(
        self, ago: int, *, rung: Rung | None = Rung.VALID, files: Iterable[FilesState] | None = None
    ) -> BackupName:
        """A backup of so many days ago in the primary folder."""
        made = self.primary.add_backup(clock.now() - timedelta(days=ago), rung, files=files)
        return BackupName.of(made.dump.file)

    def archive(self) -> ArchiveResult:
        return archiving.archive_backups(self.env)

    def rotate(self, confirm: str = "") -> RotationResult:
        return rotate.carry_out_rotation(self.env, RotateRequest(carry_out=True, confirm=confirm))

    def state(self, place: str, name: BackupName) -> CopyState:
        """The state of a copy, compared with the primary folder's manifest."""
        manifest = catalog.read_manifest(self.env, name)
        return copy_in(self.at(place), name, manifest.digest if manifest else "").state

    def copies(self, place: str) -> dict[str, bytes]:
        """The files of a location by name, with their bytes."""
        return _contents(self.folder(place).path)

    def files_of(self, name: BackupName) -> dict[str, bytes]:
        """The files of a backup in the primary folder."""
        return {file: data for file, data in _contents(self.primary.path).items() if name.stem in file}

    def is_original(self, name: BackupName) -> bool:
        """Whether the primary folder's backup is still a proven one."""
        return catalog.entry(self.env, name).proven

    def versions(self, place: str) -> dict[str, tuple[int, int]]:
        """What changes whenever a file of the location is written."""
        return {
            file.name: (file.stat().st_ino, file.stat().st_mtime_ns)
            for file in self.folder(place).path.iterdir()
            if file.is_file()
        }


def _contents(folder: Path) -> dict[str, bytes]:
    return (
        {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        if folder.exists()
        else {}
    )
