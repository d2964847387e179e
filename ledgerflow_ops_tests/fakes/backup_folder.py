"""A folder of made-up backups: real manifests and proofs beside dumps of a few bytes."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ledgerflow_ops.adapters.storage.age_codec import AgeCodec
from ledgerflow_ops.adapters.storage.age_keys import IdentitySource
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.fakes import backup_files

ROOT = "/srv/media"
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class BackupFolder:
    """An environment's backup folder, to which a test adds backups."""

    path: Path
    environment: Environment = Environment.DEV
    zone: ZoneInfo = _UTC
    encrypted: bool = False
    """Whether its files have the names of encrypted ones; what is in them is made up anyway."""
    recipients: tuple[str, ...] = ()
    """For whom its files are really encrypted; they then have such names as well."""

    def add_backup(
        self,
        taken: datetime,
        rung: Rung | None = Rung.VALID,
        verdict: Verdict = Verdict.GOOD,
        *,
        stem: str = "",
        files: Iterable[FilesState] | None = None,
        content: bytes = b"",
    ) -> Manifest:
        """Add a backup taken at that instant, proven to that rung (None: without a proof).

        `content` are the dump's bytes, a few by default.

        With `files` it has an archive of files, and needs the archives of these earlier states as well.
        """
        local = taken.astimezone(self.zone)
        name = BackupName(
            stem or f"ledgerflow_{self.environment}_{local:%Y%m%d_%H%M%S}",
            self.encrypted or bool(self.recipients),
        )
        dump, roles = content or f"dump of {taken.isoformat()}".encode(), b"CREATE ROLE owner;\n"
        manifest = records.manifest(
            **backup_files.manifest_times(self.environment, self.zone, taken),
            dump=self._write(name.dump, dump),
            globals=self._write(name.globals, roles),
            files=None if files is None else self._filed(name, taken, list(files)),
            recipients=self.recipients or None,
        )
        backup_files.write_file(self.path, name.manifest, manifest.encode())
        if rung is not None:
            self.prove(manifest, rung, verdict)
        return manifest

    def prove(self, manifest: Manifest, rung: Rung = Rung.VALID, verdict: Verdict = Verdict.GOOD) -> None:
        """Add the proof of an examination with this result."""
        backup_files.write_proof(self.path, manifest, manifest.recovery_point, rung, verdict)

    def copy_from(self, other: "BackupFolder", manifest: Manifest, *, proof: bool = True) -> None:
        """Copy a backup of another folder here, with or without its proof."""
        name = BackupName.of(manifest.dump.file)
        endings = [name.dump, name.globals, name.files, name.manifest, *([name.proof] if proof else [])]
        for file in endings:
            if (other.path / file).exists():
                backup_files.write_file(self.path, file, (other.path / file).read_bytes())

    def evict(self, file: str) -> None:
        """Replace a file by a placeholder, as iCloud does when it evicts the file's data."""
        (self.path / file).unlink()
        (self.path / f".{file}.icloud").write_bytes(b"bplist00")

    def names(self) -> set[str]:
        """The names of the files in the folder; those of the history, in a subfolder, do not count."""
        return {file.name for file in self.path.iterdir() if file.is_file()}

    def stems(self) -> list[str]:
        """The stems of the backups that have a manifest."""
        ending = ".manifest.json"
        return sorted(name.removesuffix(ending) for name in self.names() if name.endswith(ending))

    def _write(self, file: str, plain: bytes) -> FileFacts:
        """Write a file with data, encrypted if there are recipients."""
        if not self.recipients:
            return backup_files.write_file(self.path, file, plain)
        sealed = io.BytesIO()
        encoder = AgeCodec(self.recipients, IdentitySource()).encoder(sealed.write)
        encoder.write(plain)
        encoder.close()
        return backup_files.write_file(self.path, file, sealed.getvalue())

    def _filed(self, name: BackupName, taken: datetime, earlier: Sequence[FilesState]) -> FilesState:
        data = f"files of {taken.isoformat()}".encode()
        own = self._write(name.files, data)
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
