"""The runbooks' own commands, typed exactly as written, in the emergency that each is for."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e import commands
from ledgerflow_ops_tests.e2e.commands import PROJECT, CommandResult, Shell
from ledgerflow_ops_tests.fakes import sandboxes

pytestmark = pytest.mark.e2e

RUNBOOKS = (PROJECT / "docs" / "runbooks.md").read_text()
_TWICE = """
    INSERT INTO public.auth_user
        (username, password, email, is_superuser, first_name, last_name, is_staff, is_active, date_joined)
    VALUES ('twice', '', '', false, '', '', false, true, now())
"""
_KEPT = "NAME=ledgerflow_prod__before_20261123_101500_ab12"


def runbook(title: str) -> list[str]:
    """The commands below a heading, in order."""
    section = RUNBOOKS.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [
        line.strip()
        for block in re.findall(r"```\n(.*?)```", section, re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]


class Prod:
    """prod with books of its own on the session's server, and a shell that leads to it."""

    def __init__(self, shell: Shell, database: Database, elsewhere: Database) -> None:
        self.shell, self.database, self.server = shell, database, elsewhere

    @property
    def name(self) -> str:
        return self.database.parameters["dbname"]

    def type(self, line: str) -> CommandResult:
        """A line of a runbook, as it is."""
        words = shlex.split(line.replace(_KEPT, f"NAME={self.kept()[0]}") if _KEPT in line else line)
        variable, program, *rest = words
        assert (variable, program) == ("LEDGER_ENV=prod", "make")
        return self.shell.run(["make", *rest], LEDGER_ENV="prod")

    def follow(self, title: str) -> list[CommandResult]:
        """Run a whole runbook; each command must do what it says."""
        said = []
        for line in runbook(title):
            said.append(self.type(line))
            # status and audit fail while something is wrong, which is why one reads a runbook
            looks = "status" in line or line.endswith("audit")
            assert said[-1].code == 0 or looks, f"{line}\n{said[-1].all}"
        return said

    def kept(self) -> list[str]:
        with self.server.connect() as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{self.name}__before%"]
            )
            return [name for (name,) in found]

    def users(self) -> int:
        with self.database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM public.auth_user").fetchone()
            assert row is not None
            return int(row[0])

    def drop(self) -> None:
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))


@pytest.fixture
def prod(root: Path, embedded: EmbeddedPostgres) -> Iterator[Prod]:
    with sandboxes.sample_copy(embedded) as database, commands.shell(root) as shell:
        server = embedded.sample(Environment.TEST).named("postgres")
        variables = {**shell.variables, "LEDGER_PROD_DATABASE_URL": builders.database_url(database)}
        made = Prod(Shell(shell.root, variables), database, server)
        assert made.shell.ledgerflow("backup", LEDGER_ENV="prod").code == 0
        yield made
        with server.connect() as connection:
            for left in made.kept():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(left)))
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [made.name]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made.name)))


def test_every_runbook_is_followed_here() -> None:
    titles = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
    source = Path(__file__).read_text()
    assert [title for title in titles if f'"{title}"' not in source] == []
    assert all(runbook(title) for title in titles)


def test_the_database_was_deleted(prod: Prod) -> None:
    users = prod.users()
    prod.drop()
    said = prod.follow("The database was deleted")
    assert "would try" in said[0].all
    assert prod.users() == users
    (record,) = (prod.shell.backups / "incidents").glob("prod_*.md")
    assert "Why: volume deleted" in record.read_text()


def test_a_backup_is_bad(prod: Prod) -> None:
    (dump,) = (prod.shell.backups / "prod").glob("*.dump")
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.write_bytes(data)
    assert prod.shell.ledgerflow("verify", "--file", dump.name, LEDGER_ENV="prod").code == 4
    said = prod.follow("A backup is bad")
    assert "bad" in said[0].all
    assert "PROVEN: valid" in said[1].all


def test_the_disk_is_full_the_wrong_backup_and_wrong_data(prod: Prod) -> None:
    users = prod.users()
    with prod.database.connect() as connection:
        connection.execute(_TWICE)
    assert prod.users() == users + 1
    prod.follow("The data is wrong, and has been since a certain day")
    assert prod.users() == users
    prod.follow("The wrong backup was restored")
    assert prod.users() == users + 1
    assert len(prod.kept()) == 1
    said = prod.follow("The disk is full")
    assert prod.kept() == []
    assert "kept aside since" in said[0].all


def test_an_audit_found_something(prod: Prod) -> None:
    (dump,) = (prod.shell.backups / "prod").glob("*.dump")
    for file in dump.parent.glob(f"{dump.stem}.*"):
        file.unlink()
    said = prod.follow("An audit found something")
    assert f"entry 2: {dump.name} is no backup any more" in said[0].all
    assert "accepted: entry 2" in said[2].all
    after = prod.shell.ledgerflow("audit", LEDGER_ENV="prod")
    assert (after.code, "nothing contradicts the history" in after.all) == (0, True), after.all


def test_the_machine_is_lost(prod: Prod, root: Path) -> None:
    users = prod.users()
    prod.drop()
    with commands.shell(root) as shell:
        prod.shell.backups.rename(shell.backups)
        prod.shell = Shell(shell.root, prod.shell.variables)
        prod.follow("The machine is lost")
    assert prod.users() == users
