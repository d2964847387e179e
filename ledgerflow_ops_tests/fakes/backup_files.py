"""The files of made-up backups, for `backup_folder`, `backup_days` and `backup_tables`."""

import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops_tests.core import records


def write_file(folder: Path, file: str, data: bytes) -> FileFacts:
    """Write a file that only its owner can read; returns its entry in a manifest."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    return FileFacts(file=file, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def manifest_times(
    environment: Environment, zone: ZoneInfo, taken: datetime, seconds: float = 0
) -> dict[str, Any]:
    """The fields of a manifest that say when a backup was taken, and for how long."""
    return {
        "environment": environment,
        "backup_day": taken.astimezone(zone).date(),
        "time_zone": str(zone),
        "recovery_point": taken,
        "started_at": taken,
        "finished_at": taken + timedelta(seconds=seconds),
    }


def write_proof(
    folder: Path,
    manifest: Manifest,
    at: datetime,
    rung: Rung = Rung.VALID,
    verdict: Verdict = Verdict.GOOD,
    **changes: Any,
) -> Proof:
    """Write the proof of an examination at that instant beside the backup."""
    proof = records.proof(
        rung,
        verdict,
        file=manifest.dump.file,
        sha256=manifest.dump.sha256,
        manifest_digest=manifest.digest,
        examined_at=at,
        **changes,
    )
    write_file(folder, BackupName.of(manifest.dump.file).proof, proof.encode())
    return proof
