"""What the journal says: which entries are asked for, and an entry as a person reads it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.sizes import format_size

JournalEntry = Mapping[str, Any]

OK, INTERRUPTED = "ok", "interrupted"
_RESULTS = {1: "failed", 2: "refused", 3: "refused", 4: "bad", 5: "unjudged"}
_ABOUT = ("file", "name", "back", "incident", "volume", "command", "message", "channel")
"""What an entry is about: the first of these that it has."""
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are wanted: of an environment, since an instant, of a kind, the last so many."""

    environment: str = ""
    since: datetime | None = None
    what: str = ""
    last: int | None = None


def result_of(error: BaseException | None) -> str:
    """The word for how an operation ended: ok, failed, refused, bad, unjudged, interrupted."""
    if error is None:
        return OK
    if isinstance(error, LedgerError):
        return _RESULTS.get(error.exit_code, "failed")
    return "failed" if isinstance(error, Exception) else INTERRUPTED


def parse_since(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant that SINCE= means: a day in `zone`, an instant, or so long ago (30m, 12h, 7d, 2w).

    SettingsError for anything else.
    """
    hint = "Write a day (2026-11-01) or how long ago (12h, 7d, 2w)."
    if match := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"SINCE={text!r} is no day and no length of time.", hint=hint) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def select_entries(entries: Iterable[JournalEntry], asked: EntryFilter) -> list[JournalEntry]:
    """The entries that are asked for, the oldest first."""
    selected = [entry for entry in entries if _matches(entry, asked)]
    return selected if asked.last is None else selected[max(0, len(selected) - asked.last) :]


def _matches(entry: JournalEntry, asked: EntryFilter) -> bool:
    if asked.environment and entry.get("environment") != asked.environment:
        return False
    if asked.what and entry.get("what") != asked.what:
        return False
    return asked.since is None or written_at(entry) is None or written_at(entry) >= asked.since  # type: ignore[operator]


def written_at(entry: JournalEntry) -> datetime | None:
    """When it was written; None where that cannot be read: such an entry is never left out for its age."""
    try:
        instant = datetime.fromisoformat(str(entry.get("at", "")))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def result_word(entry: JournalEntry) -> str:
    """How it ended; entries of what cannot fail half-way have no word for it, and took place."""
    return str(entry.get("result") or entry.get("verdict") or entry.get("outcome") or OK)


def entry_row(entry: JournalEntry, zone: ZoneInfo) -> tuple[str, ...]:
    """When, where, what, how it ended, what it was about, who, and why, as people read them."""
    at = written_at(entry)
    who = " ".join(filter(None, (str(entry.get("who") or "?"), _run_note(entry))))
    return (
        f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at else "?",
        str(entry.get("environment") or "-"),
        str(entry.get("what") or "?"),
        result_word(entry),
        _subject(entry),
        who,
        str(entry.get("why") or entry.get("reason") or ""),
    )


def _run_note(entry: JournalEntry) -> str:
    """The run that did it, by the beginning of its id, as the web page shows it."""
    run = str(entry.get("run_id") or "")
    return f"({run[:8]})" if run else ""


def _subject(entry: JournalEntry) -> str:
    parts = [str(next((entry[name] for name in _ABOUT if entry.get(name)), ""))]
    if entry.get("rung") and result_word(entry) == OK:
        parts.append(str(entry["rung"]))
    if isinstance(entry.get("size"), int):
        parts.append(format_size(entry["size"]))
    if isinstance(entry.get("removed"), list):
        parts.append(f"{len(entry['removed'])} removed")
    if isinstance(entry.get("seconds"), int | float):
        parts.append(f"{entry['seconds']:.1f} s")
    if error := entry.get("error"):
        parts.append(str(error).strip().splitlines()[0])
    return ", ".join(filter(None, parts))
