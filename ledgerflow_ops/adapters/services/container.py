"""A PostgreSQL that lives in a container, as docker compose reaches it; its troubles become ours here."""

import os
import re
import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ledgerflow_ops.adapters.services import docker, socket_proxy
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.adapters.system.process import Finished
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.core.restore.restore_target import Application

_TIMEOUT = 60.0
_CARRIERS = {
    "bash": ("bash", "-c", "carry.bash", "bash"),
    "perl": ("perl", "-e", "carry.pl"),
}
"""What can carry a connection in there: a program, its option for a script, the script, its $0 if any."""
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Container:
    """A service of a Compose project. `application` are the services that use its database; empty for all."""

    project: str
    file: Path
    service: str
    env_file: Path | None = None
    application: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.project}/{self.service}"

    def compose(self, *words: str) -> list[str]:
        """`docker compose` on this project."""
        variables = ["--env-file", str(self.env_file)] if self.env_file else []
        return [docker.NAME, "compose", "-p", self.project, "-f", str(self.file), *variables, *words]

    def inside(self, *words: str, variables: Mapping[str, str] | None = None) -> list[str]:
        """A command that runs in the container: never with a terminal, which would mangle what flows.

        `variables` are seen by whoever lists processes: nothing secret may be among them.
        """
        given = [word for name, value in (variables or {}).items() for word in ("-e", f"{name}={value}")]
        return self.compose("exec", "-T", *given, self.service, *words)

    def look(self) -> "Inside":
        """What is in the container. SettingsError (2) when the settings name what is not there."""
        for file in filter(None, (self.file, self.env_file)):
            _require_readable(file)
        finished = self._run(self.inside("sh", "-c", script("look.sh")))
        answers = finished.out.decode("utf-8", "replace").split("\0")
        if finished.code or len(answers) != len(_ANSWERS) + 1:
            raise self.failure(finished.code, finished.errors or finished.out.decode("utf-8", "replace"))
        return Inside.of(self, dict(zip(_ANSWERS, answers, strict=False)))

    def others(self) -> Application:
        """What else of the project runs now and may use the database, and how to stop it."""
        form = '{{.Label "com.docker.compose.service"}}\t{{.Label "com.docker.compose.oneoff"}}\t{{.Names}}'
        only = f"label=com.docker.compose.project={self.project}"
        finished = self._run([docker.NAME, "ps", "--filter", only, "--format", form])
        if finished.code:
            raise self.failure(finished.code, finished.errors)
        lines = [line.split("\t") for line in finished.out.decode("utf-8", "replace").splitlines() if line]
        theirs = [
            (service, once == "True", name)
            for service, once, name in lines
            if (service != self.service or once == "True")
            and (not self.application or service in self.application)
        ]
        services = sorted({service for service, once, _ in theirs if not once})
        jobs = sorted(name for _, once, name in theirs if once)
        stops = [shlex.join(self.compose("stop", *services))] if services else []
        stops += [shlex.join([docker.NAME, "stop", *jobs])] if jobs else []
        return Application(tuple(services + jobs), " && ".join(stops))

    def failure(self, code: int, errors: str) -> LedgerError:
        """What docker, Compose or the program in the container said, as an error of ours."""
        for pattern, kind, message, hint in _TROUBLES:
            if re.search(pattern, errors, re.IGNORECASE):
                return kind(f"{message.format(self=self)}\n{process.last_lines(errors)}", hint=hint)
        if re.search(r"is not running|no such service|no container found", errors, re.IGNORECASE):
            return self._absence()
        return LedgerError(
            f"{self.label} could not be reached ({process.ended_by(code)}):\n{process.last_lines(errors)}",
            hint=Hint("Try it by hand: ", command(*self.inside("true"))),
        )

    def _absence(self) -> LedgerError:
        """Why there is no running container: the settings are wrong, or it was stopped."""
        asked = self._run(self.compose("config", "--services"))
        if asked.code:
            return SettingsError(
                f"Compose cannot read {self.file}:\n{process.last_lines(asked.errors)}",
                hint=Hint("Mend the file; where it needs variables, name their file: compose.env_file."),
            )
        services = sorted(asked.out.decode("utf-8", "replace").split())
        if self.service not in services:
            return SettingsError(
                f"{self.file} has no service {self.service!r}; it has {', '.join(services) or 'none'}.",
                hint=Hint("Set compose.service to the service that PostgreSQL runs in."),
            )
        return LedgerError(
            f"The container of {self.label} is not running.",
            hint=Hint(
                command("docker", "compose", "ls", "--all"),
                " shows what projects there are. If this is the right one: ",
                command(*self.compose("up", "--detach", self.service)),
            ),
        )

    def really(self, command: list[str]) -> list[str]:
        """A command as it is run: by the real docker, whatever bears its name."""
        program = docker.program()
        if program is None:
            raise LedgerError(
                f"There is no docker on the PATH, and {self.label} can only be reached through it.",
                hint=Hint("Install Docker with its Compose plugin, or set database_url instead of compose."),
            )
        return [str(program), *command[1:]]

    def _run(self, command: list[str]) -> Finished:
        return process.run(self.really(command), timeout=_TIMEOUT)


