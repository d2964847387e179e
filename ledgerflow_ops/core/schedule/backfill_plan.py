"""The plan of a backfill: what is done about each past day, decided before anything is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import NO_HINT, Hint, joined, make


class DayVerdict(StrEnum):
    """What a backfill does about a day."""

    KEPT = "kept"
    """It has a proven backup."""
    PROVE = "prove"
    """Its backup is in the environment's folder and has to be proven."""
    ADOPT = "adopt"
    """A backup of it is adopted from another place."""
    TAKE = "take"
    """The day is today: its backup can still be taken."""
    REFUSE = "refuse"
    """There is no source for its backup."""


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A day, what would be done and why, and a hint where it is refused."""

    day: date
    verdict: DayVerdict
    why: str
    hint: Hint = NO_HINT

    def as_json(self) -> dict[str, Any]:
        return {"day": self.day.isoformat(), "do": str(self.verdict), "why": self.why, "hint": str(self.hint)}


@dataclass(frozen=True, slots=True)
class UnavailableSource:
    """Why one source has no backup of a day, and how it would have one the next time."""

    why: str
    hint: Hint


def refusal_text(
    environment: str, day: date, today: date, lacks: Iterable[UnavailableSource]
) -> tuple[str, Hint]:
    """The message and the hint for a day whose backup cannot be had: what each source lacks."""
    listed = list(lacks)
    gone = (
        f"There is no backup of {environment} for {day}, and none can be made any more: "
        f"today is {today}, and the database of {day} is gone."
        if day < today
        else f"{day} has not passed: today is {today}."
    )
    whys = [lack.why for lack in listed if lack.why]
    hint = joined(lack.hint for lack in listed if day < today)
    return " ".join([gone, *whys]), hint.within(environment) or Hint("A backup is taken on its own day.")


def without_days_never_due(
    environment: str, plans: Sequence[DayPlan], first: date | None, today: date
) -> tuple[list[DayPlan], str]:
    """The plans without the refused days before any backup was due, and a sentence about those left out.

    `first` is the day of the earliest known backup, or attempt at one; None before that. A day for which some
    place has a backup counts as well: a new machine has copies of days before its own first backup.
    """
    available = [plan.day for plan in plans if plan.verdict is not DayVerdict.REFUSE]
    begin = min([first or today, *available])
    kept = [plan for plan in plans if plan.day >= begin]
    if len(kept) == len(plans):
        return kept, ""
    begun = f"the first one known is of {begin}" if first or available else "none was taken yet"
    return kept, f"No backup of {environment} was due before {begin}: {begun}. Nothing was missed before."


def requested_days(day: str, first: str, last: str, window: Sequence[date]) -> list[date]:
    """The days that DAY=, or FROM= and TO=, select.

    FROM= defaults to the window's first day, TO= to yesterday (to today, where FROM= is today). Without any
    of them it is the whole window. `window` holds its days, oldest first. SettingsError for text that is no
    day, for FROM= after TO=, for future days, and for days outside of the window: Dagster has no partition
    for those.
    """
    if day and (first or last):
        raise SettingsError(
            "DAY= and FROM= or TO= are both given.", hint=Hint("Give one day, or a span of days.")
        )
    begin = _parse_day("DAY" if day else "FROM", day or first, window[0])
    end = _parse_day("DAY" if day else "TO", day or last, max(begin, window[-2]))
    for edge in (begin, end):
        _require_in_window(edge, window)
    if begin > end:
        raise SettingsError(f"FROM={begin} is after TO={end}.", hint=Hint("Write the earlier day into FROM."))
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


def _require_in_window(day: date, window: Sequence[date]) -> None:
    if day > window[-1]:
        raise SettingsError(
            f"{day} has not come yet: today is {window[-1]}.", hint=Hint("A backup is taken on its own day.")
        )
    if day < window[0]:
        raise SettingsError(
            f"{day} is outside the retention window, {window[0]} to {window[-1]}.",
            hint=Hint(make("recover"), " also searches for older backups; or raise retention_days."),
        )


def _parse_day(name: str, text: str, default: date) -> date:
    if not text:
        return default
    try:
        if len(text) == len("2026-11-23"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise SettingsError(f"{name}={text!r} is not a day.", hint=Hint(f"Write it as {name}=2026-11-23."))
