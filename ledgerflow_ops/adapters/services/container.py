"""A PostgreSQL server in a container of a Compose project. Errors of docker are translated here."""

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
"""What can carry a connection in a container: program, option for a script, script, $0 if any."""
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Container:
    """A service of a Compose project. `application`: the services that use its database; empty for all."""

    project: str
    file: Path
    service: str
    env_file: Path | None = None
    application: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.project}/{self.service}"

    def compose(self, *arguments: str) -> list[str]:
        """The `docker compose` command line for this project."""
        variables = ["--env-file", str(self.env_file)] if self.env_file else []
        return [docker.NAME, "compose", "-p", self.project, "-f", str(self.file), *variables, *arguments]

    def exec_command(self, *arguments: str, variables: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs a program in the container, without a terminal, which would change the
        bytes.

        Everybody who lists processes can see the `variables`: none may be secret.
        """
        options = [word for name, value in (variables or {}).items() for word in ("-e", f"{name}={value}")]
        return self.compose("exec", "-T", *options, self.service, *arguments)

    def inspect(self) -> "ContainerServer":
        """Inspect the container. SettingsError (exit code 2) for a missing file or service."""
        for file in filter(None, (self.file, self.env_file)):
            _require_readable(file)
        finished = self._run(self.exec_command("sh", "-c", script("inspect.sh")))
        answers = finished.out.decode("utf-8", "replace").split("\0")
        if finished.code or len(answers) != len(_ANSWERS) + 1:
            raise self.failure(finished.code, finished.errors or finished.out.decode("utf-8", "replace"))
        return ContainerServer.from_answers(self, dict(zip(_ANSWERS, answers, strict=False)))

    def running_application(self) -> Application:
        """The other running services of the project that may use the database, and how to stop them."""
        form = '{{.Label "com.docker.compose.service"}}\t{{.Label "com.docker.compose.oneoff"}}\t{{.Names}}'
        only = f"label=com.docker.compose.project={self.project}"
        finished = self._run([docker.NAME, "ps", "--filter", only, "--format", form])
        if finished.code:
            raise self.failure(finished.code, finished.errors)
        lines = [line.split("\t") for line in finished.out.decode("utf-8", "replace").splitlines() if line]
        containers = [
            (service, one_off == "True", name)
            for service, one_off, name in lines
            if (service != self.service or one_off == "True")
            and (not self.application or service in self.application)
        ]
        services = sorted({service for service, one_off, _ in containers if not one_off})
        jobs = sorted(name for _, one_off, name in containers if one_off)
        commands = [shlex.join(self.compose("stop", *services))] if services else []
        commands += [shlex.join([docker.NAME, "stop", *jobs])] if jobs else []
        return Application(tuple(services + jobs), " && ".join(commands))

    def failure(self, code: int, errors: str) -> LedgerError:
        """The error for messages of docker, of Compose or of the program in the container."""
        for pattern, kind, message, hint in _KNOWN_ERRORS:
            if re.search(pattern, errors, re.IGNORECASE):
                return kind(f"{message.format(self=self)}\n{process.last_lines(errors)}", hint=hint)
        if re.search(r"is not running|no such service|no container found", errors, re.IGNORECASE):
            return self._not_running_error()
        return LedgerError(
            f"{self.label} could not be reached ({process.describe_exit(code)}):\n"
            f"{process.last_lines(errors)}",
            hint=Hint("Try it by hand: ", command(*self.exec_command("true"))),
        )

    def _not_running_error(self) -> LedgerError:
        """The error for a missing container: the settings are wrong, or it was stopped."""
        config = self._run(self.compose("config", "--services"))
        if config.code:
            return SettingsError(
                f"Compose cannot read {self.file}:\n{process.last_lines(config.errors)}",
                hint=Hint("Fix the file. If it needs variables, set their file: compose.env_file."),
            )
        services = sorted(config.out.decode("utf-8", "replace").split())
        if self.service not in services:
            return SettingsError(
                f"{self.file} has no service {self.service!r}; it has {', '.join(services) or 'none'}.",
                hint=Hint("Set compose.service to the service that PostgreSQL runs in."),
            )
        return LedgerError(
            f"The container of {self.label} is not running.",
            hint=Hint(
                command("docker", "compose", "ls", "--all"),
                " lists the projects. If this is the right one: ",
                command(*self.compose("up", "--detach", self.service)),
            ),
        )

    def with_real_docker(self, command: list[str]) -> list[str]:
        """The command line with the real docker instead of our wrapper; LedgerError without one."""
        program = docker.docker_program()
        if program is None:
            raise LedgerError(
                f"There is no docker on the PATH, which is needed to reach {self.label}.",
                hint=Hint("Install Docker with its Compose plugin, or set database_url instead of compose."),
            )
        return [str(program), *command[1:]]

    def _run(self, command: list[str]) -> Finished:
        return process.run(self.with_real_docker(command), timeout=_TIMEOUT)


_ANSWERS = ("user", "database", "port", "carrier", "dump", "zstd")


@dataclass(frozen=True, slots=True)
class ContainerServer:
    """The PostgreSQL server in an inspected container: `version` of its pg_dump, `carrier` of connections."""

    container: Container
    user: str
    database: str
    port: str
    carrier: str
    version: str
    compression: str

    @classmethod
    def from_answers(cls, container: Container, answers: Mapping[str, str]) -> "ContainerServer":
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
        details = {name: answers[name] for name in ("user", "database", "port", "carrier")}
        return cls(container, version=version[0], compression=compression, **details)

    def open_proxy(self) -> AbstractContextManager[socket_proxy.SocketProxy]:
        """A local socket that leads to the server in the container, during the block."""
        program, option, name, *argv0 = _CARRIERS[self.carrier]
        carrier_command = self.container.exec_command(program, option, script(name), *argv0, self.port)
        return socket_proxy.proxy(self.container.with_real_docker(carrier_command))

    def program_command(self, program: str, options: list[str], variables: Mapping[str, str]) -> list[str]:
        """The command that runs a program of PostgreSQL in the container; it ends when we do."""
        all_variables = {**variables, "PGHOST": "127.0.0.1", "PGPORT": self.port, "PGSSLMODE": "disable"}
        arguments = ["sh", "-c", script("watched.sh"), "sh", program, *options]
        return self.container.with_real_docker(
            self.container.exec_command(*arguments, variables={**all_variables, "LC_ALL": "C"})
        )


@cache
def script(name: str) -> str:
    """The text of one of the scripts that run in a container."""
    return resources.files("ledgerflow_ops.adapters.services").joinpath("inside", name).read_text()


def _require_readable(file: Path) -> None:
    if not file.is_file() or not os.access(file, os.R_OK):
        why = "cannot be read" if file.exists() else "does not exist"
        raise SettingsError(f"{file} {why}.", hint=Hint("Fix the environment's compose settings."))


_KNOWN_ERRORS: tuple[tuple[str, type[LedgerError], str, Hint], ...] = (
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
            " shows when it answers.",
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
        Hint("It may still be starting: ", command("docker", "compose", "logs"), " shows its log."),
    ),
)
"""Patterns in the messages of docker and of programs in the container, with their errors; the first match
counts."""
