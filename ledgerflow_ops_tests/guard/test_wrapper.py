"""ledger_docker as it is typed: what passes, what is refused, and what becomes of the process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops_tests.fakes import image, ledgerflow
from ledgerflow_ops_tests.fakes.engine import Engine
from ledgerflow_ops_tests.fakes.ledgerflow import Project

WRAPPER = Path(sys.executable).parent / "ledger_docker"
ROWS = "CREATE TABLE IF NOT EXISTS books (id int); INSERT INTO books SELECT generate_series(1, 100)"


@dataclass(frozen=True)
class Books:
    """LedgerFlow's two projects with rows in their databases, and a shell to type in."""

    dev: Project
    prod: Project
    state: Path

    @property
    def engine(self) -> Engine:
        return self.dev.engine

    def variables(self, environment: str | None = None, **more: str) -> dict[str, str]:
        ours = {"LEDGER_STATE_DIR": str(self.state), "LEDGER_BACKUP_ROOT": str(self.state / "backups")}
        chosen = {"LEDGER_ENV": environment} if environment else {}
        return {**os.environ, **self.engine.environment(), **ours, **chosen, **more}

    def type(
        self, *words: str, environment: str | None = None, data: bytes | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Type a command line in dev's folder."""
        return subprocess.run(
            [str(WRAPPER), *words],
            env=self.variables(environment, **more),
            cwd=self.dev.folder,
            capture_output=True,
            input=data.decode() if data is not None else None,
            stdin=subprocess.DEVNULL if data is None else None,
            text=True,
            timeout=60,
            check=False,
        )

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state / "journal.jsonl").read_text().splitlines()]

    def intact(self) -> bool:
        """Whether both databases run and have all their rows."""
        return all(project.psql("SELECT count(*) FROM books") == "100" for project in (self.dev, self.prod))


@pytest.fixture(scope="module")
def books(engine: Engine, session_root: Path) -> Iterator[Books]:
    folder = session_root / "books"
    dev = ledgerflow.project(engine, folder / "dev", "dev")
    prod = ledgerflow.project(engine, folder / "prod", "prod")
    for project in (dev, prod):
        project.up("postgres")
        project.psql(ROWS)
    yield Books(dev, prod, folder / "state")
    engine.clear()


DEV = "compose -p ledger-dev -f docker-compose.dev.yml --env-file .env.dev"
PROD = "compose -p ledger-prod -f ../prod/docker-compose.prod.yml --env-file ../prod/.env.prod"
INCIDENT = [
    f"{DEV} down -v",
    f"{DEV} down --volumes",
    f"{DEV} down --volume",
    f"{DEV} down -v -t 1",
    f"{DEV} down -vt1",
    f"{DEV} down -t1 -v",
    f"{DEV} down --volumes=true --remove-orphans",
    f"{DEV} down -v=false -v",
    f"{DEV} down -v=1 --rmi local",
    f"{DEV} down postgres -v",
    "compose --project-name ledger-dev down -v",
    "compose --project-name=ledger-dev down -v",
    "compose -pledger-dev down -v",
    "compose -p=ledger-dev down -v",
    "-D compose -p ledger-dev down -v",
    "--log-level error compose -p ledger-dev down -v",
    "-lerror compose -p ledger-dev down -v",
    "compose --profile x -p ledger-dev down -v",
    "compose -p other -p ledger-dev down -v",
    "compose --ansi never --progress plain -p ledger-dev down -v",
    "volume rm -f ledger-dev_ledgerflow_dev_postgres_data",
    "volume remove ledger-dev_ledgerflow_dev_postgres_data",
    "volume rm -- ledger-dev_ledgerflow_dev_postgres_data",
    "exec ledger-dev-postgres-1 dropdb -f -U ledgerflow_dev --maintenance-db=postgres ledgerflow_dev",
    "exec ledger-dev-postgres-1 psql -U ledgerflow_dev -c DROP\tTABLE\tbooks ledgerflow_dev",
    f"{DEV} exec -T postgres psql -U ledgerflow_dev -d ledgerflow_dev -Atc TRUNCATE\tbooks",
    f"{DEV} exec -T postgres rm -rf /var/lib/postgresql/data/base",
    f"{DEV} run --rm postgres rm -rf /var/lib/postgresql/data",
    "run --rm --volumes-from ledger-dev-postgres-1 postgres:17 rm -rf /var/lib/postgresql/data",
    "stop ledger-dev-postgres-1 --frobnicate",
]


