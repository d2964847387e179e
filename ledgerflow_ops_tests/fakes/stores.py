"""Backups that cost nothing: real manifests and proofs beside a few bytes that no pg_dump has written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.fakes import backup_files

ROOT = "/srv/media"
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Store:
    """An environment's folder in a location, in which backups are made by hand."""

    path: Path
    environment: Environment = Environment.DEV
    zone: ZoneInfo = _UTC

    def put(
        self,
        taken: datetime,
        rung: Rung | None = Rung.VALID,
        verdict: Verdict = Verdict.GOOD,
        *,
        stem: str = "",
        files: Iterable[FilesState] | None = None,
    ) -> Manifest:
        """A backup taken at that instant, examined to that rung (None: never).

        With `files` it has an archive of files of its own, and needs those of these earlier states.
        """
        local = taken.astimezone(self.zone)
        name = BackupName(stem or f"ledgerflow_{self.environment}_{local:%Y%m%d_%H%M%S}")
        dump, roles = f"dump of {taken.isoformat()}".encode(), b"CREATE ROLE owner;\n"
        manifest = records.manifest(
            **backup_files.taken_at(self.environment, self.zone, taken),
            dump=backup_files.write(self.path, name.dump, dump),
            globals=backup_files.write(self.path, name.globals, roles),
            files=None if files is None else self._filed(name, taken, list(files)),
        )
        backup_files.write(self.path, name.manifest, manifest.encode())
        if rung is not None:
            self.prove(manifest, rung, verdict)
        return manifest

    def prove(self, manifest: Manifest, rung: Rung = Rung.VALID, verdict: Verdict = Verdict.GOOD) -> None:
        """The proof of an examination that found this."""
        backup_files.prove(self.path, manifest, manifest.recovery_point, rung, verdict)

    def copy_from(self, other: "Store", manifest: Manifest, *, proof: bool = True) -> None:
        """The same backup here as well, with its proof or without."""
        name = BackupName.of(manifest.dump.file)
        endings = [name.dump, name.globals, name.files, name.manifest, *([name.proof] if proof else [])]
        for file in endings:
            if (other.path / file).exists():
                backup_files.write(self.path, file, (other.path / file).read_bytes())

    def evict(self, file: str) -> None:
        """As iCloud does: the bytes are elsewhere, a placeholder is left."""
        (self.path / file).unlink()
        (self.path / f".{file}.icloud").write_bytes(b"bplist00")

    def names(self) -> set[str]:
        """The files in the folder, without those of the history."""
        return {file.name for file in self.path.iterdir() if file.is_file()}

    def stems(self) -> list[str]:
        """The backups: whatever has a manifest."""
        ending = ".manifest.json"
        return sorted(name.removesuffix(ending) for name in self.names() if name.endswith(ending))

    def _filed(self, name: BackupName, taken: datetime, earlier: Sequence[FilesState]) -> FilesState:
        data = f"files of {taken.isoformat()}".encode()
        own = backup_files.write(self.path, name.files, data)
        folder = FileEntry(root=ROOT, path="", kind=FileKind.FOLDER, mode=0o755, mtime_ns=1, owner=(0, 0))
        held = [(state.archive, f"{number}.pdf") for number, state in enumerate(earlier)] + [(own, "own.pdf")]
        entries = [
            records.file_entry(ROOT, path, 5).model_copy(update={"archive": facts.file})
            for facts, path in held
        ]
        return FilesState(
            roots=(ROOT,),
            begun_at=taken,
            still_at=taken,
            archive=own,
            needs=tuple(sorted({state.archive.file: state.archive for state in earlier}.values(), key=str)),
            entries=(folder, *entries),
            notes=(),
        )
