"""A server that stops and tools that lie: never a wrong "done", and what was there before stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops import sample
from ledgerflow_ops.adapters import tools
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import backup
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import grounds, programs, servers
from ledgerflow_ops_tests.fakes.grounds import After, At, Ground
from ledgerflow_ops_tests.fakes.servers import Server

_LARGE = 12_000_000


@pytest.fixture(scope="module")
def ground(session_root: Path, embedded: Embedded) -> Iterator[Ground]:
    with grounds.folder(session_root) as root, grounds.sample_copy(embedded) as database:
        ground = Ground(root, database)
        grounds.prove(ground.site(), grounds.take(ground.site()))
        yield ground


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with grounds.folder(session_root) as root, servers.server(root, tools.bundled()) as server:
        yield server


@pytest.fixture(scope="module")
def shaky(session_root: Path, server: Server) -> Iterator[Ground]:
    """A ground whose server can be stopped, with a backup of a database that takes a while to dump."""
    books = server.books("books")
    with books.connect() as connection:
        sample.grow(connection, _LARGE)
    with grounds.folder(session_root) as root:
        ground = Ground(root, books)
        grounds.prove(ground.site(), grounds.take(ground.site()))
        yield ground


@pytest.mark.parametrize("where", [Step.SNAPSHOT, Step.SEAL, Step.DUMP, "in mid-dump", Step.GLOBALS])
def test_a_server_that_stops_during_a_backup_fails_it_and_the_next_one_works(
    shaky: Ground, server: Server, where: str
) -> None:
    files = shaky.files()
    reporter = (
        After(size=500_000, action=server.crash)
        if where == "in mid-dump"
        else At(at=Step(where), action=server.crash)
    )
    try:
        with pytest.raises(LedgerError) as failure:
            grounds.take(shaky.site(reporter))
    finally:
        server.start()
    assert reporter.fired
    assert failure.value.exit_code == 1
    assert failure.value.hint
    assert shaky.files() == files
    grounds.take(shaky.site())
    assert files.items() <= shaky.files().items()


def test_a_server_that_stops_once_the_manifest_is_there_takes_nothing_back(
    shaky: Ground, server: Server
) -> None:
    reporter = At(at=Step.READ_BACK, action=server.crash)
    try:
        manifest = grounds.take(shaky.site(reporter))
    finally:
        server.start()
    assert reporter.fired
    grounds.prove(shaky.site(), manifest)


_LIES = {
    "fails after all its output": ('"$real" "$@"; exit 1', LedgerError, "pg_dump failed (exit code 1)"),
    "is killed after all its output": (
        '"$real" "$@"; kill -9 $$',
        LedgerError,
        "pg_dump failed (killed by SIGKILL)",
    ),
    "is cut off and says it is done": (
        '"$real" "$@" | head -c 100000; exit 0',
        BadBackup,
        "The archive could not be decoded",
    ),
    "is cut off at its last byte": (
        '"$real" "$@" | head -c -1; exit 0',
        BadBackup,
        "The archive could not be decoded",
    ),
    "writes nothing and says it is done": ("exit 0", BadBackup, "The archive could not be decoded"),
    "writes words": ("echo hello", BadBackup, "The archive could not be decoded"),
    "leaves a table's rows out": (
        'exec "$real" --exclude-table-data=public.profiles_payee "$@"',
        BadBackup,
        "public.profiles_payee",
    ),
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_pg_dump_that_lies_makes_no_backup(ground: Ground, root: Path, lie: str) -> None:
    script, error, words = _LIES[lie]
    tools_dir = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    files, recorder = ground.files(), Recorder()
    with pytest.raises(error) as failure:
        grounds.take(grounds.with_settings(ground.site(recorder), tools_dir=tools_dir))
    assert type(failure.value) is error
    assert words in failure.value.message
    assert "Nothing was kept" in failure.value.hint or "Take another backup" in failure.value.hint
    assert Step.RENAME not in recorder.steps, "it never had a name to be taken for a backup"
    assert ground.files() == files
    grounds.take(ground.site())


def test_a_pg_dump_that_cannot_be_started_is_told_with_where_to_look(ground: Ground, root: Path) -> None:
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", "exit 0")
    (tools_dir / "pg_dumpall").unlink()
    files = ground.files()
    with pytest.raises(LedgerError, match="pg_dumpall could not be started: No such file") as failure:
        grounds.take(grounds.with_settings(ground.site(), tools_dir=tools_dir))
    assert "make doctor" in failure.value.hint
    assert ground.files() == files


@pytest.mark.parametrize(
    "secret_line",
    [
        "pg_dump: error: postgresql://clerk:s3cret@127.0.0.1:1/books is not there",
        "pg_dump: error: postgresql://clerk:s3c@ret@127.0.0.1:1/books is not there",
        "pg_dump: error: bad: host=127.0.0.1 password=s3cret dbname=books",
        "pg_dump: error: bad: password = 's3cret' host=127.0.0.1",
        "pg_dump: error: PGPASSWORD=s3cret",
    ],
)
def test_what_a_tool_tells_of_a_password_is_not_told_on(ground: Ground, root: Path, secret_line: str) -> None:
    (root / "line").write_text(secret_line)
    script = f"cat {root}/line >&2; exit 1"
    tools_dir = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    with pytest.raises(LedgerError, match=r"\*\*\*") as failure:
        grounds.take(grounds.with_settings(ground.site(), tools_dir=tools_dir))
    assert "s3c" not in str(failure.value)
    assert "ret" not in failure.value.message.replace("pg_restore", "")


def test_a_dump_without_its_roles_is_noted_when_the_account_may_not_read_them(
    ground: Ground, root: Path
) -> None:
    script = (
        'echo "pg_dumpall: error: query failed: ERROR:  permission denied for table pg_authid" >&2; exit 1'
    )
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    site = grounds.with_settings(ground.site(), tools_dir=tools_dir)
    manifest = grounds.take(site)
    assert manifest.globals is None
    assert "permission denied" in manifest.globals_note
    grounds.prove(site, manifest)  # the seal knows the roles as well


def test_a_roles_script_that_fails_for_another_reason_fails_the_backup(ground: Ground, root: Path) -> None:
    script = 'echo "pg_dumpall: error: connection to server was lost" >&2; exit 1'
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    files = ground.files()
    with pytest.raises(LedgerError, match="pg_dumpall failed"):
        grounds.take(grounds.with_settings(ground.site(), tools_dir=tools_dir))
    assert ground.files() == files


def test_a_roles_script_that_lacks_a_role_makes_no_backup(ground: Ground, root: Path) -> None:
    script = '"$real" "$@" | grep -v "CREATE ROLE ledgerflow_app"'
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    files = ground.files()
    with pytest.raises(BadBackup, match="does not match the server's roles: ledgerflow_app"):
        grounds.take(grounds.with_settings(ground.site(), tools_dir=tools_dir))
    assert ground.files() == files


@pytest.mark.parametrize("step", [Step.DUMP, Step.RENAME])
def test_a_file_that_somebody_else_puts_under_the_name_meanwhile_is_theirs(
    ground: Ground, step: Step
) -> None:
    planted: list[Path] = []
    folder = ground.site().folder

    def plant() -> None:
        before = {*folder.path.iterdir()}
        name = next((p.name for p in before if p.name.endswith(".partial")), "mine.dump.partial")
        file = folder.file(name.removesuffix(".partial"))
        file.write_bytes(b"somebody else's")
        planted.append(file)

    files = ground.files()
    with pytest.raises(Refused, match="exists already"):
        backup.backup(ground.site(At(at=step, action=plant)), backup.Order(file="mine.dump"))
    (file,) = planted
    assert file.read_bytes() == b"somebody else's"
    file.unlink()
    assert ground.files() == files
