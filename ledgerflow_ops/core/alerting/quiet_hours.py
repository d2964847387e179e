"""The hours in which people sleep."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one local time of day until another, over midnight where the second is the earlier one.

    The clock on the wall decides: where it is put forward or back, the night is an hour shorter or longer.
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
