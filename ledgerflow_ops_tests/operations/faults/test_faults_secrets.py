"""A password in a URL goes into no output, no argument of a process, no file and no table."""

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests.fakes import age_keys, commands, programs, sandboxes
from ledgerflow_ops_tests.fakes.commands import Commands
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_SECRET = "s3cret/p@ss:w%rd"
_ENCODED = quote(_SECRET, safe="")
_SPELLINGS = (_SECRET, _ENCODED, "s3cret", "p@ss", "p%40ss", "w%rd", "w%25rd")


@dataclass
class Watch:
    """Looks at the arguments of every process, as anybody with `ps` can, for as long as the block lasts."""

    seen: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            for process in psutil.process_iter():
                try:
                    self.seen.add("\0".join(process.cmdline()))
                except psutil.Error:
                    continue


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    with sandboxes.temporary_folder(session_root) as root, sandboxes.sample_copy(embedded) as database:
        yield Sandbox(root, database)


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, embedded: EmbeddedPostgres) -> Iterator[Commands]:
    """The command line, with the password of an account of its own in the URL."""
    role = sql.Identifier("clerk_with_a_secret")
    with sandbox.database.connect() as connection:
        statement = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
        connection.execute(statement.format(role, sql.Literal(_SECRET)))
    parameters = sandbox.database.parameters
    place = f"{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    url = f"postgresql://clerk_with_a_secret:{_ENCODED}@{place}"
    with commands.storage(embedded) as storage:
        yield Commands(sandbox, storage, {"LEDGER_DEV_DATABASE_URL": url})
    with sandbox.database.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def _told(text: str) -> list[str]:
    return [spelling for spelling in _SPELLINGS if spelling in text]


def _files(root: Path) -> dict[str, str]:
    """All files below `root` as text, but for the data of servers and the embedded server's own password."""
    return {
        str(file.relative_to(root)): file.read_bytes().decode("latin-1")
        for folder, _, names in os.walk(root)
        for file in (Path(folder) / name for name in names)
        if file.is_file() and not file.is_symlink() and file.name != "embedded.password"
    }


def _records(storage: Database) -> str:
    """Every row of every table that Dagster keeps."""
    finished = subprocess.run(
        [client_tools.bundled_tools().path("pg_dump"), "--data-only", "--inserts"],
        env={**os.environ, **storage.variables()},
        capture_output=True,
        check=True,
        text=True,
    )
    assert "INSERT INTO public.event_logs" in finished.stdout
    return finished.stdout


def _nothing_is_told(terminal: Commands, watch: Watch, *words: str) -> None:
    assert [_told(word) for word in words] == [[]] * len(words)
    assert {line: _told(line) for line in watch.seen if _told(line)} == {}
    files = _files(terminal.sandbox.root)
    assert {name: _told(text) for name, text in files.items() if _told(text)} == {}
    assert _told(_records(terminal.storage)) == []


def test_a_whole_backup_with_its_drill_tells_the_password_nowhere(terminal: Commands) -> None:
    with Watch() as watch:
        finished = terminal.run("backup", "--json")
    assert finished.code == 0, finished.words
    assert finished.json["proven"] is True
    # It did see the tools at work: what is not looked for long enough is not seen either.
    programs_seen = {Path(line.split("\0")[0]).name for line in watch.seen}
    assert {"pg_dump", "pg_restore", "postgres"} <= programs_seen
    assert any(line.endswith("backup\0--json") for line in watch.seen)
    _nothing_is_told(terminal, watch, finished.out, finished.errors)


_REFUSED = f"postgresql://clerk:{_ENCODED}@127.0.0.1:1/books"
_WRONG_PASSWORD = f"postgresql://clerk_with_a_secret:wrong{_ENCODED}@HERE"


@pytest.mark.parametrize(
    ("command", "url", "words"),
    [
        ("backup", _REFUSED, "Connection refused"),
        ("backup", _WRONG_PASSWORD, "password authentication failed"),
        ("identity", _WRONG_PASSWORD, "password authentication failed"),
        ("doctor", _REFUSED, "Connection refused"),
        ("doctor", _WRONG_PASSWORD, "password authentication failed"),
        ("doctor", "postgresql://clerk@127.0.0.1:1/books?password=s3cret", "Connection refused"),
        ("doctor", "postgresql://clerk:s3cret%2Fp@ss@127.0.0.1:1/books", "write @ as %40"),
        ("doctor", "postgresql://clerk:12/34s3cret@127.0.0.1:1/books", "write @ as %40"),
        ("doctor", f"mysql://clerk:{_ENCODED}@127.0.0.1/books", "not a PostgreSQL URL"),
        ("doctor", f"postgresql://clerk:{_ENCODED}@127.0.0.1:1/", "names no database"),
    ],
)
def test_a_url_that_is_wrong_is_reported_without_its_password(
    terminal: Commands, command: str, url: str, words: str
) -> None:
    parameters = terminal.sandbox.database.parameters
    here = f"{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    finished = terminal.run(command, "--json", LEDGER_DEV_DATABASE_URL=url.replace("HERE", here))
    assert finished.code in (1, 2)
    assert words in finished.words
    assert "Traceback" not in finished.words
    assert (_told(finished.out), _told(finished.errors)) == ([], [])


def test_what_a_tool_says_of_the_url_is_masked_on_its_way_into_the_records(
    terminal: Commands, root: Path
) -> None:
    url = terminal.variables["LEDGER_DEV_DATABASE_URL"]
    (root / "line").write_text(f"pg_dump: error: cannot use {url}\npg_dump: PGPASSWORD={_SECRET}\n")
    script = f"cat {root}/line >&2; exit 1"
    tools_dir = programs.falsified(root / "tools", "pg_dump", "--format=custom", script)
    with Watch() as watch:
        finished = terminal.run("backup", "--json", LEDGER_TOOLS_DIR=str(tools_dir))
    assert finished.code == 1
    assert "clerk_with_a_secret:***@" in finished.words
    _nothing_is_told(terminal, watch, finished.out, finished.errors)


def test_an_identity_of_encrypted_backups_is_told_nowhere(terminal: Commands, root: Path) -> None:
    """Nor by a command that prints it to its errors and fails."""
    key = age_keys.new_key(root / "key.txt")
    wrong = f"sh -c 'cat {key.file} >&2; exit 1'"
    variables = {"LEDGER_DEV_RECIPIENTS": key.recipient, "LEDGER_DEV_IDENTITY_COMMAND": f"cat {key.file}"}
    with Watch() as watch:
        done = [terminal.run("backup", "--json", **variables), terminal.run("keys", "--json", **variables)]
        variables["LEDGER_DEV_IDENTITY_COMMAND"] = wrong
        failed = terminal.run("restore-test", "--json", **variables)
    assert [finished.code for finished in done] == [0, 0], done
    assert done[0].json["proven"] is True
    assert failed.code == 5
    assert "identity_command failed (exit code 1)" in failed.words
    assert "AGE-SECRET-KEY-***" in failed.words
    secret = key.identity.removeprefix("AGE-SECRET-KEY-1")
    told = [finished.out + finished.errors for finished in (*done, failed)]
    told += [*watch.seen, *_files(terminal.sandbox.root).values(), _records(terminal.storage)]
    assert not any(secret in text for text in told)
