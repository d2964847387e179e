"""Quiet hours: the time of day in which only alerts that wake people are sent."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one local time of day until another, over midnight where the second is the earlier one.

    Local time decides: the night in which the clock changes is an hour shorter or longer.
    """

    begins: time
    ends: time
    zone: ZoneInfo

    def at(self, now: datetime) -> bool:
        """Whether it is quiet at the instant `now` (aware)."""
        wall = now.astimezone(self.zone).time()
        if self.begins < self.ends:
            return self.begins <= wall < self.ends
        return wall >= self.begins or wall < self.ends