_ANSWERS = ("user", "database", "port", "carrier", "dump", "zstd")


@dataclass(frozen=True, slots=True)
class Inside:
    """A container that was looked into. `version` is its pg_dump's, `carrier` what can carry connections."""

    container: Container
    user: str
    database: str
    port: str
    carrier: str
    version: str
    compression: str

    @classmethod
    def of(cls, container: Container, answers: Mapping[str, str]) -> "Inside":
        version = _VERSION.search(answers["dump"])
        if version is None:
            raise LedgerError(
                f"There is no pg_dump in {container.label}.",
                hint=Hint("compose.service must be the service that PostgreSQL itself runs in."),
            )
        if answers["carrier"] not in _CARRIERS:
            raise LedgerError(
                f"Nothing in {container.label} can carry a connection: neither {' nor '.join(_CARRIERS)}.",
                hint=Hint(
                    "Use the official postgres image, or publish its port and set database_url instead."
                ),
            )
        new_enough = int(version[0].split(".")[0]) >= 16
        compression = "zstd:1" if new_enough and "compression" not in answers["zstd"] else "6"
        known = {name: answers[name] for name in ("user", "database", "port", "carrier")}
        return cls(container, version=version[0], compression=compression, **known)

    def way(self) -> AbstractContextManager[socket_proxy.SocketProxy]:
        """A socket of ours that leads to the server in there, for as long as the block lasts."""
        program, option, name, *zero = _CARRIERS[self.carrier]
        carried = self.container.inside(program, option, script(name), *zero, self.port)
        return socket_proxy.proxy(self.container.really(carried))

    def run(self, program: str, options: list[str], variables: Mapping[str, str]) -> list[str]:
        """The command that runs a program of PostgreSQL's in there, until it ends or we do."""
        reached = {**variables, "PGHOST": "127.0.0.1", "PGPORT": self.port, "PGSSLMODE": "disable"}
        words = ["sh", "-c", script("watched.sh"), "sh", program, *options]
        return self.container.really(self.container.inside(*words, variables={**reached, "LC_ALL": "C"}))


@cache
def script(name: str) -> str:
    """One of the small programs that run in a container."""
    return resources.files("ledgerflow_ops.adapters.services").joinpath("inside", name).read_text()


def _require_readable(file: Path) -> None:
    if not file.is_file() or not os.access(file, os.R_OK):
        why = "may not be read" if file.exists() else "is not there"
        raise SettingsError(f"{file} {why}.", hint=Hint("Mend the environment's compose settings."))


_TROUBLES: tuple[tuple[str, type[LedgerError], str, Hint], ...] = (
    (
        r"permission denied while trying to connect",
        LedgerError,
        "Docker does not let us reach {self.label}:",
        Hint("Run this as a user who may use Docker (on Linux: the group docker)."),
    ),
    (
        r"cannot connect to the docker daemon|failed to connect to the docker api|error during connect",
        LedgerError,
        "The Docker engine does not answer, so {self.label} cannot be reached:",
        Hint(
            "Start it (Docker Desktop, or ",
            command("systemctl", "start", "docker"),
            "); ",
            command("docker", "ps"),
            " shows when it is there.",
        ),
    ),
    (
        r"'compose' is not a docker command|unknown docker command|unknown shorthand flag: 'p'",
        LedgerError,
        "This docker has no Compose, so {self.label} cannot be reached:",
        Hint(
            "Install Docker's Compose plugin (Debian: docker-compose-plugin); ",
            command("docker", "compose", "version"),
            " shows it.",
        ),
    ),
    (
        r"connection refused",
        LedgerError,
        "PostgreSQL in {self.label} does not answer:",
        Hint("Is it still starting? ", command("docker", "compose", "logs"), " shows what it does."),
    ),
)
"""What docker and what runs in the container say, and what that means: the first that fits."""
