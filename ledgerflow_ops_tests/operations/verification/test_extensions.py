"""Every extension that PostgreSQL contains: its objects are created with it, whoever owns them then."""

import re
import shutil
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import LoadOptions
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.catalog.manifest import Manifest, ObjectDigest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.comparison import ddl_comparison
from ledgerflow_ops.core.comparison.seal_comparison import facts_equal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders, databases
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.databases import run_statements
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.servers import Server

_TYPES = ("citext", "cube", "hstore", "isbn", "lo", "ltree", "seg", "geometry")
_SLOW_ONE = "postgis_tiger_geocoder"
"""It takes as long as all the others together, and is tested with the others."""
_PRELOADED = ("pg_cron", "pgaudit")
"""They are made only by a server that preloads them: see test_preloading.py."""
_DATABASES = 4
"""The number of databases that a version's extensions are spread over; a difference names its extension."""
_REQUIRES = re.compile(r"^requires *= *'(.*)'", re.MULTILINE)


def _available(major: int) -> list[str]:
    """The extensions that lie with the programs of a version, read where the tests are listed.

    Left out is what no server makes: without a script, or requiring what is not there.
    """
    found = servers.DEBIAN_15 if major == 15 else client_tools.bundled_tools().folder
    folder = (Path("/usr/share/postgresql/15") if major == 15 else found.parent / "share") / "extension"
    controls = {file.stem: file.read_text() for file in sorted(folder.glob("*.control"))}

    def can_be_made(name: str) -> bool:
        required = _REQUIRES.search(controls[name])
        wanted = required[1].replace(" ", "").split(",") if required else []
        scripts = [file for file in folder.glob(f"{name}--*.sql") if file.stem.count("--") == 1]
        return bool(scripts) and controls.keys() >= set(wanted)

    apart = ("plpgsql", _SLOW_ONE, *_PRELOADED)
    return [name for name in controls if name not in apart and can_be_made(name)]


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.of_major(request.param)) as server,
    ):
        run_statements(server.database, "CREATE ROLE somebody_else SUPERUSER LOGIN")
        yield server


@pytest.fixture
def small(server: Server) -> Iterator[Database]:
    with databases.temporary_database(server.database) as database:
        yield database


def _plainly(database: Database) -> psycopg.Connection[Any]:
    """A connection with the server's own settings: some extensions' scripts read the search_path."""
    return psycopg.connect(builders.database_url(database), autocommit=True)


def _make(database: Database, names: Iterable[str]) -> None:
    with _plainly(database) as connection:
        for name in names:
            made = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(name))
            with connection.transaction():
                connection.execute(made)
        for datatype in _TYPES:
            found = connection.execute("SELECT to_regtype('public.' || %s)", [datatype]).fetchone()
            if found is not None and found[0] is not None:
                named = sql.Identifier("public", datatype)
                table = sql.Identifier("public", f"of_{datatype}")
                connection.execute(sql.SQL("CREATE TABLE {} (a {})").format(table, named))


@pytest.mark.parametrize("start", range(_DATABASES))
def test_they_come_back_under_another_owner(
    server: Server, small: Database, tmp_path: Path, start: int
) -> None:
    """As in a drill, only within one server: dumped, loaded by another superuser, compared."""
    _make(small, _available(server.cluster.tools.major)[start::_DATABASES])
    programs, file = server.cluster.tools, tmp_path / "small.dump"
    variables = small.variables()
    dumping = process.run([programs.path("pg_dump"), "-Fc", f"--file={file}"], extra=variables)
    assert dumping.code == 0, dumping.errors
    with databases.temporary_database(server.database.as_user("somebody_else")) as copy:
        loaded = archive_loader.load_archive(programs, copy, file, LoadOptions(1))
        assert loaded.code == 0, loaded.errors
        with small.connect() as one, copy.connect() as other:
            sealed, found = source.read_contents(one), source.read_contents(other)
        dumped = ddl_comparison.compare_ddl(
            archive.read_definitions(programs, file), archive.dump_definitions(programs, copy)
        )
    assert [one.sentence for one in facts_equal(sealed.seal, found.seal, same_major=True)] == []
    assert [one.sentence for one in dumped] == []
    assert all("pg_attver" in note for note in sealed.notes)