class TestTheIncident:
    """22 April 2025, in every spelling."""

    @pytest.mark.parametrize("environment", [None, "dev", "prod", "Dev"])
    @pytest.mark.parametrize("line", INCIDENT[:3])
    def test_it_is_refused_whoever_asks(self, books: Books, line: str, environment: str | None) -> None:
        said = books.type(*line.split(" "), environment=environment)
        assert said.returncode == 3
        assert "ledger_docker: refused." in said.stderr
        assert "hint: " in said.stderr
        assert books.intact()

    def test_it_is_refused_however_it_is_typed(self, books: Books) -> None:
        passed = []
        for line in INCIDENT:
            said = books.type(*[word.replace("\t", " ") for word in line.split(" ")], environment="dev")
            if (said.returncode, said.stdout) != (3, ""):
                passed.append((line, said.returncode, said.stderr))
        assert not passed
        assert books.intact()

    def test_removing_the_container_alone_keeps_its_named_volume(self, books: Books) -> None:
        assert books.type("rm", "-fv", "ledger-dev-postgres-1", environment="dev").returncode == 0
        books.dev.up("postgres")
        assert books.intact()

    def test_it_is_refused_through_variables(self, books: Books) -> None:
        said = books.type(
            *("compose", "down", "-v"),
            environment="dev",
            COMPOSE_PROJECT_NAME="ledger-dev",
            COMPOSE_FILE="docker-compose.dev.yml",
        )
        assert said.returncode == 3
        assert "removes the volume ledger-dev_ledgerflow_dev_postgres_data" in said.stderr
        assert books.intact()

    def test_it_is_refused_to_docker_compose_as_well(self, books: Books, tmp_path: Path) -> None:
        real = Path(books.engine.folder / "config/cli-plugins/docker-compose").resolve()
        (tmp_path / "docker-compose").symlink_to(WRAPPER)
        path = os.pathsep.join([str(tmp_path), str(real.parent), os.environ["PATH"]])
        variables = books.variables("dev", PATH=path)
        said = subprocess.run(
            [tmp_path / "docker-compose", *DEV.split()[1:], "down", "-v"],
            env=variables, cwd=books.dev.folder, capture_output=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert said.returncode == 3
        assert books.intact()
        said = subprocess.run(
            [tmp_path / "docker-compose", *DEV.split()[1:], "ps", "-q"],
            env=variables, cwd=books.dev.folder, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (said.returncode, len(said.stdout.split())) == (0, 1)

    def test_prod_is_never_destroyed_not_even_on_its_own_word(self, books: Books) -> None:
        said = books.type(*PROD.split(), "down", "-v", environment="prod", CONFIRM="prod")
        assert said.returncode == 3
        assert "In prod a known loss is refused" in said.stderr
        assert "Leave out -v" in said.stderr
        assert books.intact()

    def test_a_dev_command_does_not_reach_prod(self, books: Books) -> None:
        for line in (
            "stop ledger-prod-postgres-1",
            "pause ledger-prod-postgres-1",
            f"{PROD} restart",
            f"{PROD} exec postgres true",
        ):
            said = books.type(*line.split(), environment="dev")
            assert said.returncode == 3
            assert "LEDGER_ENV is dev, but this is prod's" in said.stderr
        assert books.intact()


class TestPassingOn:
    """What is let through is the real docker, and nothing else."""

    def test_exit_code_input_and_output_are_the_real_ones(self, books: Books) -> None:
        alone = ["run", "--rm", "--network", "none"]
        assert books.type(*alone, image.SYSTEM, "sh", "-c", "exit 7").returncode == 7
        said = books.type(*alone, "-i", image.SYSTEM, "cat", data=b"through and through")
        assert (said.returncode, said.stdout) == (0, "through and through")
        assert books.type("frobnicate", "--help").returncode == 0

    def test_it_is_the_same_process(self, books: Books) -> None:
        child = subprocess.Popen(
            [str(WRAPPER), "events"], env=books.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        program = Path(f"/proc/{child.pid}/exe")
        end = time.monotonic() + 20
        while "python" in program.resolve().name and time.monotonic() < end:
            time.sleep(0.02)
        assert program.resolve().name == "docker"
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
        assert child.returncode in (0, 1, 130, -signal.SIGINT)

    @pytest.mark.parametrize("how", ["link", "copy", "script", "twice"])
    def test_a_path_that_holds_the_wrapper_again_is_no_loop(
        self, books: Books, tmp_path: Path, how: str
    ) -> None:
        folders = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            entry = tmp_path / name / "docker"
            if how == "script":
                entry.write_text(f'#!/bin/sh\nexec "{WRAPPER}" "$@"\n')
            elif how == "copy":
                entry.write_text(WRAPPER.read_text())
            else:
                entry.symlink_to(WRAPPER)
            entry.chmod(0o755)
            folders.append(str(tmp_path / name))
        path = os.pathsep.join([*folders, *(folders if how == "twice" else []), os.environ["PATH"]])
        said = subprocess.run(
            ["docker", "ps", "-q"],
            env=books.variables(PATH=path),
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert (said.returncode, len(said.stdout.split())) == (0, 2), said.stderr

    def test_a_script_that_hides_the_way_back_is_tried_once(self, books: Books, tmp_path: Path) -> None:
        hidden = tmp_path / "docker"
        hidden.write_text(f'#!/bin/sh\nP="{WRAPPER.parent}/ledger"\nexec "${{P}}_docker" "$@"\n')
        hidden.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        said = books.type("ps", "-q", PATH=path)
        assert (said.returncode, len(said.stdout.split())) == (0, 2), said.stderr

    def test_without_a_real_docker_it_says_so(self, books: Books, tmp_path: Path) -> None:
        said = books.type("ps", PATH=str(tmp_path))
        assert said.returncode == 127
        assert "There is no real docker on the PATH" in said.stderr
        assert "hint: Install docker" in said.stderr


class TestRefusing:
    def test_an_unset_environment_is_asked_for(self, books: Books) -> None:
        said = books.type(*DEV.split(), "restart")
        assert said.returncode == 3
        assert "LEDGER_ENV is not set; this is about dev." in said.stderr
        assert "hint: If dev is what you mean: LEDGER_ENV=dev" in said.stderr

    def test_an_engine_that_does_not_answer(self, books: Books, tmp_path: Path) -> None:
        said = books.type("volume", "rm", "x", environment="dev", DOCKER_HOST=f"unix://{tmp_path}/none")
        assert said.returncode == 3
        assert "the engine does not answer" in said.stderr
        assert "hint: Start the engine" in said.stderr
        # What only reads is docker's own business, and its own error.
        assert books.type("ps", DOCKER_HOST=f"unix://{tmp_path}/none").returncode == 1

    def test_a_volume_without_a_label_is_known_by_its_use(self, books: Books) -> None:
        labels = books.engine.docker("volume", "inspect", books.dev.volume).stdout
        assert b"com.ledgerflow.protect" not in labels
        said = books.type("volume", "rm", books.dev.volume, environment="dev")
        assert "the PostgreSQL in ledger-dev-postgres-1 keeps its data in it" in said.stderr

    def test_a_volume_is_remembered_when_its_container_is_gone(self, books: Books) -> None:
        assert books.type(*DEV.split(), "down", environment="dev").returncode == 0
        said = books.type("volume", "prune", "-f", environment="dev")
        assert said.returncode == 3
        assert "a PostgreSQL has kept its data in it" in said.stderr
        assert books.type(*DEV.split(), "up", "-d", "postgres", environment="dev").returncode == 0
        books.dev.wait()
        assert books.intact()

    def test_ten_thousand_arguments(self, books: Books) -> None:
        many = [f"container-{number}" for number in range(10_000)]
        assert books.type("rm", *many, environment="dev").returncode == 1  # docker's own: there are none
        said = books.type("volume", "rm", *many, books.dev.volume, environment="dev")
        assert said.returncode == 3
        assert books.dev.volume in said.stderr
        assert len((books.state / "journal.jsonl").read_text().splitlines()[-1]) < 10_000
        assert books.intact()

    def test_a_journal_that_cannot_be_written_stops_nobody_from_looking(
        self, books: Books, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        said = books.type("ps", "-q", LEDGER_STATE_DIR=str(tmp_path / "file"))
        assert said.returncode == 0
        assert "not recorded in the journal" in said.stderr

    @pytest.mark.parametrize("ended", [signal.SIGINT, signal.SIGKILL])
    def test_ended_while_it_judges_nothing_has_been_run(
        self, books: Books, tmp_path: Path, ended: signal.Signals
    ) -> None:
        """A slow docker that records its calls."""
        slow, asked = tmp_path / "docker", tmp_path / "asked"
        slow.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexec sleep 30\n')
        slow.chmod(0o755)
        variables = books.variables("dev", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        child = subprocess.Popen(
            [str(WRAPPER), "volume", "rm", books.dev.volume], env=variables, stderr=subprocess.PIPE,
            start_new_session=True, cwd=tmp_path,
        )  # fmt: skip
        end = time.monotonic() + 20
        while not asked.exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(child.pid, ended)
        _, said = child.communicate(timeout=20)
        assert child.returncode in (130, -signal.SIGKILL)
        assert ended is signal.SIGKILL or b"nothing was run" in said
        assert "volume rm" not in asked.read_text()
        for line in subprocess.run(
            ["pgrep", "-f", str(slow)], capture_output=True, check=False
        ).stdout.split():
            os.kill(int(line), signal.SIGKILL)


class TestOnRecord:
    def test_every_verdict_is_in_the_journal(self, books: Books) -> None:
        before = len(books.journal())
        books.type("ps", "-q")
        books.type("volume", "rm", books.dev.volume, environment="dev")
        reading, removing = books.journal()[before:]
        assert (reading["what"], reading["verdict"]) == ("ledger_docker", "allowed")
        assert reading["command"] == "docker ps -q"
        assert (removing["verdict"], removing["environment"]) == ("refused", "dev")
        assert removing["losses"][0].startswith(f"it removes the volume {books.dev.volume} (")

    def test_secrets_are_not(self, books: Books) -> None:
        books.type("login", "-p", "hunter2", "registry.invalid")
        books.type("login", "--password", "hunter2", "registry.invalid")
        books.type(
            "run", "--rm", "-e", "API_TOKEN=hunter2", "-e", "POSTGRES_PASSWORD=hunter2", "nothing:here"
        )
        books.type("build", "--build-arg", "SECRET_KEY=hunter2", "nowhere")
        books.type("exec", "x", "psql", "postgresql://me:hunter2@here/books")
        books.type("login", "-phunter2", "registry.invalid")
        books.type("build", "--build-arg=SECRET_KEY=hunter2", "nowhere")
        books.type("run", "--env=API_TOKEN=hunter2", "-eSECRET_KEY=hunter2", "nothing:here")
        books.type("exec", "x", "psql", "-c", "ALTER USER me PASSWORD 'hunter2 and more'")
        books.type("exec", "x", "sh", "-c", "export SECRET_KEY=hunter2; psql -c 'TRUNCATE books'")
        books.type("exec", "x", "redis-cli", "-a", "hunter2", "ping")
        assert "hunter2" not in (books.state / "journal.jsonl").read_text()

    def test_words_that_are_no_text_are_judged_and_kept(self, books: Books) -> None:
        said = books.type("volume", "rm", "no\udcfftext", books.dev.volume, environment="dev")
        assert said.returncode == 3
        assert "udcff" in books.journal()[-1]["command"]

    def test_a_refusal_is_one_with_nobody_to_hear_it(self, books: Books) -> None:
        line = f'"{WRAPPER}" volume rm {books.dev.volume} 0<&- 2>&-'
        variables = books.variables("dev")
        assert subprocess.run(["sh", "-c", line], env=variables, check=False, timeout=60).returncode == 3


class TestExplaining:
    def test_it_shows_how_a_line_is_read_and_runs_nothing(self, books: Books) -> None:
        said = books.type("--explain", *DEV.split(), "down", "-vt", "5", environment="dev")
        assert said.returncode == 3
        for line in (
            "read as    compose down",
            "           --volumes true",
            "           --timeout 5",
            f"protected  {books.dev.volume}: the PostgreSQL in ledger-dev-postgres-1",
            "about      dev, by the project ledger-dev",
            "destroys   it removes the volume",
            "verdict    refused: ",
            "hint       ",
        ):
            assert line in said.stdout
        assert books.intact()

    def test_it_says_that_a_command_only_reads(self, books: Books) -> None:
        said = books.type("--explain", "container", "list")
        assert (said.returncode, "verdict    allowed" in said.stdout) == (0, True)
