"""LedgerFlow's own layout in Docker Compose, on an engine of the tests' own.

Services, volumes, files and variables are named as the real ones are. Django and Redis are stand-ins:
Django holds a connection to the database as the real one does. No network is made: the services share
PostgreSQL's loopback, so that several engines and whatever else runs here are never in each other's way.
"""

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.engine import Engine

Name = Literal["dev", "prod"]

PASSWORDS = {"dev": "dev-secret-5f1c", "prod": "prod-secret-9b27"}
VOLUMES = {"dev": "ledger-dev_ledgerflow_dev_postgres_data", "prod": "ledgerflow_postgres_data_prod"}
_KEYS = {"dev": "ledgerflow_dev_postgres_data", "prod": "ledgerflow_postgres_data_prod"}
_FILE = """\
services:
  postgres:
    image: {image}
    pull_policy: never
    command: ["postgres", "-c", "fsync=off", "-c", "full_page_writes=off"]
    environment:
      POSTGRES_DB: ${{POSTGRES_DB}}
      POSTGRES_USER: ${{POSTGRES_USER}}
      POSTGRES_PASSWORD: ${{POSTGRES_PASSWORD}}
    network_mode: none
    volumes:
      - {key}:{data}
  django:
    image: {system}
    pull_policy: never
    command: ["bash", "-c", {django}]
    environment:
      PGHOST: 127.0.0.1
      PGDATABASE: ${{POSTGRES_DB}}
      PGUSER: ${{POSTGRES_USER}}
      PGAPPNAME: django
    network_mode: service:postgres
    depends_on: [postgres]
    init: true
    stop_grace_period: 1s
  redis:
    image: {system}
    pull_policy: never
    command: ["sleep", "infinity"]
    network_mode: none
    init: true
    stop_grace_period: 1s
volumes:
  {key}:
    {volume}
"""
_DJANGO = (
    "\"trap 'exit 0' TERM; mkfifo /tmp/idle; exec 3<>/tmp/idle; "
    'while :; do psql -q <&3 >/dev/null 2>&1 & wait $$!; sleep 0.2; done"'
)


@dataclass(frozen=True)
class Project:
    """One environment's project: its folder, and the engine it runs on."""

    engine: Engine
    folder: Path
    environment: Name

    @property
    def name(self) -> str:
        return f"ledger-{self.environment}"

    @property
    def file(self) -> Path:
        return self.folder / f"docker-compose.{self.environment}.yml"

    @property
    def env_file(self) -> Path:
        return self.folder / f".env.{self.environment}"

    @property
    def volume(self) -> str:
        return VOLUMES[self.environment]

    @property
    def database(self) -> str:
        return f"ledgerflow_{self.environment}"

    @property
    def user(self) -> str:
        return f"ledgerflow_{self.environment}"

    @property
    def password(self) -> str:
        return PASSWORDS[self.environment]

    @property
    def container(self) -> str:
        """PostgreSQL's container, as Compose names it."""
        return f"{self.name}-postgres-1"

    def compose(
        self, *words: str, check: bool = True, data: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """`docker compose` with the project's own options, as a person types it."""
        known = ["-p", self.name, "-f", str(self.file), "--env-file", str(self.env_file)]
        return self.engine.docker("compose", *known, *words, check=check, data=data)

    def up(self, *services: str) -> None:
        """Bring services up (all of them, if none is named) and wait until PostgreSQL answers."""
        self.compose("up", "--detach", *services)
        self.wait()

    def wait(self, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        asked = ["exec", self.container, "pg_isready", "-q", "-h", "127.0.0.1"]
        while self.engine.docker(*asked, check=False).returncode:
            assert time.monotonic() < end, self.engine.docker("logs", self.container, check=False).stderr
            time.sleep(0.1)

    def psql(self, statements: str, database: str | None = None) -> str:
        """Run SQL inside the container, and return what it gives, one row a line."""
        words = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", self.user]
        words += ["-d", database or self.database]
        inside = ["exec", "-i", self.container, *words]
        return self.engine.docker(*inside, data=statements.encode()).stdout.decode().strip()

    def processes(self) -> list[str]:
        """The command lines of all that runs in PostgreSQL's container, as its process 1 would see it."""
        form = "{{.State.Pid}}"
        first = self.engine.docker("inspect", "--format", form, self.container).stdout.decode().strip()
        inside, found = _namespace(int(first)), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if _namespace(process.pid) == inside and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()).strip())
        return found


def _namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/pid").readlink())


def project(engine: Engine, folder: Path, environment: Name = "dev") -> Project:
    """Write the project's files into `folder`; `up` starts it."""
    made = Project(engine, folder, environment)
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    volume = f"name: {made.volume}" if environment == "prod" else "driver: local"
    made.file.write_text(
        _FILE.format(
            image=image.NAME,
            system=image.SYSTEM,
            key=_KEYS[environment],
            data=image.DATA,
            volume=volume,
            django=_DJANGO,
        )
    )
    made.env_file.write_text(
        f"POSTGRES_DB={made.database}\nPOSTGRES_USER={made.user}\nPOSTGRES_PASSWORD={made.password}\n"
    )
    made.env_file.chmod(0o600)
    return made