def test_a_database_with_nearly_all_of_them_is_proven(root: Path, server: Server, small: Database) -> None:
    slow = [_SLOW_ONE] if server.cluster.tools.major == 15 else []
    _make(small, (*slow, *_available(server.cluster.tools.major)))
    env = builders.env(root, small, rules=[])
    sandboxes.prove_backup(env, sandboxes.take_backup(env))


def test_an_owner_of_an_extension_is_noted_and_no_difference(
    root: Path, server: Server, small: Database
) -> None:
    run_statements(
        small, "CREATE SCHEMA kept", "SET ROLE somebody_else; CREATE EXTENSION tablefunc SCHEMA kept"
    )
    run_statements(
        small,
        "CREATE TABLE t (a int, b kept.tablefunc_crosstab_2)",
        "INSERT INTO t VALUES (1, ('x', 'y', 'z'))",
    )
    env = builders.env(root, small, rules=[])
    manifest = backup.backup(env)
    sandboxes.prove_backup(env, manifest)
    assert manifest.notes is not None
    assert any("extension tablefunc belongs to somebody_else" in note for note in manifest.notes)
    assert not any("tablefunc" in name for name in manifest.seal.objects if name.startswith("composite"))


def test_a_seal_that_an_earlier_version_took_is_drilled_as_it_was_meant(
    root: Path, server: Server, small: Database
) -> None:
    """It has the extension's composite types with their owner, and of columns what differs in every copy."""
    run_statements(
        small,
        "CREATE EXTENSION tablefunc SCHEMA public",
        "CREATE TABLE t (a int)",
        "INSERT INTO t VALUES (1)",
    )
    env = builders.env(root, small, rules=[])
    manifest = sandboxes.take_backup(env)
    other = ObjectDigest(structure="as it was there", definition="")
    objects = manifest.seal.objects | {
        "composite type public.tablefunc_crosstab_2": other,
        "column public.tablefunc_crosstab_2.row_name": other,
        "column public.t.a": manifest.seal.objects["column public.t.a"].model_copy(
            update={"structure": "with an option of the server's own"}
        ),
    }
    name = BackupName.of(manifest.dump.file)

    def earlier(objects: dict[str, ObjectDigest]) -> Manifest:
        seal = manifest.seal.model_copy(update={"objects": objects})
        found = manifest.model_copy(update={"seal": seal, "notes": None, "preloaded": None})
        backup_folder_of(env).replace(name.manifest, found.encode())
        return found

    sandboxes.prove_backup(env, earlier(objects))
    earlier({**objects, "table public.t": other})
    bad = drill.drill(env, name).bad
    assert bad is not None
    assert "table public.t: owner, grants or definition differ" in bad.message


@pytest.mark.parametrize("server", [17], indirect=True)
def test_a_table_that_was_added_to_an_extension_is_missed(root: Path, small: Database) -> None:
    """pg_dump leaves the table to the extension, whose script does not create it: its rows are in no dump."""
    run_statements(small, "CREATE EXTENSION hstore SCHEMA public", "CREATE TABLE public.mine (a int)")
    run_statements(
        small, "INSERT INTO public.mine VALUES (1)", "ALTER EXTENSION hstore ADD TABLE public.mine"
    )
    env = builders.env(root, small, rules=[])
    examination = drill.drill(env, BackupName.of(sandboxes.take_backup(env).dump.file))
    (told,) = [check for check in examination.checks if not check.passed]
    assert (examination.rung, examination.proven, told.fatal) == (Rung.EQUAL, False, False)
    assert "TABLE public.mine (of the extension hstore)" in told.message
    statement = "ALTER EXTENSION hstore DROP TABLE public.mine;"
    assert statement in told.hint
    run_statements(small, statement)
    sandboxes.prove_backup(env, sandboxes.take_backup(env))


