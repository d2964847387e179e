"""Findings (what is wrong now) and alerts (what was reported of it to whom)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache

from pydantic import TypeAdapter, ValidationError

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import escaped
from ledgerflow_ops.core.models import StoredHint


class Level(StrEnum):
    """How severe a finding is.

    CRITICAL: data could be lost, or a proof is missing. In prod it wakes people.
    """

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem that exists now. Environment (None: the machine), kind and subject identify it.

    `message` is a sentence with the figures: the backup, what was found, what was expected and from which
    days. `hint` is the one thing to do. `cause` names what several findings have in common, such as a
    server that is down: they are then one alert (`root_cause` has further causes, from the other fields).
    `run_id` is the Dagster run that found the problem. `part` is the part of an examination that found it:
    only that part can find that it is gone. `concerns` are the environments that its cause affects as well.
    """

    environment: Environment | None
    kind: str
    subject: str
    level: Level
    message: str
    hint: StoredHint
    cause: str = ""
    run_id: str = ""
    figures: Mapping[str, str | float] = field(default_factory=dict)
    part: str = ""
    concerns: tuple[Environment, ...] = ()

    def __post_init__(self) -> None:
        """Name the environment in the hint's commands, and escape surrogates (\\udcff): a file's name may
        hold bytes that are not text, and no channel takes them.
        """
        for name in ("subject", "message", "cause"):
            object.__setattr__(self, name, escaped(getattr(self, name)))
        object.__setattr__(self, "hint", self.hint.within(self.environment).escaped())
        # A whole number counts as a float for the type checker, but not for the serializer of incidents.
        numbers = {name: float(value) for name, value in self.figures.items() if isinstance(value, int)}
        object.__setattr__(self, "figures", {**self.figures, **numbers})

    @property
    def key(self) -> tuple[str, str, str]:
        """Two findings with the same key are the same problem."""
        return (self.environment or "machine", self.kind, self.subject)

    @property
    def environments(self) -> tuple[Environment, ...]:
        """The environments that it is about; none where it is about the machine."""
        own = (self.environment,) if self.environment else ()
        return tuple(dict.fromkeys((*own, *self.concerns)))

    @property
    def wakes(self) -> bool:
        """Whether it is sent in quiet hours too: critical, and about prod or the machine."""
        affects = not self.environment or Environment.PROD in self.environments
        return self.level is Level.CRITICAL and affects

    @property
    def weight(self) -> int:
        """Its severity as a number: 0 for a warning, 1 for critical, 2 for critical and waking."""
        return (self.level is Level.CRITICAL) + self.wakes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A channel took the alert at `at` (aware), when its finding had this weight."""

    at: datetime
    weight: int


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding of a source, since when it exists, and which channels know of it.

    `told` holds the channels that took it; `missed` those whose last attempt failed, and when. `gone` is when
    the source stopped reporting it, `ended` holds the channels that took the recovery message, `closed` is
    when all of them had. `returns` counts how often the problem came back after that. Times are aware.
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
        """The source and the finding's key: two sources may report the same problem."""
        return (self.source, *self.finding.key)

    @property
    def is_open(self) -> bool:
        """Whether its source still reports it."""
        return self.gone is None and self.closed is None

    @property
    def undelivered(self) -> bool:
        """Whether a channel that should have taken it failed."""
        return bool(self.missed)

    def known_to(self, channel: str) -> Delivery | None:
        """The channel's delivery; None where it has none, or took the recovery message as well."""
        return self.told.get(channel) if channel not in self.ended else None


@dataclass(frozen=True, slots=True)
class AlertState:
    """All open alerts, and those that were closed recently. Stored as JSON: no field changes its name."""

    alerts: tuple[Alert, ...] = ()

    def said_by(self, source: str) -> list[Finding]:
        """The open findings of a source."""
        return [alert.finding for alert in self.alerts if alert.source == source and alert.is_open]

    def encode(self) -> bytes:
        """The state as JSON, as it is stored."""
        return _form().dump_json(self, indent=1)

    @classmethod
    def decode(cls, data: bytes) -> "AlertState":
        """The stored state; ValueError when it cannot be read."""
        try:
            return _form().validate_json(data)
        except ValidationError as error:
            raise ValueError(f"{error.error_count()} fields cannot be read") from None


@cache
def _form() -> TypeAdapter[AlertState]:
    return TypeAdapter(AlertState)
