"""Runs pg_dump and pg_dumpall on one database: from here, or in the database's container."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.connection import address
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.services.container import ContainerServer
from ledgerflow_ops.adapters.system import process


@dataclass(frozen=True, slots=True)
class Client:
    """The programs for one database. `tools` read archives, and dump a database that is not `inside` a
    container.

    In a container its own programs dump: they have the server's version, and no password has to leave it.
    """

    tools: Tools
    variables: Mapping[str, str] = field(repr=False)
    inside: ContainerServer | None = None

    @property
    def version(self) -> str:
        """The version of the pg_dump that dumps."""
        return self.inside.version if self.inside else self.tools.version

    @property
    def origin(self) -> str:
        """The origin of that pg_dump, for people."""
        return self.inside.container.label if self.inside else self.tools.origin

    @property
    def compression(self) -> str:
        """The -Z value that both the dumping and the reading program support."""
        ours = client_tools.compression_option(self.tools)
        return self.inside.compression if self.inside and ours.startswith("zstd") else ours

    def popen(self, program: str, options: list[str]) -> subprocess.Popen[bytes]:
        """Start a program with no input, and with its output and errors in pipes."""
        return process.start_program(
            **self._how(program, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, program: str, options: list[str]) -> process.Finished:
        """Run a program to its end."""
        return process.run(**self._how(program, options))

    def _how(self, program: str, options: list[str]) -> dict[str, Any]:
        if database := self.variables.get("PGDATABASE"):
            option = "--database" if program == "pg_dumpall" else "--dbname"
            options = [f"{option}={address.dbname_argument(database)}", *options]
        if self.inside:
            command = self.inside.program_command(program, options, self.variables)
            return {"command": command, "extra": {}, "leash": True}
        command = [str(self.tools.path(program)), *options]
        return {"command": command, "extra": self.variables, "stdin": subprocess.DEVNULL}
