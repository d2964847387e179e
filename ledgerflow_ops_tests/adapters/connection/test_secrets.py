"""A password is never in the arguments of a process, nor in a file that we write."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of


@dataclass
class Watch:
    """Every command line of any process on the machine that was seen."""

    seen: set[bytes] = field(default_factory=set)
    rounds: int = 0

    def look(self) -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.seen.add(file.read_bytes())
            except OSError:
                continue
        self.rounds += 1

    def saw(self, program: str) -> bool:
        return any(program.encode() in line for line in self.seen)


@contextmanager
def watched() -> Iterator[Watch]:
    """Sample the processes repeatedly during the block."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.is_set():
            watch.look()
            over.wait(0.005)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


@pytest.fixture
def guarded(database: Database) -> Iterator[Database]:
    """The database `books` with an account that has an unusual password."""
    role, password = f"guarded_{secrets.token_hex(4)}", f"s3cr3t/{secrets.token_hex(8)}@ü"
    with database.connect() as connection:
        create = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
        connection.execute(create.format(sql.Identifier(role), sql.Literal(password)))
    yield Database({**database.parameters, "user": role, "password": password})
    with database.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _forms(database: Database) -> list[bytes]:
    """The password itself, its form in a URL, and its random part."""
    password = database.parameters["password"]
    return [password.encode(), quote(password, safe="").encode(), password[7:-2].encode()]


def test_no_command_line_and_no_file_holds_the_password(root: Path, guarded: Database) -> None:
    if not Path("/proc/self/cmdline").exists():
        needs.missing("there is no /proc")
    recorder = Recorder()
    env = builders.env(root, guarded, reporter=recorder)
    with watched() as watch:
        manifest = backup.backup(env)
        drill.drill(env, BackupName.of(manifest.dump.file))
    assert watch.rounds > 10
    for program in ("pg_dump", "pg_restore", "initdb"):
        assert watch.saw(program), f"{program} was not seen at work in {watch.rounds} rounds"
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".dump", ".json", ".sql"}
    for form in _forms(guarded):
        assert not [line for line in watch.seen if form in line]
        assert not [path for path in files if form in path.read_bytes()]
        assert form.decode() not in " ".join(recorder.said)


def test_password_hashes_are_in_no_file_unless_asked_for(root: Path, guarded: Database) -> None:
    for number, asked in enumerate((False, True)):
        sandbox = root / str(number)
        sandbox.mkdir()
        env = builders.env(sandbox, guarded, role_passwords=asked)
        manifest = backup.backup(env)
        assert manifest.globals is not None
        assert (b"SCRAM-SHA-256" in backup_folder_of(env).read(manifest.globals.file)) is asked


def test_a_password_that_is_wrong_is_neither_told_nor_written(root: Path, guarded: Database) -> None:
    wrong = Database({**guarded.parameters, "password": guarded.parameters["password"] + "x"})
    env = builders.env(root, wrong)
    with pytest.raises(LedgerError) as caught:
        backup.backup(env)
    for form in _forms(wrong):
        assert form.decode() not in f"{caught.value} {caught.value!r} {env!r} {env.ctx.settings!r}"
        assert not [path for path in root.rglob("*") if path.is_file() and form in path.read_bytes()]
