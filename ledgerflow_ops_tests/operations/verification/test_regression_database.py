"""PostgreSQL's own regression database: 880 relations of every kind there is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests.fakes import sandboxes, servers, targets
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import DEBIAN_15, Server

_SLOW = {"brin", "tablespace", "stats"}
"""Scripts that wait, or write into folders that only PostgreSQL's own test driver makes."""


@pytest.fixture(scope="module")
def source() -> Path:
    """The folder src/test/regress of PostgreSQL 15's source, which .ci/run takes from Debian's package."""
    folder = Path(os.environ.get("LEDGERFLOW_REGRESS") or "/nonexistent")
    if not (folder / "parallel_schedule").exists():
        # Not `needs`: a package mirror without sources is no fault of the machine.
        pytest.skip("LEDGERFLOW_REGRESS names no src/test/regress of PostgreSQL 15 (see CONTRIBUTING.md)")
    return folder


@pytest.fixture(scope="module")
def older(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.debian_15()) as server,
    ):
        yield server


def scripts(source: Path) -> list[str]:
    lines = (source / "parallel_schedule").read_text().splitlines()
    named = [name for line in lines if line.startswith("test:") for name in line.split()[1:]]
    return [name for name in named if name not in _SLOW]


def load(server: Server, source: Path) -> None:
    """Run the scripts. What needs PostgreSQL's C test library fails in them, and leaves the rest."""
    with server.database.connect() as connection:
        connection.execute("CREATE DATABASE regression TEMPLATE template0")
    variables = {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": "postgres",
        "PGDATABASE": "regression",
        "PGTZ": "PST8PDT",
        "PGDATESTYLE": "Postgres, MDY",
        "PG_ABS_SRCDIR": str(source),
        "PG_ABS_BUILDDIR": "/nonexistent",
        "PG_LIBDIR": str(DEBIAN_15.parent / "lib"),
        "PG_DLSUFFIX": ".so",
    }
    for name in scripts(source):
        command = [str(DEBIAN_15 / "psql"), "-X", "-q", "-f", str(source / "sql" / f"{name}.sql")]
        subprocess.run(command, env=variables, capture_output=True, timeout=120, check=False)


def test_it_is_proven_and_restored_to_the_byte(root: Path, source: Path, older: Server) -> None:
    load(older, source)
    database = older.database.named("regression")
    env = Sandbox(root, database, {"rules": ()}).env()
    manifest = backup.backup(env, BackupRequest(file="regression.dump"))
    assert len(manifest.contents.tables) > 400
    assert len(manifest.seal.objects) > 3000
    examination = drill.drill(env, BackupName.of("regression.dump"))
    assert [check.message for check in examination.checks if not check.passed] == []
    assert examination.rung is Rung.VALID
    with database.connect() as connection:
        connection.execute("DROP TABLE public.onek CASCADE")
    restored = restore.restore(
        env, RestoreRequest(environment=Environment.DEV, file="regression.dump", force=True)
    )
    assert restored.bad is None
    assert facts_equal(manifest.seal, targets.sealed_contents(database), same_major=True) == []
