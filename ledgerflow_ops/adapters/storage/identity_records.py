"""Records which database each environment is, from its first use on."""

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
class IdentityRecords:
    """The file with the identity of each environment's database."""

    file: Path

    def recorded(self) -> dict[Environment, Identity]:
        """The recorded identities; empty if there is no file. LedgerError if it cannot be read."""
        try:
            entries = regular_files.read_json(self.file)
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
        allowed: Callable[[Mapping[Environment, Identity]], object] = lambda recorded: None,
    ) -> None:
        """Record `identity` for this environment, unless `allowed` raises for the recorded identities."""
        with translated(self.file):
            private_files.make_state_folder(self.file.parent)
            # Two environments may connect to their databases for the first time at the same moment.
            with filelock.FileLock(self.file.with_suffix(".lock"), mode=0o600):
                recorded = self.recorded()
                allowed(recorded)
                self._write({**recorded, environment: identity})

    def _write(self, entries: dict[Environment, Identity]) -> None:
        content = {str(name): _fields(entry) for name, entry in entries.items()}
        private_files.write_private(self.file, json.dumps(content, indent=1))


def _fields(identity: Identity) -> dict[str, Any]:
    """An entry of the file. Without an observation it has no `seen`, as in earlier versions."""
    return {name: value for name, value in asdict(identity).items() if value is not None}


def _identity(system_identifier: str, database: str, seen: dict[str, Any] | None = None) -> Identity:
    """The identity in an entry of the file; TypeError or ValueError if the entry is not valid."""
    if seen is None:
        return Identity(system_identifier, database)
    fields: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in seen.items()}
    observation = Observation(**fields)
    if observation.lsn is not None:
        lsn_position(observation.lsn)
    return Identity(system_identifier, database, observation)
