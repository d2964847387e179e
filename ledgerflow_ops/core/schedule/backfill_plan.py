"""What is to be done about days that have passed: decided before anything is touched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from ledgerflow_ops.core.errors import SettingsError


class DayVerdict(StrEnum):
    """What becomes of a day."""

    KEPT = "kept"
    """It has a backup that counts."""
    PROVE = "prove"
    """Its backup lies in the environment's folder and is not proven."""
    ADOPT = "adopt"
    """A backup of it is brought in from somewhere else."""
    TAKE = "take"
    """It is today: its backup can still be taken."""
    REFUSE = "refuse"
    """There is nothing to have it from."""


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A day, what would be done, why, and for a refusal what to do about it."""

    day: date
    verdict: DayVerdict
    why: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"day": self.day.isoformat(), "do": str(self.verdict), "why": self.why, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class UnavailableSource:
    """Why one way does not lead to a day's backup, and how it would the next time."""

    why: str
    hint: str


def refusal_text(
    environment: str, day: date, today: date, lacks: Iterable[UnavailableSource]
) -> tuple[str, str]:
    """The message and the hint of a day that cannot be had: what is missing, way by way."""
    listed = list(lacks)
    gone = (
        f"There is no backup of {environment} for {day}, and none can be made any more: "
        f"today is {today}, and the database of {day} is gone."
        if day < today
        else f"{day} has not passed: today is {today}."
    )
    whys = [lack.why for lack in listed if lack.why]
    hints = dict.fromkeys(lack.hint for lack in listed if day < today)
    return " ".join([gone, *whys]), " ".join(hints) or "A backup is taken on its own day."


def requested_days(day: str, first: str, last: str, window: Sequence[date]) -> list[date]:
    """The days that DAY=, or FROM= and TO=, ask for: where one is left out, from the window's first day on,
    or up to yesterday (up to today, where that is the first).

    Without any of them it is the whole window. SettingsError for what is no day, for days the wrong way
    round, for days to come, and for days outside of `window` (its days, oldest first): Dagster keeps no
    record of those.
    """
    if day and (first or last):
        raise SettingsError("DAY= and FROM= or TO= are both given.", hint="Give one day, or a span of days.")
    begin = _parse_day("DAY" if day else "FROM", day or first, window[0])
    end = _parse_day("DAY" if day else "TO", day or last, max(begin, window[-2]))
    for edge in (begin, end):
        _require_in_window(edge, window)
    if begin > end:
        raise SettingsError(f"FROM={begin} is after TO={end}.", hint="Write the earlier day into FROM.")
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


def _require_in_window(day: date, window: Sequence[date]) -> None:
    if day > window[-1]:
        raise SettingsError(
            f"{day} has not come yet: today is {window[-1]}.", hint="A backup is taken on its own day."
        )
    if day < window[0]:
        raise SettingsError(
            f"{day} is outside of the retention window, {window[0]} to {window[-1]}.",
            hint="What is older lies where it lies, and make recover looks there; or raise retention_days.",
        )


def _parse_day(name: str, text: str, default: date) -> date:
    if not text:
        return default
    try:
        if len(text) == len("2026-11-23"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise SettingsError(f"{name}={text!r} is not a day.", hint=f"Write it as {name}=2026-11-23.")
