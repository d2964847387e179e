"""The key-survival drill: what it found, what that means, and whether the next one is overdue."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.alerting.root_cause import KEYS
from ledgerflow_ops.core.catalog.backup_keys import BackupKey, Opening, short_recipient
from ledgerflow_ops.core.catalog.manifest import decode_record, encode_sealed
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable
from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.models import Record, StoredHint

CHECK = "key_survival"
"""The name of the asset check."""
OVERDUE = timedelta(days=15)
"""The drill runs every week: two of them were missed."""
NO_DRILL = "no key-survival drill yet"
_NAMED = 3
_REKEY = Hint(
    make("rekey", ALL=1),
    " encrypts them anew for the present recipients, with an identity that opens them. Or set the escrowed "
    "identity of one of their recipients.",
)
_DAMAGED = Hint(
    make("repair"), " replaces bad copies by good ones; ", make("verify", FILE="latest"), " reads them."
)


class ClosedBackup(Record):
    """A backup that the escrowed identity did not open, and which of its files that was."""

    file: str
    location: str
    opening: Opening
    part: str
    recipients: tuple[str, ...] = ()


class RestoredBackup(Record):
    """The backup that was restored: `rung` is what that has proven. `bad` and `trouble` say why not."""

    file: str
    reason: str
    rung: str = ""
    bad: str = ""
    trouble: str = ""
    hint: StoredHint = NO_HINT


class KeyDrill(Record):
    """What the last drill of an environment found. Times are aware; `at` is None before the first.

    `since` is when an escrowed identity was first seen in the settings. `opened` of `encrypted` backups were
    opened, copies in archive locations included; `closed` are the others. `trouble` says why nothing was
    opened. `restores` has the time of each retained backup's last restore by a drill. `notes` name locations
    that were not reached.
    """

    version: Literal[1] = 1
    since: datetime
    at: datetime | None = None
    encrypted: int = 0
    opened: int = 0
    closed: tuple[ClosedBackup, ...] = ()
    trouble: str = ""
    hint: StoredHint = NO_HINT
    restored: RestoredBackup | None = None
    restores: Mapping[str, datetime] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return encode_sealed(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "KeyDrill":
        """The record in `data`; BadBackup (exit 4) when it was edited or cut."""
        hint = Hint("Remove it; then ", make("keys", DRILL=1))
        return decode_record(data, file, cls.model_validate, "a key-survival drill", hint)

    @property
    def last(self) -> datetime:
        """When it ran last; before the first, since when it is awaited."""
        return self.at or self.since

    @property
    def exit_code(self) -> int:
        """0 if all opened and the restored backup is equal; 4 if one is bad, else 5."""
        bad = self.restored is not None and bool(self.restored.bad)
        if bad or any(item.opening is Opening.DAMAGED for item in self.closed):
            return BadBackup.exit_code
        return 0 if self.check().passed else KeyUnavailable.exit_code

    def check(self, present: Collection[str] | None = None) -> Check:
        """The verdict. With `present`, the names of the dumps that are still there, others do not count."""
        closed = [item for item in self.closed if present is None or item.file in present]
        unread = [item for item in closed if item.opening is Opening.UNREAD]
        restored = self.restored
        if restored and present is not None and restored.file not in present:
            restored = None
        if self.trouble:
            return warned(CHECK, KEYS, f"Nothing was opened: {self.trouble}", self.hint)
        if len(closed) > len(unread):
            return self._closed([item for item in closed if item not in unread])
        if restored and restored.bad:
            text = f"{restored.file} was opened with the escrowed identity, and is bad: {restored.bad}"
            return failed(CHECK, KEYS, text, restored.hint)
        if unread:
            text = (
                f"{_listed(unread)} could not be read: whether the escrowed identity opens it is not known."
            )
            return warned(CHECK, KEYS, text, Hint(make("doctor"), "; then ", make("keys", DRILL=1)))
        if restored and restored.trouble:
            text = f"{restored.file} could not be restored with the escrowed identity: {restored.trouble}"
            return warned(CHECK, KEYS, text, restored.hint)
        return passed(CHECK, self._good(restored))

    def _closed(self, closed: list[ClosedBackup]) -> Check:
        damaged = [item for item in closed if item.opening is Opening.DAMAGED]
        others = [item for item in closed if item.opening is not Opening.DAMAGED]
        texts = []
        if others:
            keys = dict.fromkeys(short_recipient(key) for item in others for key in item.recipients)
            listed = f" Their recipients: {', '.join(keys)}." if keys else ""
            texts.append(f"The escrowed identity does not open {_listed(others)}.{listed}")
        if damaged:
            texts.append(f"The header of {_listed(damaged)} is damaged.")
        return failed(CHECK, KEYS, " ".join(texts), _REKEY if others else _DAMAGED)

    def _good(self, restored: RestoredBackup | None) -> str:
        if not self.encrypted:
            return "There is no encrypted backup."
        every = "all " if self.opened > 1 else ""
        text = f"The escrowed identity opens {every}{count_of(self.opened, 'encrypted backup')}"
        if restored:
            text += f"; {restored.file} was restored with it alone, and is {restored.rung}"
        return ". ".join([text, *self.notes]) + "."

    def findings(self, environment: Environment, present: Collection[str], now: datetime) -> list[Finding]:
        """What to alert of: a drill that failed and still does for what is there, and one that is overdue."""
        found = []
        check = self.check(present)
        if self.at and not check.passed:
            level = Level.CRITICAL if check.fatal else Level.WARNING
            text = f"The key-survival drill of {environment} failed. {check.message}"
            found.append(Finding(environment, KEYS, "drill", level, text, check.hint.within(environment)))
        if self.overdue(now):
            hint = Hint(make("keys", environment, DRILL=1), "; ", make("up"), " starts the schedules.")
            text = f"{environment}: {self._late(now)} It is due every week."
            found.append(Finding(environment, KEYS, "overdue", Level.WARNING, text, hint))
        return found

    def overdue(self, now: datetime) -> bool:
        return now - self.last > OVERDUE

    def is_good(self, now: datetime, present: Collection[str]) -> bool:
        """Whether it has run, is not overdue, and found nothing wrong with what is there."""
        return self.at is not None and not self.overdue(now) and self.check(present).passed

    def _late(self, now: datetime) -> str:
        if self.at is None:
            return "no key-survival drill has run."
        return f"the last key-survival drill was {format_duration(now - self.at)} ago."

    def sentence(self, now: datetime, present: Collection[str]) -> str:
        """When it ran last and what it found, for the status."""
        if self.at is None:
            return NO_DRILL
        age = f"key-survival drill {format_duration(now - self.at)} ago"
        late = ", OVERDUE" if self.overdue(now) else ""
        failed = "" if self.check(present).passed else "FAILED, "
        return f"{age}{late}: {failed}opened {self.opened} of {self.encrypted}"

    def as_json(self) -> dict[str, Any]:
        """The record for JSON output, with its verdict."""
        check = self.check()
        fields = self.model_dump(mode="json", exclude={"version", "restores"})
        return {**fields, "passed": check.passed, "message": check.message, "exit_code": self.exit_code}


def closed_backup(item: BackupKey) -> ClosedBackup:
    """The record of a backup that did not open."""
    return ClosedBackup(
        file=item.file,
        location=item.location,
        opening=item.opening,
        part=item.part,
        recipients=item.recipients,
    )


def _listed(closed: list[ClosedBackup]) -> str:
    named = [
        item.file
        + (f" (its file {item.part})" if item.part not in ("", item.file) else "")
        + f" in {item.location}"
        for item in closed[:_NAMED]
    ]
    more = len(closed) - len(named)
    return "; ".join(named) + (f" and {more} more" if more else "")
