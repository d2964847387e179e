"""Which backups expire: a plan with all reasons, made before anything is removed.

The window is measured back from the newest proven backup that is not in the future. Where backups or proofs
stall, or the clock is years ahead, the window stands still, and so do the ends of pins. Further backups are
kept: those for weeks, months and years, a minimum number of proven ones, pinned ones, and those in use. Where
the plan would remove far more than a normal night, or the times show a gap (the clock was years off when some
backups were taken), a person must confirm it. Like restic's snapshot policy (`restic forget`), this is a pure
function that says what it keeps and why.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

from ledgerflow_ops.core.catalog.catalog import window_edge
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.retention.nightly_removals import Night, count_nightly_removals, nights_of

Bucket = Callable[[date], tuple[int, ...]]

_SHORTEST_TEAR = timedelta(days=30)
_BUCKETS_APART = {"month": timedelta(days=62), "year": timedelta(days=2 * 366)}
"""How far apart two consecutive backups can be that are each the last of their month or year."""


@dataclass(frozen=True, slots=True)
class BackupCopy:
    """A copy of the backup in another location, and whether it is proven there."""

    location: str
    proven: bool


@dataclass(frozen=True, slots=True)
class RetentionCandidate:
    """A backup as retention sees it. `pinned` and `in_use` are reasons, empty for none. Times are aware.

    `bad`: it was shown to be bad, which is more than not proven. `pinned_until` is None for a pin without an
    end. `local`: its bytes are on this machine.
    """

    name: str
    day: date
    recovery_point: datetime
    proven: bool
    bad: bool = False
    local: bool = True
    pinned: str = ""
    pinned_until: datetime | None = None
    in_use: str = ""
    copies: tuple[BackupCopy, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long backups are kept. `weekly`, `monthly` and `yearly` count periods that have a proven backup.

    A removal of more than `share` of all backups at once has to be confirmed, unless it is what a normal
    night removes, or what missed days have delayed.
    """

    days: int
    minimum: int = 2
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    share: float = 0.34

    @property
    def keepers(self) -> tuple[tuple[int, Bucket, str], ...]:
        """For each period: how many are kept, the period of a day, and its name."""
        return (self.weekly, _week, "week"), (self.monthly, _month, "month"), (self.yearly, _year, "year")

    @property
    def nightly(self) -> int:
        """What a normal night removes at most: one backup that leaves the window, and the one of a week, a
        month and a year that ends.
        """
        return 1 + sum(1 for count, *_ in self.keepers if count)

    @property
    def tear(self) -> timedelta:
        """The longest time between consecutive backups that this policy itself, or a pause, may leave."""
        apart = [_BUCKETS_APART[word] for count, _, word in self.keepers if count and word in _BUCKETS_APART]
        return max(_SHORTEST_TEAR, timedelta(days=2 * self.days), *apart)


@dataclass(frozen=True, slots=True)
class RetentionDecision:
    """Whether one backup expires, and all reasons for that."""

    name: str
    day: date
    expires: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """The decision on each backup, newest first.

    `edge` is the first day of the window, measured back from `since`, the newest proven recovery point. Where
    nothing is proven, `stalled` says so, and nothing expires. `asks` says why a person must confirm first.
    """

    decisions: tuple[RetentionDecision, ...] = ()
    edge: date | None = None
    since: datetime | None = None
    stalled: str = ""
    asks: str = ""

    @property
    def expired(self) -> tuple[RetentionDecision, ...]:
        """The expired backups, the oldest first: if removal stops midway, the newer ones are left."""
        return tuple(decision for decision in reversed(self.decisions) if decision.expires)


@dataclass
class _Reasons:
    found: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, backup: RetentionCandidate, reason: str) -> None:
        self.found.setdefault(backup.name, []).append(reason)


