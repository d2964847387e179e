"""A folder of made-up backups that go through the product's own recording, one call for each operation."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.retention import quarantine, rotate
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.fakes import backup_files


@dataclass
class RecordedBackups:
    """An environment whose operations are called at instants of our choice."""

    env: EnvironmentContext

    @property
    def folder(self) -> Path:
        return backup_folder_of(self.env).path

    @property
    def chain(self) -> Path:
        """The copy of the history beside the backups."""
        return self.folder.parent / "chain" / self.folder.name

    def at(self, now: datetime) -> EnvironmentContext:
        """The environment at that instant."""
        return replace(self.env, ctx=replace(self.env.ctx, clock=lambda: now))

    def backup(self, taken: datetime, *, prove: bool = True) -> Manifest:
        """A backup of that instant, and its proof."""
        env, manifest = self.at(taken), self.manifest(taken)
        name = BackupName.of(manifest.dump.file)
        with recording.committing(env, manifest):
            backup_files.write_file(self.folder, name.manifest, manifest.encode())
        if prove:
            self.prove(manifest, taken)
        return manifest

    def manifest(self, taken: datetime) -> Manifest:
        """The manifest of a backup of that instant, whose dump is written."""
        local = taken.astimezone(self.env.settings.zone)
        name = BackupName(f"ledgerflow_{self.env.environment}_{local:%Y%m%d_%H%M%S}")
        dump = backup_files.write_file(self.folder, name.dump, f"PGDMP {taken.isoformat()}".encode())
        return records.manifest(
            **backup_files.manifest_times(self.env.environment, self.env.settings.zone, taken),
            dump=dump, globals=None, files=None,
        )  # fmt: skip

    def prove(self, manifest: Manifest, at: datetime, verdict: Verdict = Verdict.GOOD) -> None:
        """Write the proof of an examination."""
        proof = self.proof(manifest, at, verdict)
        with recording.proving(self.at(at), proof):
            backup_files.write_file(self.folder, BackupName.of(proof.file).proof, proof.encode())

    def proof(self, manifest: Manifest, at: datetime, verdict: Verdict = Verdict.GOOD) -> Proof:
        return records.proof(
            Rung.VALID, verdict, file=manifest.dump.file, sha256=manifest.dump.sha256,
            manifest_digest=manifest.digest, examined_at=at,
        )  # fmt: skip

    def rotate(self, now: datetime) -> list[str]:
        """A confirmed rotation; the names that it removed."""
        request = RotateRequest(carry_out=True, confirm=str(self.env.environment))
        return list(rotate.carry_out_rotation(self.at(now), request).removed)

    def quarantine(self, manifest: Manifest, now: datetime) -> None:
        quarantine.quarantine(self.at(now), manifest.dump.file, "a test", manifest.dump.file)

    def undo(self, manifest: Manifest, now: datetime) -> None:
        quarantine.undo(self.at(now), manifest.dump.file)
