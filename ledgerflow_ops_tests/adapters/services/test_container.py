"""A PostgreSQL server in a container, and the errors when docker cannot reach it."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.services.container import Container, ContainerServer
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import contained as containers
from ledgerflow_ops_tests.fakes import engine as engines
from ledgerflow_ops_tests.fakes import ledgerflow, programs, sandboxes
from ledgerflow_ops_tests.fakes.contained import ContainerSandbox
from ledgerflow_ops_tests.fakes.engine import Engine

ANSWERS = {
    "user": "u", "database": "d", "port": "5432", "carrier": "bash", "zstd": "",
    "dump": "pg_dump (PostgreSQL) 17.4",
}  # fmt: skip


@pytest.fixture(scope="module")
def contained(engine: Engine, session_root: Path) -> Iterator[ContainerSandbox]:
    with (
        sandboxes.temporary_folder(session_root) as folder,
        containers.container_sandbox(engine, folder) as found,
    ):
        yield found


@pytest.fixture
def container(contained: ContainerSandbox) -> Container:
    project = contained.project
    return Container(project.name, project.file, "postgres", project.env_file)


@pytest.fixture
def database(container: Container) -> Database:
    inside = container.inspect()
    return Database({"user": inside.user, "dbname": inside.database}, inside)


def test_what_is_in_it_is_what_its_own_environment_and_programs_say(
    container: Container, contained: ContainerSandbox
) -> None:
    inside = container.inspect()
    project = contained.project
    assert (inside.user, inside.database, inside.port) == (project.user, project.database, "5432")
    assert (inside.version, inside.compression, inside.carrier) == (
        client_tools.bundled_tools().version,
        "zstd:1",
        "bash",
    )
    assert project.password not in repr(inside)


def test_no_terminal_is_ever_asked_for_and_every_byte_comes_through(container: Container) -> None:
    assert container.exec_command("true")[-4:] == ["exec", "-T", "postgres", "true"]
    every = "".join(f"\\{byte:03o}" for byte in range(256))
    finished = process.run(container.exec_command("sh", "-c", 'printf "$0"', every + "\\r\\n\\n\\r"))
    assert finished.out == bytes(range(256)) + b"\r\n\n\r"


def test_a_connection_is_named_for_people_and_asks_no_password(database: Database) -> None:
    assert database.label == "ledger-dev/postgres: ledgerflow_dev"
    with database.connect() as connection:
        row = connection.execute("SELECT current_user, host(inet_client_addr())").fetchone()
    assert row == ("ledgerflow_dev", "127.0.0.1")


def test_programs_bring_their_output_their_errors_and_their_exit_code(database: Database) -> None:
    client = Client(client_tools.bundled_tools(), database.variables(), database.inside)
    assert (client.version, client.origin) == (client_tools.bundled_tools().version, "ledger-dev/postgres")
    whole = client.run("pg_dump", ["--schema-only"])
    assert (whole.code, whole.errors) == (0, "")
    assert whole.out.startswith(b"--\n-- PostgreSQL database dump")
    assert b"CREATE TABLE public.profiles_transaction" in whole.out
    wrong = client.run("pg_dump", ["--nonsense"])
    assert wrong.code == 1
    assert "unrecognized option" in wrong.errors
    assert client.run("no_such_program", []).code == 127


def test_what_stands_in_the_way_of_a_dump_in_the_containers_environment_is_left_out(
    database: Database, container: Container
) -> None:
    assert database.inside is not None
    command = database.inside.program_command("pg_dump", ["--schema-only"], database.variables())
    place = command.index("exec") + 2
    odd = ["-e", "PGHOSTADDR=192.0.2.1", "-e", "PGSERVICE=gone", "-e", "PGCLIENTENCODING=LATIN1"]
    finished = process.run([*command[:place], *odd, *command[place:]], leash=True)
    assert finished.code == 0, finished.errors
    assert b"SET client_encoding = 'UTF8';" in finished.out


def test_the_tools_that_read_decide_on_the_compression_too(database: Database) -> None:
    assert Client(client_tools.bundled_tools(), {}, database.inside).compression == "zstd:1"
    assert (
        Client(replace(client_tools.bundled_tools(), version="15.1"), {}, database.inside).compression == "6"
    )
    assert database.inside is not None
    old = replace(database.inside, compression="6")
    assert Client(client_tools.bundled_tools(), {}, old).compression == "6"


def test_a_server_that_does_ask_for_a_password_is_reported_with_what_to_do(
    database: Database, contained: ContainerSandbox
) -> None:
    inside = ["exec", contained.project.container, "sh", "-c"]
    line = "host all careful 127.0.0.1/32 scram-sha-256"
    prepend = (
        f"cd $PGDATA && cp pg_hba.conf /tmp/hba && (echo {shlex.quote(line)}; cat /tmp/hba) >pg_hba.conf"
    )
    contained.project.psql("CREATE ROLE careful LOGIN PASSWORD 'careful-secret'")
    contained.project.engine.docker(*inside, prepend)
    contained.project.psql("SELECT pg_reload_conf()")
    try:
        careful = database.as_user("careful")
        with pytest.raises(LedgerError, match="no password supplied") as caught, careful.connect():
            pass
        assert "host all all 127.0.0.1/32 trust" in caught.value.hint
        assert 'on socket "ledger-dev/postgres" failed' in caught.value.message
    finally:
        contained.project.engine.docker(*inside, "cat /tmp/hba >$PGDATA/pg_hba.conf")
        contained.project.psql("SELECT pg_reload_conf(); DROP ROLE careful")


def test_what_else_of_the_project_runs_is_reported_with_the_command_that_stops_it(
    container: Container, contained: ContainerSandbox
) -> None:
    project = contained.project
    assert container.running_application().running == ()
    project.up()
    try:
        project.compose("run", "--detach", "--rm", "--name", "import-job", "redis", "sleep", "600")
        others = container.running_application()
        assert others.running == ("django", "redis", "import-job")
        only = replace(container, application=("django",)).running_application()
        assert only.running == ("django",)
        stop, job = (shlex.split(part) for part in others.stop.split(" && "))
        assert job == ["docker", "stop", "import-job"]
        subprocess.run(stop, check=True, capture_output=True)
        assert container.running_application().running == ("import-job",)
    finally:
        project.engine.docker("rm", "--force", "import-job")
        project.compose("stop", "django", "redis")


@pytest.mark.parametrize("how", ["the script", "a script that calls it", "a link"])
def test_a_wrapper_of_ours_that_bears_dockers_name_is_passed_by(
    container: Container, monkeypatch: pytest.MonkeyPatch, root: Path, how: str
) -> None:
    if how == "a link":
        programs.write(root / "ledger_docker", "exit 3")
        (root / "docker").symlink_to(root / "ledger_docker")
    else:
        calls = "from ledgerflow_ops.guard.wrapper" if how == "the script" else "exec ledger_docker"
        programs.write(root / "docker", f"# {calls}\nexit 3")
    monkeypatch.setenv("PATH", f"{root}{os.pathsep}{os.environ['PATH']}")
    inside = container.inspect()
    with Database({"user": inside.user, "dbname": inside.database}, inside).connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert Client(client_tools.bundled_tools(), {}, inside).run("pg_dump", ["--version"]).code == 0
    assert container.running_application().running == ()


class TestTrouble:
    """Each failure to reach it has a message, a hint and the exit code of its kind."""

    def told(self, container: Container, kind: type[LedgerError], message: str, hint: str) -> None:
        with pytest.raises(LedgerError, match=message) as caught:
            container.inspect()
        assert type(caught.value) is kind, caught.value
        assert hint in caught.value.hint

    def test_no_docker(self, container: Container, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        monkeypatch.setenv("PATH", str(root))
        self.told(container, LedgerError, "no docker on the PATH", "Install Docker")

    def test_no_compose(self, container: Container, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        monkeypatch.setenv("DOCKER_CONFIG", str(root))
        for client in engines.clients():
            monkeypatch.setenv("PATH", f"{client.parent}{os.pathsep}{os.environ['PATH']}")
            self.told(container, LedgerError, "has no Compose", "docker-compose-plugin")

    def test_no_engine(self, container: Container, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{root}/gone")
        for client in engines.clients():
            monkeypatch.setenv("PATH", f"{client.parent}{os.pathsep}{os.environ['PATH']}")
            self.told(container, LedgerError, "engine does not answer", "docker ps shows")

    def test_no_permission(self, container: Container, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        real = engines.clients()[0]
        uid = needs.account("nobody").pw_uid
        programs.write(root / "docker", f'exec setpriv --reuid={uid} --clear-groups {real} "$@"')
        monkeypatch.setenv("PATH", f"{root}{os.pathsep}{os.environ['PATH']}")
        plugins = root / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copy(engines.plugin(), plugins)  # where nobody may reach it
        monkeypatch.setenv("DOCKER_CONFIG", str(plugins.parent))
        open_to_all = replace(container, env_file=None)
        self.told(open_to_all, LedgerError, "does not let us reach ledger-dev/postgres", "group docker")

    def test_not_running(self, engine: Engine, root: Path) -> None:
        prod = ledgerflow.project(engine, root, "prod")
        container = Container(prod.name, prod.file, "postgres", prod.env_file)
        self.told(container, LedgerError, "container of ledger-prod/postgres is not running", "up --detach")

    def test_no_such_service(self, container: Container) -> None:
        wrong = replace(container, service="postgresql")
        self.told(wrong, SettingsError, "has no service 'postgresql'; it has django, postgres, redis", "")

    def test_no_such_file(self, container: Container, root: Path) -> None:
        fields: list[dict[str, Any]] = [{"file": root / "gone"}, {"env_file": root / "gone"}]
        for field in fields:
            gone = replace(container, **field)
            self.told(gone, SettingsError, "gone does not exist", "compose settings")

    def test_a_file_that_is_no_compose_file(self, container: Container, root: Path) -> None:
        (root / "bad.yml").write_text("services: [")
        bad = replace(container, project="ledger-test", file=root / "bad.yml")
        self.told(bad, SettingsError, "Compose cannot read .*bad.yml", "env_file")

    def test_no_server_in_it(self, container: Container, contained: ContainerSandbox) -> None:
        contained.project.compose("up", "--detach", "redis")
        inside = replace(container, service="redis").inspect()
        database = Database({"user": inside.user, "dbname": inside.database}, inside)
        assert inside.user == "postgres", "what nobody sets is the image's default"
        missing = pytest.raises(LedgerError, match="PostgreSQL in ledger-dev/redis does not answer")
        with missing as caught, database.connect():
            pass
        assert "docker compose logs" in caught.value.hint
        contained.project.compose("stop", "redis")

    @pytest.mark.parametrize(
        ("answers", "said"),
        [({"dump": ""}, "no pg_dump in ledger-dev/postgres"), ({"carrier": ""}, "neither bash nor perl")],
    )
    def test_an_image_that_lacks_what_is_needed(
        self, container: Container, answers: dict[str, str], said: str
    ) -> None:
        with pytest.raises(LedgerError, match=said) as caught:
            ContainerServer.from_answers(container, {**ANSWERS, **answers})
        assert caught.value.hint

    def test_an_old_pg_dump_and_one_without_zstd_use_gzip(self, container: Container) -> None:
        compressions = [
            ContainerServer.from_answers(container, {**ANSWERS, **answers}).compression
            for answers in ({}, {"dump": "pg_dump (PostgreSQL) 15.3"}, {"zstd": "unrecognized compression"})
        ]
        assert compressions == ["zstd:1", "6", "6"]