@dataclass(frozen=True, slots=True)
class _Window:
    """The window, back from the newest proven backup.

    Its length is measured in calendar days and in hours; the longer of the two counts.
    """

    since: datetime
    edge: date
    begin: datetime

    def holds(self, backup: RetentionCandidate) -> bool:
        return backup.day >= self.edge or backup.recovery_point >= self.begin


def plan_retention(
    backups: Iterable[RetentionCandidate],
    policy: RetentionPolicy,
    now: datetime,
    today: date,
    past: Iterable[datetime] = (),
) -> RetentionPlan:
    """Which of an environment's backups expire at `now` (aware) on `today` (in its time zone).

    `past` are the recovery points (aware) of backups removed earlier: they show that time has really passed.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.recovery_point, backup.name), reverse=True)
    decided = _decide(newest_first, policy, now, today)
    if decided is None:
        reason = "no backup is proven, so none expires"
        return RetentionPlan(tuple(_kept_decision(backup, reason) for backup in newest_first), stalled=reason)
    window, decisions = decided
    gone = [backup for backup, decision in zip(newest_first, decisions, strict=True) if decision.expires]
    dated = {backup.recovery_point for backup in newest_first if backup.recovery_point <= now}
    points = sorted({*dated, *(point for point in past if point <= now)})
    mass = _mass_removal(newest_first, gone, policy, now) if gone else ""
    gap = _gap_in_time(gone, len(decisions), policy, points) if gone else ""
    return RetentionPlan(decisions, window.edge, window.since, asks="; ".join(filter(None, (mass, gap))))


def _decide(
    newest_first: Sequence[RetentionCandidate], policy: RetentionPolicy, now: datetime, today: date
) -> tuple[_Window, tuple[RetentionDecision, ...]] | None:
    """The window at `now`, and the decision on each backup; None where nothing is proven."""
    dated = [backup for backup in newest_first if backup.recovery_point <= now]
    proven = [backup for backup in dated if backup.proven]
    if not proven:
        return None
    newest = proven[0]
    window = _Window(
        newest.recovery_point,
        window_edge(today, newest.day, policy.days),
        newest.recovery_point - timedelta(days=policy.days),
    )
    reasons = _Reasons()
    _keep_newest(newest_first, dated, proven, reasons)
    _keep_individually(newest_first, window, now, reasons)
    for count, bucket, word in policy.keepers:
        _keep_per_bucket(proven, count, bucket, word, reasons)
    _keep_minimum(dated, proven, policy.minimum, reasons)
    return window, tuple(_decision(backup, reasons, window) for backup in newest_first)


def _keep_newest(
    newest_first: Sequence[RetentionCandidate],
    dated: Sequence[RetentionCandidate],
    proven: Sequence[RetentionCandidate],
    reasons: _Reasons,
) -> None:
    """Keep the newest backup, the newest that is not from the future, and the newest proven one."""
    reasons.keep(newest_first[0], "it is the newest")
    if dated[0] is not newest_first[0]:
        reasons.keep(dated[0], "it is the newest that is not from the future")
    reasons.keep(proven[0], "it is the newest proven one")


def _keep_individually(
    newest_first: Sequence[RetentionCandidate], window: _Window, now: datetime, reasons: _Reasons
) -> None:
    """Keep backups for reasons of their own: in the future, in the window, pinned, in use, the only good
    copy.
    """
    for backup in newest_first:
        if backup.recovery_point > now:
            reasons.keep(
                backup, "its recovery point is in the future: was the clock right when it was taken?"
            )
        elif window.holds(backup):
            reasons.keep(backup, f"it is in the window, which begins on {window.edge}")
        if backup.pinned and (backup.pinned_until is None or window.since < backup.pinned_until):
            until = f" until {backup.pinned_until:%Y-%m-%d %H:%M %Z}" if backup.pinned_until else ""
            reasons.keep(backup, f"it is pinned{until}: {backup.pinned}")
        if backup.in_use:
            reasons.keep(backup, f"it is in use: {backup.in_use}")
        if backup.copies and not backup.bad and not any(copy.proven for copy in backup.copies):
            places = ", ".join(copy.location for copy in backup.copies)
            reasons.keep(backup, f"its only other copy is not proven: {places}")


def _keep_per_bucket(
    proven: Sequence[RetentionCandidate], count: int, bucket: Bucket, word: str, reasons: _Reasons
) -> None:
    """Keep the last proven backup of each of the newest `count` weeks, months or years that have one."""
    seen: dict[tuple[int, ...], RetentionCandidate] = {}
    for backup in proven:
        seen.setdefault(bucket(backup.day), backup)
    for backup in list(seen.values())[:count]:
        reasons.keep(backup, f"it is the last proven one of its {word}")


def _keep_minimum(
    dated: Sequence[RetentionCandidate], proven: Sequence[RetentionCandidate], minimum: int, reasons: _Reasons
) -> None:
    """Keep the newest proven backups up to the minimum, those on this machine before those in the cloud.

    Where there are fewer, unproven ones are kept as well: one of them may be needed.
    """
    for backup in sorted(proven, key=lambda backup: not backup.local)[:minimum]:
        reasons.keep(backup, f"it is among the {minimum} proven ones that are always kept")
    if len(proven) < minimum:
        for backup in dated:
            reasons.keep(backup, f"only {len(proven)} of at least {minimum} are proven")


def _kept_decision(backup: RetentionCandidate, reason: str) -> RetentionDecision:
    return RetentionDecision(backup.name, backup.day, False, (reason,))


def _decision(backup: RetentionCandidate, reasons: _Reasons, window: _Window) -> RetentionDecision:
    kept_for = reasons.found.get(backup.name)
    if kept_for:
        return RetentionDecision(backup.name, backup.day, False, tuple(kept_for))
    gone = f"it is older than the window, which begins on {window.edge}, and nothing else keeps it"
    return RetentionDecision(backup.name, backup.day, True, (gone,))


def _mass_removal(
    newest_first: Sequence[RetentionCandidate],
    gone: Sequence[RetentionCandidate],
    policy: RetentionPolicy,
    now: datetime,
) -> str:
    """Why a person must confirm where far more would be removed than on normal nights; else empty."""
    of, limit = len(newest_first), max(policy.share * len(newest_first), policy.nightly)
    if len(gone) <= limit:
        return ""

    def expired_on(night: Night) -> set[str]:
        known = [backup for backup in newest_first if backup.recovery_point <= night.point]
        decided = _decide(known, policy, night.point, night.day)
        return {decision.name for decision in decided[1] if decision.expires} if decided else set()

    nights = nights_of(
        [(one.day, one.recovery_point) for one in newest_first if one.proven and one.recovery_point <= now]
    )
    if count_nightly_removals(nights, {backup.name for backup in gone}, expired_on) <= limit:
        return ""
    share = f"{len(gone)} of {count_of(of, 'backup')}"
    return f"{share} would be removed at once, more than {policy.share:.0%}"


def _gap_in_time(
    gone: Sequence[RetentionCandidate], of: int, policy: RetentionPolicy, points: Sequence[datetime]
) -> str:
    """Why a person must confirm where the times show a gap after one of them; else empty."""
    oldest = gone[-1].recovery_point
    tears = [
        (older, newer) for older, newer in pairwise(points) if newer - older > policy.tear and oldest <= older
    ]
    if not tears:
        return ""
    older, newer = tears[-1]
    return (
        f"nothing was taken between {older:%Y-%m-%d} and {newer:%Y-%m-%d} ({(newer - older).days} days): "
        f"unless backups really stalled, the clock was wrong, and {len(gone)} of {of} would expire by it"
    )


def _week(day: date) -> tuple[int, ...]:
    return day.isocalendar()[:2]


def _month(day: date) -> tuple[int, ...]:
    return day.year, day.month


def _year(day: date) -> tuple[int, ...]:
    return (day.year,)
