"""A server that stops, and tools that lie: no false success, and earlier backups stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops import sample
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import programs, sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import ActionAfterBytes, ActionAtStep, Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_LARGE = 12_000_000


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as database:
        sandbox = Sandbox(root, database)
        sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
        yield sandbox


@pytest.fixture(scope="module")
def server(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, client_tools.bundled_tools()) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def shaky(session_root: Path, server: Server) -> Iterator[Sandbox]:
    """A ground whose server can be stopped, with a backup of a database that takes a while to dump."""
    books = server.books("books")
    with books.connect() as connection:
        sample.grow(connection, _LARGE)
    with sandboxes.temporary_folder(session_root) as root:
        sandbox = Sandbox(root, books)
        sandboxes.prove_backup(sandbox.env(), sandboxes.take_backup(sandbox.env()))
        yield sandbox


@pytest.mark.parametrize("where", [Step.SNAPSHOT, Step.SEAL, Step.DUMP, "in mid-dump", Step.GLOBALS])
def test_a_server_that_stops_during_a_backup_fails_it_and_the_next_one_works(
    shaky: Sandbox, server: Server, where: str
) -> None:
    files = shaky.files()
    reporter = (
        ActionAfterBytes(size=500_000, action=server.crash)
        if where == "in mid-dump"
        else ActionAtStep(at=Step(where), action=server.crash)
    )
    try:
        with pytest.raises(LedgerError) as failure:
            sandboxes.take_backup(shaky.env(reporter))
    finally:
        server.start()
    assert reporter.fired
    assert failure.value.exit_code == 1
    assert failure.value.hint
    assert shaky.files() == files
    sandboxes.take_backup(shaky.env())
    assert files.items() <= shaky.files().items()


def test_a_server_that_stops_once_the_manifest_is_there_takes_nothing_back(
    shaky: Sandbox, server: Server
) -> None:
    reporter = ActionAtStep(at=Step.READ_BACK, action=server.crash)
    try:
        manifest = sandboxes.take_backup(shaky.env(reporter))
    finally:
        server.start()
    assert reporter.fired
    sandboxes.prove_backup(shaky.env(), manifest)


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
def test_a_pg_dump_that_lies_makes_no_backup(sandbox: Sandbox, root: Path, lie: str) -> None:
    script, error, words = _LIES[lie]
    tools_dir = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    files, recorder = sandbox.files(), Recorder()
    with pytest.raises(error) as failure:
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(recorder), tools_dir=tools_dir))
    assert type(failure.value) is error
    assert words in failure.value.message
    assert "Nothing was kept" in failure.value.hint or "Take another backup" in failure.value.hint
    assert Step.RENAME not in recorder.steps, "it never had a name to be taken for a backup"
    assert sandbox.files() == files
    sandboxes.take_backup(sandbox.env())


def test_a_pg_dump_that_cannot_be_started_is_reported_with_where_to_look(
    sandbox: Sandbox, root: Path
) -> None:
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", "exit 0")
    (tools_dir / "pg_dumpall").unlink()
    files = sandbox.files()
    with pytest.raises(LedgerError, match="pg_dumpall could not be started: No such file") as failure:
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(), tools_dir=tools_dir))
    assert "make doctor" in failure.value.hint
    assert sandbox.files() == files


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
def test_what_a_tool_tells_of_a_password_is_not_reported_on(
    sandbox: Sandbox, root: Path, secret_line: str
) -> None:
    (root / "line").write_text(secret_line)
    script = f"cat {root}/line >&2; exit 1"
    tools_dir = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    with pytest.raises(LedgerError, match=r"\*\*\*") as failure:
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(), tools_dir=tools_dir))
    assert "s3c" not in str(failure.value)
    assert "ret" not in failure.value.message.replace("pg_restore", "")


def test_a_dump_without_its_roles_is_noted_when_the_account_may_not_read_them(
    sandbox: Sandbox, root: Path
) -> None:
    script = (
        'echo "pg_dumpall: error: query failed: ERROR:  permission denied for table pg_authid" >&2; exit 1'
    )
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    env = sandboxes.with_settings(sandbox.env(), tools_dir=tools_dir)
    manifest = sandboxes.take_backup(env)
    assert manifest.globals is None
    assert "permission denied" in manifest.globals_note
    sandboxes.prove_backup(env, manifest)  # the seal knows the roles as well


def test_a_roles_script_that_fails_for_another_reason_fails_the_backup(sandbox: Sandbox, root: Path) -> None:
    script = 'echo "pg_dumpall: error: connection to server was lost" >&2; exit 1'
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    files = sandbox.files()
    with pytest.raises(LedgerError, match="pg_dumpall failed"):
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(), tools_dir=tools_dir))
    assert sandbox.files() == files


def test_a_roles_script_that_lacks_a_role_makes_no_backup(sandbox: Sandbox, root: Path) -> None:
    script = '"$real" "$@" | grep -v "CREATE ROLE ledgerflow_app"'
    tools_dir = programs.falsified(root / "tools", "pg_dumpall", "--globals-only", script)
    files = sandbox.files()
    with pytest.raises(BadBackup, match="does not match the server's roles: ledgerflow_app"):
        sandboxes.take_backup(sandboxes.with_settings(sandbox.env(), tools_dir=tools_dir))
    assert sandbox.files() == files


@pytest.mark.parametrize("step", [Step.DUMP, Step.RENAME])
def test_a_file_that_somebody_else_puts_under_the_name_meanwhile_is_theirs(
    sandbox: Sandbox, step: Step
) -> None:
    planted: list[Path] = []
    folder = backup_folder_of(sandbox.env())

    def plant() -> None:
        before = {*folder.path.iterdir()}
        name = next((p.name for p in before if p.name.endswith(".partial")), "mine.dump.partial")
        file = folder.file(name.removesuffix(".partial"))
        file.write_bytes(b"somebody else's")
        planted.append(file)

    files = sandbox.files()
    with pytest.raises(Refused, match="exists already"):
        backup.backup(sandbox.env(ActionAtStep(at=step, action=plant)), BackupRequest(file="mine.dump"))
    (file,) = planted
    assert file.read_bytes() == b"somebody else's"
    file.unlink()
    assert sandbox.files() == files
