"""Remembers which database each environment is, from its first use on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock

from ledgerflow_ops.adapters.system import private_files, regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.identity import Identity, Observation, lsn_position
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make


@dataclass(frozen=True, slots=True)
class Identities:
    """The file that remembers them."""

    file: Path

    def known(self) -> dict[Environment, Identity]:
        """Every environment's identity that has been seen so far."""
        try:
            entries = regular_files.fields(self.file)
            return {Environment(name): _identity(**entry) for name, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise LedgerError(
                f"{self.file} cannot be read: {error}.",
                hint=Hint(
                    "It says which database each environment is. Restore it, or remove it and run ",
                    make("identity", ACCEPT=1),
                    " for each environment.",
                ),
            ) from None

    def remember(
        self,
        environment: Environment,
        identity: Identity,
        allowed: Callable[[Mapping[Environment, Identity]], object] = lambda known: None,
    ) -> None:
        """Take `identity` as this environment's own, unless `allowed` raises for what is known."""
        with translated(self.file):
            private_files.state(self.file.parent)
            # Two environments may meet their databases for the first time at the same moment.
            with filelock.FileLock(self.file.with_suffix(".lock"), mode=0o600):
                known = self.known()
                allowed(known)
                self._write({**known, environment: identity})

    def _write(self, entries: dict[Environment, Identity]) -> None:
        told = {str(name): _fields(entry) for name, entry in entries.items()}
        private_files.write(self.file, json.dumps(told, indent=1))


def _fields(identity: Identity) -> dict[str, Any]:
    """An entry of the file; without `seen` where nothing was, as earlier versions wrote it."""
    return {name: value for name, value in asdict(identity).items() if value is not None}


def _identity(system_identifier: str, database: str, seen: dict[str, Any] | None = None) -> Identity:
    """The identity of an entry; TypeError or ValueError for what is none."""
    if seen is None:
        return Identity(system_identifier, database)
    fields: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in seen.items()}
    found = Observation(**fields)
    if found.lsn is not None:
        lsn_position(found.lsn)
    return Identity(system_identifier, database, found)
