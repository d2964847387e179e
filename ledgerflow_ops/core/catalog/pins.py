"""A pin: it keeps a backup whatever a rotation would decide."""

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.catalog.manifest import decode_record, encode_sealed
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.models import Record

_LONGEST_DAYS = 36_500


class Pin(Record):
    """Who keeps a backup, since when, why, and until when (None: until the pin is removed)."""

    file: str
    reason: str
    who: str
    since: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it still keeps the backup at `now`."""
        return self.until is None or now < self.until

    def encode(self) -> bytes:
        fields: dict[str, Any] = self.model_dump(mode="json")
        return encode_sealed(fields)

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Pin":
        """The pin in `data`; BadBackup (exit 4) when it was edited or truncated."""
        hint = Hint("Set it again, or remove the file if the backup need not stay.")
        return decode_record(data, file, cls.model_validate, "a pin that this version can read", hint)


def parse_until(until: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The end (aware) of a pin that holds until a day (2027-01-31, that day included) or for some days (90d).

    None for an empty text: no end. SettingsError (exit 2) for any other text, and for a day in the past.
    """
    if not until:
        return None
    hint = Hint(
        "Leave UNTIL out for a pin without an end, or write a day or days: UNTIL=2027-01-31 or UNTIL=90d"
    )
    if match := re.fullmatch(r"([0-9]{1,6})d", until):
        days = int(match[1])
        if not 1 <= days <= _LONGEST_DAYS:
            raise SettingsError(f"UNTIL={until!r} is not between 1d and {_LONGEST_DAYS}d.", hint=hint)
        return now + timedelta(days=days)
    try:
        day = date.fromisoformat(until) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", until) else None
    except ValueError:
        day = None
    if day is None:
        raise SettingsError(f"UNTIL={until!r} is neither a day nor a number of days.", hint=hint)
    end = datetime.combine(min(day, date.max - timedelta(days=2)) + timedelta(days=1), time(), zone)
    if end <= now:
        raise SettingsError(
            f"UNTIL={until} is in the past: it is {now.astimezone(zone):%Y-%m-%d}.", hint=hint
        )
    return end.astimezone(now.tzinfo)
