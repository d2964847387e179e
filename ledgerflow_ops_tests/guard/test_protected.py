"""With a proven backup of the very database: what may be done then, and what still may not."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.catalog import newest_reliable
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.operations import catalog, identity
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops_tests.fakes import contained as containers
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.contained import ContainerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine

_BIN = Path(sys.executable).parent
_COUNT = "SELECT count(*) FROM public.profiles_transaction"


@pytest.fixture(scope="module")
def books(engine: Engine, session_root: Path) -> Iterator[ContainerSandbox]:
    """LedgerFlow's dev project with the sample in it, and a proven backup of it."""
    with (
        sandboxes.temporary_folder(session_root) as folder,
        containers.container_sandbox(engine, folder) as found,
    ):
        env = found.env()
        sandboxes.prove_backup(env, sandboxes.take_backup(env))
        yield found


def _variables(books: ContainerSandbox, **more: str) -> dict[str, str]:
    """What a shell of the books' owner has; the settings are those of the site."""
    file = books.root / "ledgerflow.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in books.compose().items()]
    file.write_text("\n".join(["[environments.dev.compose]", *lines]) + "\n")
    return {
        **os.environ,
        "LEDGER_CONFIG": str(file),
        "LEDGER_STATE_DIR": str(books.root / "state"),
        "LEDGER_BACKUP_ROOT": str(books.root / "backups"),
        "LEDGER_ENV": "dev",
        **more,
    }


def _type(books: ContainerSandbox, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_BIN / "ledger_docker"), *words], env=_variables(books, **more), capture_output=True, text=True,
        timeout=240, check=False, stdin=subprocess.DEVNULL, cwd=books.root,
    )  # fmt: skip


def _compose(books: ContainerSandbox, *words: str) -> list[str]:
    project = books.project
    return [
        "compose", "-p", project.name, "-f", str(project.file), "--env-file", str(project.env_file), *words
    ]  # fmt: skip


