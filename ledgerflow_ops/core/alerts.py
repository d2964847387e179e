"""What is wrong, in a form that can be told: once, to the right people, with the one thing to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledgerflow_ops.core.environments import Environment


class Level(StrEnum):
    """How bad it is. CRITICAL: data could be lost, or a proof is missing; it wakes people in prod."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong now. Environment (None: the machine), kind and subject say which thing.

    `message` is a sentence with the figures: the backup, what was found, what was expected and from which
    days. `hint` is the one command to run. `cause` names what several findings have in common, such as a
    server that is down: they are then one alert. `run_id` is the Dagster run that found it.
    """

    environment: Environment | None
    kind: str
    subject: str
    level: Level
    message: str
    hint: str
    cause: str = ""
    run_id: str = ""
    figures: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings the same thing, found twice."""
        return (self.environment or "machine", self.kind, self.subject)
