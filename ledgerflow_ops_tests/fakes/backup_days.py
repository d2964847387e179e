"""Fills an environment's folder with weeks of made-up backups: real manifests and proofs, empty dumps."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ledgerflow_ops.core.catalog.manifest import Manifest, TableContent
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.core import records
from ledgerflow_ops_tests.fakes import backup_files

SIZE = 20_000


def add_backup(
    env: EnvironmentContext,
    taken: datetime,
    *,
    size: int = SIZE,
    rung: Rung | None = Rung.VALID,
    verdict: Verdict = Verdict.GOOD,
    rto: float = 2.0,
    **changes: Any,
) -> BackupName:
    """Add a backup of that instant; `rung` None leaves it without a proof."""
    name = BackupName(f"ledgerflow_{env.environment}_{taken:%Y%m%d_%H%M}")
    manifest = _manifest(env, name, taken, size, changes)
    folder = backup_folder_of(env).path
    backup_files.write_file(folder, name.dump, b"PGDMP".ljust(size, b"\1"))
    backup_files.write_file(folder, name.manifest, manifest.encode())
    if rung is not None:
        at, took = taken + timedelta(minutes=1), {"rto_seconds": rto, "durations": {"restore": rto}}
        backup_files.write_proof(folder, manifest, at, rung, verdict, **took)
    return name


def _manifest(
    env: EnvironmentContext, name: BackupName, taken: datetime, size: int, changes: Mapping[str, Any]
) -> Manifest:
    whole = records.manifest()
    table = TableContent(rows=size // 10, size=size, digest="a" * 32, columns="(id, total)")
    fields: dict[str, Any] = {
        **backup_files.manifest_times(env.environment, env.settings.zone, taken, seconds=30),
        "dump": whole.dump.model_copy(update={"file": name.dump, "size": size}),
        "globals": None,
        "contents": whole.contents.model_copy(update={"tables": {"public.invoice": table}}),
        "source": whole.source.model_copy(update={"size": size * 20}),
        "durations": {"dump": size / 10_000},
    }
    return whole.model_copy(update={**fields, **changes})


def add_days(
    env: EnvironmentContext,
    now: datetime,
    count: int,
    put_one: Callable[[EnvironmentContext, datetime, int], object],
) -> None:
    """Call `put_one` for each of the last `count` days, the oldest first, with its instant and number."""
    for number in range(count):
        put_one(env, now - timedelta(days=count - 1 - number), number)


def proven_day(env: EnvironmentContext, taken: datetime, number: int) -> BackupName:
    """Add a proven backup, a little larger each day."""
    size = SIZE + 200 * number
    return add_backup(env, taken, size=size, rto=1.0 + size / 20_000)


def mixed_day(env: EnvironmentContext, taken: datetime, number: int) -> BackupName | None:
    """A month with problems: missed days, backups without a drill, bad ones, and far too small ones."""
    if number % 11 == 5:
        return None
    if number % 13 == 7:
        return add_backup(env, taken, rung=Rung.READABLE)
    if number % 17 == 9:
        return add_backup(env, taken, rung=Rung.HASHED, verdict=Verdict.BAD)
    if number % 19 == 16:
        return add_backup(env, taken, size=SIZE // 4)
    return proven_day(env, taken, number)
