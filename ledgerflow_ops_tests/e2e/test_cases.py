"""Every database of the casebook by the commands that people type, with pg_dump's text as the judge."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from ledgerflow_ops.adapters.account import own
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e.commands import Said, Shell
from ledgerflow_ops_tests.fakes import casebook, grounds, servers
from ledgerflow_ops_tests.fakes.casebook import Case
from ledgerflow_ops_tests.fakes.servers import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_CHANGE = "CREATE TABLE public.made_after_the_backup (a int)"


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
def yard(session_root: Path) -> Iterator[Yard]:
    with grounds.folder(session_root) as root, ExitStack() as stack:
        yield Yard(root, stack)


@dataclass(frozen=True)
class Bench:
    """A case's database on its server, and the commands that are about it."""

    case: Case
    server: Server
    shell: Shell

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
def bench(root: Path, yard: Yard, request: pytest.FixtureRequest) -> Iterator[Bench]:
    case, major = request.param
    server = yard.server(major, case.preload)
    if server.cluster.tools.origin == "fetched":
        servers.lend(root / "state", server.cluster.tools)
    address = builders.url(server.database.named(case.database))
    shell = Shell(
        root, {"LEDGER_ENV": "dev", "LEDGER_DEV_DATABASE_URL": address, "LEDGER_DEV_SIZE_FLOOR": "1"}
    )
    made = Bench(case, server, shell)
    for folder in (made.space, made.space / "one", made.space / "two"):
        own(server.cluster.account, folder)
    made.psql(server.database, f"--file={case.file}")
    yield made
    assert shell.ledgerflow("down").code == 0
    shutil.rmtree(root / "state", ignore_errors=True)


@pytest.mark.parametrize(
    "bench", [pytest.param(one, id=f"{one[0].name}-{one[1]}") for one in casebook.cases()], indirect=True
)
def test_a_case_by_the_commands(bench: Bench) -> None:
    case, shell, before = bench.case, bench.shell, bench.text()
    with bench.meanwhile() if case.meanwhile else nullcontext():
        taken = shell.ledgerflow("backup", "--json")
    assert taken.code == case.code, taken.all
    assert not [words for words in case.says if words not in taken.all], taken.all
    assert bench.text() == before, "a backup changes nothing"
    if case.code:
        _is_not_restored(bench, before, taken)
        return
    assert taken.json["rung"] == "valid", taken.all
    bench.psql(bench.database, f"--command={_CHANGE}")
    changed = bench.text()
    assert changed != before
    restored = shell.ledgerflow("restore-force", "--file", "latest-proven", "--json")
    if case.unrestored:
        assert restored.code == 1, restored.all
        assert case.unrestored in restored.all
        assert bench.text() == changed, "the live database is not touched"
        return
    assert restored.code == 0, restored.all
    bad = [one for one in restored.json["checks"] if not one["passed"] and one["severity"] == "ERROR"]
    assert not bad, restored.all
    assert bench.text() == before, "what was backed up is back"
    back = shell.ledgerflow("rollback", "--json")
    assert back.code == 0, back.all
    assert bench.text() == changed, "what was put aside is back"


def _is_not_restored(bench: Bench, before: str, taken: Said) -> None:
    """What cannot be proven is not restored either, and the database stays as it is."""
    assert "hint:" in taken.errors
    for words in (["restore-force", "--file", "latest"], ["rollback"]):
        said = bench.shell.ledgerflow(*words, "--json")
        assert said.code in (3, 4, 5), said.all
        assert said.json["error"]["hint"], said.all
    assert bench.text() == before
