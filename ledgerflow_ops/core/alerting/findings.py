"""What is wrong, in a form that can be told: once, to the right people, with the one thing to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

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
    server that is down: they are then one alert (a server that libpq cannot reach is read off the message
    where nothing is said). `run_id` is the Dagster run that found it.
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

    def __post_init__(self) -> None:
        """A file's name may have bytes that are no text, which no channel and no record takes: as \\udcff."""
        for name in ("subject", "message", "hint", "cause"):
            text = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, name, text)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings the same thing, found twice."""
        return (self.environment or "machine", self.kind, self.subject)

    @property
    def wakes(self) -> bool:
        """Whether it may not wait for the morning: critical, and of prod or of the machine prod lives on."""
        return self.level is Level.CRITICAL and self.environment in (Environment.PROD, None)

    @property
    def weight(self) -> int:
        """How loudly it is told: 0 a warning, 1 critical, 2 critical and it wakes."""
        return (self.level is Level.CRITICAL) + self.wakes


@dataclass(frozen=True, slots=True)
class Delivery:
    """That a channel took the alert, when, and with which weight."""

    at: datetime
    weight: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An incident: what `source` said last of it, since when, and who knows.

    `told` are the channels that took it, `missed` those that failed when they were tried last, and when.
    `gone` is since when the source no longer says it, `ended` are the channels that were told so, `closed`
    is when all of them had been. `returns` counts how often it came back after that.
    """

    source: str
    finding: Finding
    since: datetime
    told: Mapping[str, Delivery] = field(default_factory=dict)
    missed: Mapping[str, datetime] = field(default_factory=dict)
    gone: datetime | None = None
    ended: tuple[str, ...] = ()
    closed: datetime | None = None
    returns: int = 0

    @property
    def id(self) -> tuple[str, ...]:
        """What makes it this alert: the same thing may be said by two sources."""
        return (self.source, *self.finding.key)

    @property
    def incident(self) -> tuple[str, ...]:
        """What it is told together with: everything of its cause, whoever says it; else itself alone."""
        return ("cause", self.finding.cause) if self.finding.cause else self.id

    @property
    def is_open(self) -> bool:
        """Whether its source still says it."""
        return self.gone is None and self.closed is None

    @property
    def undelivered(self) -> bool:
        """Whether a channel that should have it could not be reached."""
        return bool(self.missed)

    def known_to(self, channel: str) -> Delivery | None:
        """When and how the channel was told, unless it has been told the end as well."""
        return self.told.get(channel) if channel not in self.ended else None


@dataclass(frozen=True, slots=True)
class AlertState:
    """Everything that is open, and what was closed of late."""

    alerts: tuple[Alert, ...] = ()

    def said_by(self, source: str) -> list[Finding]:
        """What the source last said."""
        return [alert.finding for alert in self.alerts if alert.source == source and alert.is_open]

    def encode(self) -> bytes:
        """As it is kept on the disk."""
        return _FORM.dump_json(self, indent=1)

    @classmethod
    def decode(cls, data: bytes) -> "AlertState":
        """What was kept; ValueError when it cannot be read."""
        try:
            return _FORM.validate_json(data)
        except ValidationError as error:
            raise ValueError(f"{error.error_count()} places of it cannot be read") from None


_FORM = TypeAdapter(AlertState)
