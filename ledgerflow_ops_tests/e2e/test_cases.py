"""Every database of the casebook, from its backup to its rollback, compared by pg_dump's text.

Some by the commands that people type, one for each way in which a case can end; the others by the operations
that those commands carry out, which is a quarter of the time.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system.server_account import make_owned_folder
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.operation_requests import RestoreRequest, RollbackRequest
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.restore import restore, rollback
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import casebook, sandboxes, servers
from ledgerflow_ops_tests.fakes.casebook import Case
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_CHANGE = "CREATE TABLE public.made_after_the_backup (a int)"
_TYPED = {
    ("01-event-triggers", 17),
    ("13-fk-violated", 18),
    ("33-short-lived-tables", 17),
    ("38-preload-extensions", 15),
    ("53-views-by-a-key", 14),
}
"""Proven; cannot be restored; while others work; not beside itself; by programs that were fetched."""


@dataclass
class Yard:
    """The servers of this module: one for each major version, and for each library that is preloaded."""

    root: Path
    stack: ExitStack
    running: dict[tuple[int, str], Server] = field(default_factory=dict)

    def server(self, major: int, preload: str) -> Server:
        key = (major, preload)
        if key not in self.running:
            home = self.root / f"{major}-{len(self.running)}"
            home.mkdir(mode=0o711)
            settings = {"max_prepared_transactions": "8"}
            if preload:
                settings |= {"shared_preload_libraries": preload, "cron.database_name": "cron"}
            started = servers.server(home, servers.of_major(major), settings)
            self.running[key] = self.stack.enter_context(started)
        return self.running[key]


@pytest.fixture(scope="module")
def docker_sandbox(session_root: Path) -> Iterator[Yard]:
    with sandboxes.temporary_folder(session_root) as root, ExitStack() as stack:
        yield Yard(root, stack)


@dataclass(frozen=True)
class Answer:
    """The outcome: 0 where all checks passed, else the error and its hint."""

    code: int
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Typed:
    """The commands, typed."""

    shell: Shell

    def backup(self) -> Answer:
        said = self.shell.ledgerflow("backup", "--json")
        assert said.code or said.json["rung"] == "valid", said.all
        return Answer(said.code, said.all, said.errors.partition("hint: ")[2])

    def restore(self, file: str) -> Answer:
        return self._answer("restore-force", "--file", file)

    def rollback(self) -> Answer:
        return self._answer("rollback")

    def _answer(self, *words: str) -> Answer:
        said = self.shell.ledgerflow(*words, "--json")
        if said.code:
            return Answer(said.code, said.all, said.json["error"]["hint"])
        bad = [one for one in said.json.get("checks", []) if not one["passed"] and one["severity"] == "ERROR"]
        assert not bad, said.all
        return Answer(0, said.all)

    def close(self) -> None:
        assert self.shell.ledgerflow("down").code == 0


@dataclass(frozen=True)
class Called:
    """The operations behind them, called."""

    sandbox: Sandbox

    def backup(self) -> Answer:
        def proven() -> Check | None:
            name = BackupName.of(backup.backup(self.sandbox.env()).dump.file)
            examined = drill.drill(self.sandbox.env(), name)
            assert examined.bad or examined.proven, examined.checks
            return examined.bad

        return _ended(proven)

    def restore(self, file: str) -> Answer:
        request = RestoreRequest(environment=Environment.DEV, file=file, force=True)
        return _ended(lambda: restore.restore(self.sandbox.env(), request).bad)

    def rollback(self) -> Answer:
        def back() -> None:
            rollback.rollback(self.sandbox.env(), RollbackRequest(environment="dev"))

        return _ended(back)

    def close(self) -> None:
        """Nothing of it outlives a call."""


def _ended(operation: Callable[[], Check | None]) -> Answer:
    try:
        bad = operation()
    except LedgerError as error:
        return Answer(error.exit_code, error.message, str(error.hint))
    return Answer(BadBackup.exit_code, bad.message, str(bad.hint)) if bad else Answer(0, "")


@dataclass(frozen=True)
class Bench:
    """A case's database on its server, and the hands that work on it."""

    case: Case
    server: Server
    hands: Typed | Called

    @property
    def database(self) -> Database:
        return self.server.database.named(self.case.database)

    @property
    def space(self) -> Path:
        """For tablespaces: it stays as long as the server, which writes into them after the case as well."""
        return self.server.cluster.data.parent / f"space of {self.case.name}"

    def psql(self, database: Database, *arguments: str) -> None:
        words = [
            "--quiet",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            f"--set=folder={self.space}",
        ]
        self._run("psql", database, *words, *arguments)

    def text(self) -> str:
        """The database as pg_dump writes it, its own settings and grants included.

        Settings fixed on the database come last: they are kept in the order in which they were made.
        """
        lines = self._run("pg_dump", self.database, "--create", "--restrict-key=x").splitlines()
        if self.case.text == "titles given":
            lines = [line.replace("NULL::integer AS int4", "NULL::integer") for line in lines]
        if self.case.text == "rows merged":
            return "\n".join(sorted(line for line in lines if not line.startswith("COPY ")))
        fixed = f"ALTER DATABASE {self.case.database} SET "
        return "\n".join(sorted(lines, key=lambda line: line if line.startswith(fixed) else ""))

    def _run(self, program: str, database: Database, *arguments: str) -> str:
        """What one of the server's own programs prints; no event trigger fires of it."""
        names = {"dbname": "PGDATABASE", "user": "PGUSER", "host": "PGHOST", "port": "PGPORT"}
        variables = {names[key]: value for key, value in database.parameters.items()}
        if self.server.cluster.tools.major >= 17:
            variables["PGOPTIONS"] = "-c event_triggers=off"
        done = subprocess.run(
            [self.server.cluster.tools.path(program), *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Others are at work in the database while the block lasts, and at the end have cleaned up."""
        stop, turns = threading.Event(), 0

        def work() -> None:
            nonlocal turns
            with psycopg.connect(**self.database.parameters, autocommit=True) as connection:  # type: ignore[arg-type]
                while not stop.wait(0.02):
                    turns += 1
                    for statement in self.case.meanwhile.split(";"):
                        connection.execute(statement.encode())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert turns > 3, "the others never came to work"


@pytest.fixture
def bench(root: Path, docker_sandbox: Yard, request: pytest.FixtureRequest) -> Iterator[Bench]:
    case, major = request.param
    server = docker_sandbox.server(major, case.preload)
    if server.cluster.tools.origin == "fetched":
        servers.lend(root / "state", server.cluster.tools)
    database = server.database.named(case.database)
    if (case.name, major) in _TYPED:
        variables = {"LEDGER_DEV_DATABASE_URL": builders.database_url(database), "LEDGER_DEV_SIZE_FLOOR": "1"}
        hands: Typed | Called = Typed(Shell(root, {"LEDGER_ENV": "dev", **variables}))
    else:
        hands = Called(Sandbox(root, database, {"size_floor": 1, "rules": []}))
    made = Bench(case, server, hands)
    for folder in (made.space, made.space / "one", made.space / "two"):
        make_owned_folder(server.cluster.account, folder)
    made.psql(server.database, f"--file={case.file}")
    yield made
    hands.close()
    shutil.rmtree(root / "state", ignore_errors=True)


def test_the_cases_that_are_typed_are_in_the_casebook() -> None:
    assert {(case.name, major) for case, major in casebook.cases()} >= _TYPED


@pytest.mark.parametrize(
    "bench", [pytest.param(one, id=f"{one[0].name}-{one[1]}") for one in casebook.cases()], indirect=True
)
def test_a_case_from_its_backup_to_its_return(bench: Bench) -> None:
    case, hands, before = bench.case, bench.hands, bench.text()
    with bench.meanwhile() if case.meanwhile else nullcontext():
        taken = hands.backup()
    assert taken.code == case.code, taken
    assert not [words for words in case.says if words not in taken.text], taken
    assert bench.text() == before, "a backup changes nothing"
    if case.code:
        _is_not_restored(bench, before, taken)
        return
    bench.psql(bench.database, f"--command={_CHANGE}")
    changed = bench.text()
    assert changed != before
    restored = hands.restore("latest-proven")
    if case.unrestored:
        assert restored.code == 1, restored
        assert case.unrestored in restored.text
        assert bench.text() == changed, "the live database is not touched"
        return
    assert restored.code == 0, restored
    assert bench.text() == before, "what was backed up is back"
    back = hands.rollback()
    assert back.code == 0, back
    assert bench.text() == changed, "the set-aside database is live again"


def _is_not_restored(bench: Bench, before: str, taken: Answer) -> None:
    """A backup that cannot be proven is not restored, and the database stays unchanged."""
    assert taken.hint
    for said in (bench.hands.restore("latest"), bench.hands.rollback()):
        assert said.code in (3, 4, 5), said
        assert said.hint, said
    assert bench.text() == before
