"""Remembers which database each environment is, from its first use on."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.oserrors import translated
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.identity import Identity


@dataclass(frozen=True, slots=True)
class Identities:
    """The file that remembers them."""

    file: Path

    def known(self) -> dict[Environment, Identity]:
        """Every environment's identity that has been seen so far."""
        try:
            entries = json.loads(self.file.read_text())
            return {Environment(name): Identity(**entry) for name, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise LedgerError(
                f"{self.file} cannot be read: {error}.",
                hint="It says which database each environment is. Restore it, or remove it and run "
                "make identity ACCEPT=1 for each environment.",
            ) from None

    def remember(self, environment: Environment, identity: Identity) -> None:
        """Take `identity` as this environment's own from now on."""
        with translated(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Two environments may meet their databases for the first time at the same moment.
            with filelock.FileLock(self.file.with_suffix(".lock"), mode=0o600):
                self._write({**self.known(), environment: identity})

    def _write(self, entries: dict[Environment, Identity]) -> None:
        unfinished = self.file.with_suffix(f".{os.getpid()}.partial")
        unfinished.write_text(
            json.dumps({str(name): asdict(entry) for name, entry in entries.items()}, indent=1)
        )
        unfinished.replace(self.file)
