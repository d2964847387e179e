"""pg_dump and pg_dumpall as they reach one database: from here, or in the container that it lives in."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.connection import address
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.services.container import Inside
from ledgerflow_ops.adapters.system import process


@dataclass(frozen=True, slots=True)
class Client:
    """`tools` read what is dumped; they dump as well, unless the database is `inside` a container.

    There the container's own do: they are of the server's version, and the password need not leave it.
    """

    tools: Tools
    variables: Mapping[str, str] = field(repr=False)
    inside: Inside | None = None

    @property
    def version(self) -> str:
        """The version of the pg_dump that dumps."""
        return self.inside.version if self.inside else self.tools.version

    @property
    def origin(self) -> str:
        """Where that pg_dump is, for people."""
        return self.inside.container.label if self.inside else self.tools.origin

    @property
    def compression(self) -> str:
        """The -Z value that the one who dumps and the one who reads both know."""
        own = client_tools.compression(self.tools)
        return self.inside.compression if self.inside and own.startswith("zstd") else own

    def popen(self, program: str, options: list[str]) -> subprocess.Popen[bytes]:
        """Start a program that reads nothing, its output and its errors in pipes."""
        return process.popen(**self._how(program, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, program: str, options: list[str]) -> process.Finished:
        """Run a program to its end."""
        return process.run(**self._how(program, options))

    def _how(self, program: str, options: list[str]) -> dict[str, Any]:
        if database := self.variables.get("PGDATABASE"):
            into = "--database" if program == "pg_dumpall" else "--dbname"
            options = [f"{into}={address.argument(database)}", *options]
        if self.inside:
            command = self.inside.run(program, options, self.variables)
            return {"command": command, "extra": {}, "leash": True}
        command = [str(self.tools.path(program)), *options]
        return {"command": command, "extra": self.variables, "stdin": subprocess.DEVNULL}
