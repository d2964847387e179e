"""Fills an environment's folder with made-up backups whose tables have given row counts."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache

from ledgerflow_ops.core.catalog.manifest import Manifest, TableContent, TableFacts
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.fakes import backup_files

TABLES = tuple(f"public.table_{number:02}" for number in range(24))


def backup_name(env: EnvironmentContext, taken: datetime) -> BackupName:
    return BackupName(f"ledgerflow_{env.environment}_{taken:%Y%m%d_%H%M}")


def add_backup(
    env: EnvironmentContext,
    taken: datetime,
    *,
    size: int = 4000,
    rows: Iterable[int] = (),
    proven_at: datetime | None = None,
    verdict: Verdict = Verdict.GOOD,
    seconds: float = 2.0,
) -> Manifest:
    """Add a committed backup of that instant, proven at `proven_at` (None: not proven)."""
    stem, data = backup_name(env, taken), _data(size)
    counts = dict(zip(TABLES, rows or range(1000, 25000, 1000), strict=False))
    manifest = _manifest(env, stem, taken, data, counts, seconds)
    backup_files.write_file(backup_folder_of(env).path, stem.manifest, manifest.encode())
    if proven_at:
        add_proof(env, manifest, proven_at, verdict)
    return manifest


def add_proof(
    env: EnvironmentContext, manifest: Manifest, at: datetime, verdict: Verdict = Verdict.GOOD
) -> Proof:
    """Add the proof of a drill of that backup at that instant."""
    rung = Rung.VALID if verdict is Verdict.GOOD else Rung.HASHED
    return backup_files.write_proof(backup_folder_of(env).path, manifest, at, rung, verdict)


def add_days(env: EnvironmentContext, last: date, count: int, *, at: str = "02:30") -> list[Manifest]:
    """Add a proven backup for each of `count` days up to `last`, each a little larger than the one before."""
    manifests = []
    for back in reversed(range(count)):
        day = last - timedelta(days=back)
        taken = datetime.fromisoformat(f"{day}T{at}:00+00:00")
        grown = count - back
        rows = [1000 * number + grown * number for number in range(1, 25)]
        manifests.append(
            add_backup(env, taken, size=4000 + grown, rows=rows, proven_at=taken + timedelta(minutes=5))
        )
    return manifests


@cache
def _data(size: int) -> bytes:
    return bytes(size - 1) + b"."


def _manifest(
    env: EnvironmentContext,
    stem: BackupName,
    taken: datetime,
    data: bytes,
    counts: dict[str, int],
    seconds: float,
) -> Manifest:
    content = {
        table: TableContent(rows=rows, size=rows * 40, digest=f"{rows:032x}", columns="(id, total)")
        for table, rows in counts.items()
    }
    facts = {table: TableFacts(rows=rows, sums={"total": f"{rows}.50"}) for table, rows in counts.items()}
    folder = backup_folder_of(env).path
    return records.manifest(
        **backup_files.manifest_times(env.environment, env.settings.zone, taken, seconds),
        sample=env.is_sample,
        dump=backup_files.write_file(folder, stem.dump, data),
        globals=backup_files.write_file(folder, stem.globals, b"-- roles\n"),
        seal=records.seal(tables=facts),
        contents=records.contents(tables=content),
        durations={"dump": seconds},
    )