def _at_terminal(
    books: ContainerSandbox, words: list[str], answers: dict[str, str], **more: str
) -> tuple[int, str]:
    """Type a line at a terminal, and each answer when its question is there; exit code and all said."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(books.root)
        os.execve(_BIN / "ledger_docker", ["ledger_docker", *words], _variables(books, **more))
    said, end, left = "", time.monotonic() + 240, dict(answers)
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                said += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
        for question, answer in list(left.items()):
            if question in said:
                os.write(terminal, f"{answer}\n".encode())
                del left[question]
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert not left, said
    return os.waitstatus_to_exitcode(status), said


class TestWithAFreshBackup:
    def test_without_the_word_it_is_still_refused(self, books: ContainerSandbox) -> None:
        said = _type(books, *_compose(books, "down", "-v"))
        assert said.returncode == 3
        assert "CONFIRM=dev" in said.stderr
        assert books.ask(_COUNT) != "0"

    def test_another_word_at_the_terminal_is_no_word(self, books: ContainerSandbox) -> None:
        question = "Type the environment's name"
        code, said = _at_terminal(books, _compose(books, "down", "-v"), {question: "yes"})
        assert code == 3
        assert "it removes the volume ledger-dev_ledgerflow_dev_postgres_data" in said
        assert books.ask(_COUNT) != "0"

    def test_a_backup_of_another_database_does_not_count(
        self, books: ContainerSandbox, engine: Engine
    ) -> None:
        other = ["volume", "create", "--label", "com.docker.compose.project=ledger-dev", "postgres_other"]
        engine.docker(*other)
        control = engine.folder / "data/volumes/postgres_other/_data/global/pg_control"
        control.parent.mkdir()
        control.write_bytes((7001).to_bytes(8, sys.byteorder) + b"\0" * 100)
        said = _type(books, "volume", "rm", "postgres_other", CONFIRM="dev")
        assert said.returncode == 3
        assert "is of another database than the one in postgres_other" in said.stderr
        assert "postgres_other" in engine.names("volume")
        engine.docker("volume", "rm", "postgres_other")

    def test_a_backup_in_a_place_that_others_can_write_to_does_not_count(
        self, books: ContainerSandbox
    ) -> None:
        folder = books.root / "backups" / "dev"
        folder.chmod(0o777)
        said = _type(books, *_compose(books, "down", "-v"), CONFIRM="dev")
        folder.chmod(0o700)
        assert said.returncode == 3
        assert "cannot be relied on" in said.stderr

    @pytest.fixture
    def unproven(self, books: ContainerSandbox) -> Iterator[list[str]]:
        """No backup is proven; a line whose effect cannot be known."""
        proofs = list((books.root / "backups" / "dev").glob("*.proof.json"))
        hidden = [proof.rename(proof.with_suffix(".hidden")) for proof in proofs]
        yield ["exec", books.project.container, "psql", "-U", books.project.user, "-d", books.database, "-c"]
        for proof in hidden:
            proof.rename(proof.with_suffix(".json"))
        down = [str(_BIN / "ledgerflow"), "down"]
        said = subprocess.run(down, env=_variables(books), capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr

    def test_a_missing_backup_is_taken_before_what_cannot_be_known(
        self, books: ContainerSandbox, unproven: list[str]
    ) -> None:
        """A condition that is always true: the rows are changed, and the backup just before holds them."""
        before = books.ask("SELECT sum(id) FROM public.profiles_transaction")
        line = [*unproven, "UPDATE public.profiles_transaction SET note = 'x' WHERE (true)"]
        said = _type(books, *line)
        assert (said.returncode, said.stdout.split()[0]) == (0, "UPDATE"), said.stderr
        assert "taking and proving a backup of dev first" in said.stderr
        assert len(said.stderr.splitlines()) <= 3
        again = _type(books, *line)
        assert (again.returncode, again.stderr) == (0, "")
        assert books.ask("SELECT sum(id) FROM public.profiles_transaction") == before
        env = books.env()
        newest = newest_reliable(catalog.entries(env), env.ctx.clock(), sample=True)
        assert newest
        assert newest.manifest
        assert env.ctx.clock() - newest.manifest.recovery_point < timedelta(minutes=5)

    def test_without_one_nothing_is_run_where_that_is_wanted(
        self, books: ContainerSandbox, unproven: list[str]
    ) -> None:
        for way in ("never", "ask"):  # nobody is there to ask
            said = _type(books, *unproven, "VACUUM", GUARD_BACKUP=way)
            assert said.returncode == 3
            assert "dev has no proven backup" in said.stderr
            assert "hint: LEDGER_ENV=dev make backup" in said.stderr
        said = _type(books, *unproven, "VACUUM", GUARD_BACKUP="maybe")
        assert (said.returncode, "Use one of: auto, ask, never" in said.stderr) == (2, True)
        offer = "Take and prove one now? [y/N]"
        code, text = _at_terminal(books, [*unproven, "VACUUM"], {offer: "n"}, GUARD_BACKUP="ask")
        assert (code, "VACUUM\r" in text) == (3, False)
        code, text = _at_terminal(books, [*unproven, "VACUUM"], {offer: "y"}, GUARD_BACKUP="ask")
        assert (code, "VACUUM" in text) == (0, True), text

    def test_a_backup_that_cannot_be_taken_stops_the_line(
        self, books: ContainerSandbox, unproven: list[str]
    ) -> None:
        said = _type(books, *unproven, "VACUUM", LEDGER_TOOLS_DIR="/nowhere/bin")
        assert (said.returncode, said.stdout) == (3, "")
        assert "LEDGER_ENV=dev make backup" in said.stderr

    def test_the_last_finding_holds_while_its_files_do(self, books: ContainerSandbox) -> None:
        line = ["exec", books.project.container, "psql", "-U", books.project.user, "-c", "VACUUM"]
        assert _type(books, *line).returncode == 0
        assert (books.root / "state/guard/backups.json").exists()
        proofs = list((books.root / "backups" / "dev").glob("*.proof.json"))
        hidden = [proof.rename(proof.with_suffix(".hidden")) for proof in proofs]
        said = _type(books, *line, GUARD_BACKUP="never")
        for proof in hidden:
            proof.rename(proof.with_suffix(".json"))
        assert (said.returncode, "dev has no proven backup" in said.stderr) == (3, True)

    def test_a_change_may_be_made(self, books: ContainerSandbox) -> None:
        words = ["psql", "-U", books.project.user, "-d", books.database, "-c", "CREATE TABLE more (id int)"]
        said = _type(books, "exec", "ledger-dev-postgres-1", *words)
        assert (said.returncode, said.stdout) == (0, "CREATE TABLE\n"), said.stderr
        books.ask("DROP TABLE more")


class TestSafetyCheck:
    def test_it_says_what_is_missing_and_how_to_fix_it(self, books: ContainerSandbox, tmp_path: Path) -> None:
        found = self._found(books)
        assert found["docker"] == (1, "not ledger_docker: nothing is judged.")
        link = tmp_path / "docker"
        link.symlink_to(_BIN / "ledger_docker")
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        found = self._found(books, PATH=path)
        assert "is ledger_docker; the real one is" in found["docker"][1]
        assert "is proven valid" in found["dev backup"][1]
        assert "(dev) is protected: the PostgreSQL in" in found["volume"][1]

    def test_an_engine_that_is_down_is_a_finding(self, books: ContainerSandbox, tmp_path: Path) -> None:
        found = self._found(books, DOCKER_HOST=f"unix://{tmp_path}/none")
        assert "the engine does not answer" in found["engine"][1]

    @staticmethod
    def _found(books: ContainerSandbox, **more: str) -> dict[str, tuple[int, str]]:
        said = subprocess.run(
            [str(_BIN / "ledgerflow"), "safety-check", "--json"], env=_variables(books, **more),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        checks = json.loads(said.stdout)["checks"]
        return {
            check["name"]: (said.returncode, check["message"].partition("/docker, ")[2] or check["message"])
            for check in checks
        }


class TestProtect:
    """Volumes are recorded, so that they stay protected whatever becomes of their containers."""

    def test_a_recorded_volume_is_protected_without_its_container(
        self, books: ContainerSandbox, engine: Engine
    ) -> None:
        volume, record = "shelf", books.root / "state/guard/volumes.json"
        label = "--label=com.ledgerflow.environment=dev"
        engine.docker("volume", "create", label, "--label=com.ledgerflow.protect=true", volume)
        planned = self._protect(books, "--dry-run")
        assert planned[volume] == {"volume": volume, "reason": "its label says so", "recorded": False}
        assert not record.exists() or volume not in record.read_text()
        self._protect(books)
        assert self._protect(books)[volume]["recorded"] is True
        engine.docker("volume", "rm", volume)
        engine.docker("volume", "create", volume)
        said = _type(books, "volume", "rm", volume, GUARD_BACKUP="never")
        assert said.returncode == 3
        assert (
            f"it removes the volume {volume} (a PostgreSQL has kept its data in it)"
            in said.stderr.replace("It", "it")
        )
        assert volume in engine.names("volume")
        engine.docker("volume", "rm", volume)

    def test_the_databases_own_volume_is_named_with_the_reason(self, books: ContainerSandbox) -> None:
        found = self._protect(books)[books.project.volume]
        assert found["reason"] == "the PostgreSQL in ledger-dev-postgres-1 keeps its data in it"

    @staticmethod
    def _protect(books: ContainerSandbox, *words: str) -> dict[str, dict[str, object]]:
        said = subprocess.run(
            [str(_BIN / "ledgerflow"), "protect", "--json", *words], env=_variables(books),
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return {entry["volume"]: entry for entry in json.loads(said.stdout)["volumes"]}


def test_with_the_word_and_the_backup_it_is_let_through(books: ContainerSandbox) -> None:
    """Last, because it really removes the volume, which is then restored from the backup."""
    rows = books.ask(_COUNT)
    question = "Type the environment's name"
    code, said = _at_terminal(books, _compose(books, "down", "-v"), {question: "dev"})
    assert code == 0, said
    assert books.project.volume not in books.project.engine.names("volume")
    books.project.up("postgres")
    env = books.env()
    identity.check_identity(env, accept=True)
    restore.restore(env, RestoreRequest(environment=Environment.DEV, file="latest-proven"))
    assert books.ask(_COUNT) == rows
