"""A day's lines of LedgerFlow, really run through ledger_docker, which takes the backups that it wants."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops_tests.fakes import image, ledgerflow
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.ledgerflow import Project
from ledgerflow_ops_tests.guard.test_lines import LINES

EVERYDAY = [typed for typed in LINES if typed.due == "allow" and typed.group.startswith("lf")]
_ENDLESS = re.compile(r"logs -f|watch --no-up|pg_advisory_lock")
_MOVES = re.compile(r"\b(?:up|stop|start|kill|restart|rm)\b")
_CANNOT_RUN = {
    "the image of the tests lacks the program": r"executable file not found|not found|No such file",
    "it would have to be pulled or built": r"pull access denied|no such host|lookup|build|registry|network",
    "the database lacks the table, function or session": r"does not exist|not supported|unterminated",
    "the service has no such port, folder or section": r"no port|not find the file|'develop' section",
}
_CONTENT = "COPY (SELECT * FROM books ORDER BY id, text) TO STDOUT"


@dataclass(frozen=True)
class Site:
    """LedgerFlow's dev project with books in it, and the folder of its backups and our state."""

    project: Project
    root: Path

    def type(self, *words: str, seconds: float = 300.0) -> tuple[int, str]:
        """The exit code of a line and all that it says; 124 for one that had to be ended."""
        program = Path(sys.executable).parent / "ledger_docker"
        own = {"LEDGER_ENV": "dev", "LEDGER_CONFIG": str(self.root / "ledgerflow.toml")}
        try:
            done = subprocess.run(
                [program, *words], env={**os.environ, **self.project.engine.environment(), **own},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", timeout=seconds, check=False, cwd=self.project.folder,
            )  # fmt: skip
        except subprocess.TimeoutExpired as ended:
            return 124, (ended.output or b"").decode(errors="replace")
        return done.returncode, done.stdout

    def content(self) -> str:
        return self.project.psql(_CONTENT)

    def backups(self) -> list[Path]:
        return sorted((self.root / "backups/dev").glob("*.dump"), key=lambda file: file.stat().st_mtime)

    def kept(self, backup: Path) -> list[str]:
        """The rows of the books in a backup, sorted."""
        words = ("pg_restore", "--data-only", "--table", "books", "--file", "-")
        inside = ("exec", "-i", self.project.container, *words)
        text = self.project.engine.docker(*inside, data=backup.read_bytes()).stdout.decode()
        rows = text.partition("FROM stdin;\n")[2].partition("\\.\n")[0]
        return sorted(rows.splitlines())


@pytest.fixture(scope="module")
def site(engine: Engine, session_root: Path) -> Iterator[Site]:
    root = session_root / "day"
    project = ledgerflow.project(engine, root / "ledger-dev", "dev")
    project.up()
    project.psql(
        'CREATE TABLE books (id int, text text, deleted bool, "update" int);'
        "INSERT INTO books SELECT g, md5(g::text) FROM generate_series(1, 5000) g"
    )
    engine.docker("tag", image.SYSTEM, "alpine")
    compose = {"project": project.name, "file": str(project.file), "service": "postgres"}
    fields = {**compose, "env_file": str(project.env_file), "database": project.database}
    settings = [f"state_dir = {json.dumps(str(root / 'state'))}"]
    settings += [f"backup_root = {json.dumps(str(root / 'backups'))}", "[environments.dev.compose]"]
    settings += [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    (root / "ledgerflow.toml").write_text("\n".join(settings) + "\n")
    site = Site(project, root)
    yield site
    down = [str(Path(sys.executable).parent / "ledgerflow"), "down"]
    own = {"LEDGER_CONFIG": str(root / "ledgerflow.toml")}
    subprocess.run(down, env={**os.environ, **own}, capture_output=True, check=True)
    engine.clear()
    engine.docker("image", "rm", "alpine")


def _why_it_cannot_run(said: str) -> str:
    return next((why for why, words in _CANNOT_RUN.items() if re.search(words, said)), "")


@pytest.mark.slow
def test_a_days_work_is_run_and_the_books_are_what_they_were(site: Site) -> None:
    before, ran, unexplained, first = site.content(), [], {}, True
    for typed in EVERYDAY:
        code, said = site.type(*typed.words, seconds=10.0 if _ENDLESS.search(typed.line) else 300.0)
        assert "ledger_docker: refused" not in said, (typed.line, said)
        if "taking and proving a backup" in said:
            assert first, typed.line
            first = False
            assert site.kept(site.backups()[-1]) == sorted(before.splitlines())
        if code == 0 or (code == 124 and _ENDLESS.search(typed.line)):
            ran.append(typed.line)
        elif not _why_it_cannot_run(said):
            unexplained[typed.line] = said
        if _MOVES.search(typed.line):
            site.project.up()
    assert site.content() == before
    assert unexplained == {}
    assert not first
    assert len(ran) > 55, ran


@pytest.mark.slow
def test_what_changes_the_books_finds_them_in_a_backup(site: Site) -> None:
    """A function that deletes and a condition that is always true: a backup from before holds the rows."""
    before = site.content()
    ask = ("exec", site.project.container, "psql", "-U", site.project.user, "-d", site.project.database, "-c")
    for statement in (
        "CREATE FUNCTION tidy() RETURNS int LANGUAGE sql AS 'DELETE FROM books WHERE id > 10; SELECT 1'",
        "SELECT tidy()",
        "UPDATE books SET text = '' WHERE (true)",
    ):
        code, said = site.type(*ask, statement)
        assert code == 0, said
    assert site.content() != before
    assert site.kept(site.backups()[-1]) == sorted(before.splitlines())
