"""How a run started at a terminal ended; the commands report it and exit with its code."""

from dataclasses import dataclass

from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.hints import Hint


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, as the operation recorded it. `exit_code` is the command's."""

    message: str
    hint: Hint
    exit_code: int


INTERRUPTION = Failure("Interrupted.", Hint("Nothing incomplete was kept. Run it again."), 1)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run: its id, its checks, and why it failed if it did."""

    run_id: str
    checks: tuple[Check, ...]
    failure: Failure | None

    @property
    def exit_code(self) -> int:
        """0, or the failure's."""
        return self.failure.exit_code if self.failure else 0
