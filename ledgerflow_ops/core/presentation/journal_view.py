"""Journal entries: which ones are selected, and an entry as a table row."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.sizes import format_size

JournalEntry = Mapping[str, Any]

OK, INTERRUPTED = "ok", "interrupted"
_RESULTS = {1: "failed", 2: "refused", 3: "refused", 4: "bad", 5: "unjudged"}
_ABOUT = ("file", "name", "back", "incident", "volume", "command", "message", "channel")
"""The fields that name the subject of an entry: the first one that it has counts."""
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are selected: of an environment, since an instant (aware), of a kind, the last `last`."""

    environment: str = ""
    since: datetime | None = None
    what: str = ""
    last: int | None = None


def result_of(error: BaseException | None) -> str:
    """How an operation ended, in one word: ok, failed, refused, bad, unjudged, interrupted."""
    if error is None:
        return OK
    if isinstance(error, LedgerError):
        return _RESULTS.get(error.exit_code, "failed")
    return "failed" if isinstance(error, Exception) else INTERRUPTED


def parse_since(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant that SINCE= means: a day in `zone`, an instant, or a time ago (30m, 12h, 7d, 2w).

    SettingsError for anything else.
    """
    hint = Hint("Write a day (2026-11-01) or how long ago (12h, 7d, 2w).")
    if match := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"SINCE={text!r} is neither a day nor a length of time.", hint=hint) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def select_entries(entries: Iterable[JournalEntry], wanted: EntryFilter) -> list[JournalEntry]:
    """The selected entries, the oldest first."""
    selected = [entry for entry in entries if _matches(entry, wanted)]
    return selected if wanted.last is None else selected[max(0, len(selected) - wanted.last) :]


def _matches(entry: JournalEntry, wanted: EntryFilter) -> bool:
    if wanted.environment and entry.get("environment") != wanted.environment:
        return False
    if wanted.what and entry.get("what") != wanted.what:
        return False
    return wanted.since is None or written_at(entry) is None or written_at(entry) >= wanted.since  # type: ignore[operator]


def written_at(entry: JournalEntry) -> datetime | None:
    """When the entry was written; None where that cannot be read.

    No filter by age leaves such an entry out.
    """
    try:
        instant = datetime.fromisoformat(str(entry.get("at", "")))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def result_word(entry: JournalEntry) -> str:
    """How the operation ended.

    Entries of operations that cannot fail half-way have no result: they are ok.
    """
    return str(entry.get("result") or entry.get("verdict") or entry.get("outcome") or OK)


def entry_row(entry: JournalEntry, zone: ZoneInfo) -> tuple[str, ...]:
    """The columns of an entry: time in `zone`, environment, operation, result, subject, who, and why."""
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
    """The first eight characters of the run's id, as the web page shows them; empty without a run."""
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