@pytest.fixture(scope="module")
def own_server(session_root: Path) -> Iterator[Server]:
    """A server with an extension of somebody's own, which is not in PostgreSQL."""
    with sandboxes.temporary_folder(session_root) as root:
        programs = client_tools.bundled_tools().folder.parent
        shutil.copytree(programs, root / "programs")
        for file in resources.files("ledgerflow_ops_tests").joinpath("extension").iterdir():
            (root / "programs/share/extension" / file.name).write_bytes(file.read_bytes())
        own = client_tools.find_tools(root / "programs/bin", "own")
        assert own is not None
        with servers.server(root, own) as server:
            run_statements(server.database, "CREATE ROLE every_owner", "CREATE ROLE every_reader")
            yield server


def test_an_extension_of_ones_own_comes_back_with_its_rows_and_where_it_was_moved(
    root: Path, own_server: Server
) -> None:
    """Configuration rows with and without a condition, members' grants, and what depends on extensions."""
    with databases.temporary_database(own_server.database) as database:
        run_statements(
            database, resources.files("ledgerflow_ops_tests").joinpath("extension/uses.sql").read_text()
        )
        folder = own_server.cluster.tools.folder
        env = sandboxes.with_settings(builders.env(root, database, rules=[]), tools_dir=folder)
        manifest, before = sandboxes.take_backup(env), _text(database, own_server)
        sandboxes.prove_backup(env, manifest)
        run_statements(
            database, "DELETE FROM moved.everything_kept", "ALTER EXTENSION ledger_parts SET SCHEMA tools"
        )
        restored = restore.restore(
            env, RestoreRequest(environment=Environment.DEV, file=manifest.dump.file, force=True)
        )
        assert restored.bad is None
        assert _text(database, own_server) == before


def _text(database: Database, server: Server) -> bytes:
    done = process.run([server.cluster.tools.path("pg_dump"), "--restrict-key=x"], extra=database.variables())
    assert done.code == 0, done.errors
    return done.out


def test_the_owner_of_a_member_is_not_carried_and_no_difference(root: Path, own_server: Server) -> None:
    with databases.temporary_database(own_server.database) as database:
        run_statements(
            database,
            "CREATE EXTENSION ledger_parts SCHEMA public",
            *(
                f"ALTER {what} OWNER TO every_owner"
                for what in ("FUNCTION public.made_by_it()", "TABLE public.parts", "TABLE public.settings")
            ),
            "GRANT SELECT ON public.settings TO every_reader",
        )
        folder = own_server.cluster.tools.folder
        env = sandboxes.with_settings(builders.env(root, database, rules=[]), tools_dir=folder)
        sandboxes.prove_backup(env, sandboxes.take_backup(env))


@pytest.mark.parametrize("server", [17], indirect=True)
def test_a_label_whose_provider_is_not_here_says_nothing_of_the_backup(root: Path, small: Database) -> None:
    """Its provider is a library of the source's. That of a role keeps no database from being proven."""
    run_statements(small, "CREATE ROLE masked", "CREATE TABLE public.t (a int)")
    env = builders.env(root, small, rules=[])
    label = "SET allow_system_table_mods = on; INSERT INTO {} VALUES ({}, 'anon', 'MASKED')"
    try:
        run_statements(small, label.format("pg_shseclabel", "'masked'::regrole, 'pg_authid'::regclass"))
        name = BackupName.of(sandboxes.take_backup(env).dump.file)
        examination = drill.drill(env, name)
        assert examination.proven
        said = " ".join(check.message for check in examination.checks)
        assert "left out: SECURITY LABEL FOR anon ON ROLE masked." in said
        run_statements(small, label.format("pg_seclabel", "'public.t'::regclass, 'pg_class'::regclass, 0"))
        name = BackupName.of(sandboxes.take_backup(env).dump.file)
        with pytest.raises(CannotJudge, match='security label provider "anon" is not loaded') as unjudged:
            drill.drill(env, name)
        assert "This says nothing about the backup" in unjudged.value.hint
    finally:
        run_statements(
            small, "SET allow_system_table_mods = on; DELETE FROM pg_shseclabel; DELETE FROM pg_seclabel"
        )
        run_statements(small, "DROP ROLE masked")
