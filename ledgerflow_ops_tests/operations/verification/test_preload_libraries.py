"""Extensions that must be preloaded: a drill preloads them too, and none of them acts on the copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders, databases, needs
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.servers import Server

_NAMES = ("pg_cron", "pgaudit")


@pytest.fixture(scope="module")
def programs() -> Tools:
    found = servers.debian_15()
    for name in _NAMES:
        if not (found.folder.parent / "lib" / f"{name}.so").exists():
            needs.missing(f"PostgreSQL 15 lacks {name} (Debian: postgresql-15-{name.replace('pg_', '')})")
    return found


@pytest.fixture(scope="module")
def server(session_root: Path, programs: Tools) -> Iterator[Server]:
    with sandboxes.temporary_folder(session_root) as root, servers.server(root, programs) as server:
        with (server.cluster.data / "postgresql.conf").open("a") as file:
            file.write("shared_preload_libraries = 'pg_cron, pgaudit, auto_explain'\n")
            file.write("cron.database_name = 'scheduled'\n")
        server.cluster.stop()
        server.start()
        yield server


@pytest.fixture
def scheduled(server: Server) -> Iterator[Database]:
    with databases.temporary_database(server.database, name="scheduled") as database:
        run_statements(
            database,
            "SET search_path = public; CREATE EXTENSION pg_cron; CREATE EXTENSION pgaudit",
            "CREATE TABLE public.ran (at timestamptz DEFAULT now())",
            "SELECT cron.schedule('every minute', '* * * * *', 'INSERT INTO public.ran DEFAULT VALUES')",
            "UPDATE cron.job SET active = false",  # of the source, so that its own jobs disturb no test
        )
        yield database


def test_they_are_preloaded_by_the_drill_as_well(root: Path, scheduled: Database) -> None:
    env = builders.env(root, scheduled, rules=[])
    manifest = sandboxes.take_backup(env)
    assert manifest.preloaded == ("pg_cron", "pgaudit", "auto_explain")
    assert manifest.seal.tables["cron.job"].rows == 1
    sandboxes.prove_backup(env, manifest)
    # A manifest of an earlier version, or of an account that was not told, does not say what was preloaded.
    name = BackupName.of(manifest.dump.file)
    backup_folder_of(env).replace(name.manifest, manifest.model_copy(update={"preloaded": None}).encode())
    sandboxes.prove_backup(env, manifest)


def test_without_the_library_the_backup_is_not_judged(
    root: Path, scheduled: Database, programs: Tools
) -> None:
    """As on a machine without it: the drill's server has no file of that name."""
    env = builders.env(root, scheduled, rules=[])
    manifest = sandboxes.take_backup(env)
    name = BackupName.of(manifest.dump.file)
    missing = manifest.seal.model_copy(update={"extensions": {"plperl": "1.0"}})
    unknown = manifest.model_copy(update={"seal": missing, "preloaded": None})
    backup_folder_of(env).replace(name.manifest, unknown.encode())
    with pytest.raises(CannotJudge) as unjudged:
        drill.drill(env, name)
    assert unjudged.value.exit_code == 5
    assert "pg_cron" in unjudged.value.message
    assert "says nothing about the backup" in unjudged.value.hint
