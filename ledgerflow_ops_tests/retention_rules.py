"""The documented rules of retention, as an independent check of what a rotation has removed.

Written from the documentation, on simple records. It shares no code with `core.retention`.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Backup:
    """The facts about a backup that the rules refer to."""

    name: str
    day: date
    taken: datetime
    proven: bool
    bad: bool = False
    local: bool = True
    pinned: bool = False
    pin_ends: datetime | None = None
    busy: bool = False
    copies_proven: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Rules:
    """The settings of retention: days, counts and a share."""

    days: int
    minimum: int
    weeks: int = 0
    months: int = 0
    years: int = 0
    share: float = 0.34


@dataclass
class Rotation:
    """One rotation: the backups before, the time, and the names that are gone afterwards."""

    before: Collection[Backup]
    gone: Collection[str]
    now: datetime
    today: date
    rules: Rules
    confirmed: bool = False
    asked: bool = False
    earlier: Collection[datetime] = field(default_factory=tuple)
    """When the backups were taken that earlier rotations have removed."""


def reasons_to_keep(moment: Rotation) -> dict[str, set[str]]:
    """Name of each backup → the rules by which it must be kept."""
    rules, now, why = moment.rules, moment.now, {backup.name: set[str]() for backup in moment.before}
    real = sorted((backup for backup in moment.before if backup.taken <= now), key=_age)
    proven = [backup for backup in real if backup.proven]
    everything = sorted(moment.before, key=_age)

    def stays(reason: str, these: Iterable[Backup]) -> None:
        for backup in these:
            why[backup.name].add(reason)

    stays("newest", everything[-1:] + real[-1:])
    stays("newest proven", [backup for backup in everything if backup.proven][-1:] + proven[-1:])
    stays("not of this time", [backup for backup in everything if backup.taken > now])
    stays("in use", [backup for backup in everything if backup.busy])
    copied = [backup for backup in everything if backup.copies_proven and not backup.bad]
    stays("only other copy not proven", [backup for backup in copied if not any(backup.copies_proven)])
    if not proven:
        stays("nothing proven", everything)
        return why
    until = proven[-1]
    first = min(until.day, moment.today) - rules.days * DAY
    stays("window", [backup for backup in everything if backup.day >= first])
    stays("window", [backup for backup in everything if until.taken - backup.taken <= rules.days * DAY])
    stays(
        "pin",
        [
            backup
            for backup in everything
            if backup.pinned and (backup.pin_ends is None or backup.pin_ends > until.taken)
        ],
    )
    here_last = [backup for backup in proven if not backup.local] + [
        backup for backup in proven if backup.local
    ]
    stays("minimum", here_last[-rules.minimum :])
    if len(proven) < rules.minimum:
        stays("too few proven", everything)
    for count, form in ((rules.weeks, "%G-%V"), (rules.months, "%Y-%m"), (rules.years, "%Y")):
        last_of = {
            backup.day.strftime(form): backup for backup in proven
        }  # a later one takes an earlier one's place
        newest = sorted(last_of.values(), key=_age)[-count:] if count else []
        stays("keeper", newest)
    return why


def check_rotation(moment: Rotation) -> None:
    """AssertionError that names the broken rule, or the backups that should have been removed."""
    why, gone = reasons_to_keep(moment), set(moment.gone)
    assert gone <= set(why), f"removed, but unknown before: {gone - set(why)}"
    broken = {name: why[name] for name in gone if why[name]}
    assert not broken, f"removed, but must be kept: {broken}"
    free = {name for name, reasons in why.items() if not reasons}
    too_many = _worth_in_nights(moment, free) > max(
        moment.rules.share * len(why), _normal_night(moment.rules)
    )
    suspicious = too_many or _has_gap(moment, free)
    if not moment.confirmed:
        assert not (gone and too_many), f"{len(gone)} of {len(why)} removed without confirmation"
        assert not (gone and _has_gap(moment, free)), (
            "removed after a jump of the clock, without confirmation"
        )
        assert moment.asked == bool(free and suspicious), "asked without a reason, or did not ask"
    if not moment.asked or moment.confirmed:
        assert gone == free, f"not removed: {free - gone}"


def _normal_night(rules: Rules) -> int:
    """The most that a night removes: one for its day, and one for each kind of period that is kept."""
    return 1 + (rules.weeks > 0) + (rules.months > 0) + (rules.years > 0)


def _worth_in_nights(moment: Rotation, free: Collection[str]) -> int:
    """What is removed, night by night: what a night after missed days removes is divided by the days."""
    proven = [backup for backup in moment.before if backup.proven and backup.taken <= moment.now]
    worth, earlier, last = 0, set[str](), None
    for day in sorted({backup.day for backup in proven}):
        end = max(backup.taken for backup in proven if backup.day == day)
        there = [backup for backup in moment.before if backup.taken <= end]
        then = {
            name
            for name, why in reasons_to_keep(replace(moment, before=there, now=end, today=day)).items()
            if not why
        }
        then &= set(free)
        worth += math.ceil(len(then - earlier) / ((day - last).days if last else 1))
        earlier, last = then, day
    return worth


def _has_gap(moment: Rotation, free: Collection[str]) -> bool:
    """Whether there is a gap in time after a backup to be removed, longer than the rules can produce."""
    rules = moment.rules
    longest = max(30, 2 * rules.days, 62 if rules.months else 0, 732 if rules.years else 0) * DAY
    points = sorted({backup.taken for backup in moment.before} | set(moment.earlier))
    points = [point for point in points if point <= moment.now]
    going = [backup.taken for backup in moment.before if backup.name in free]
    if not going:
        return False
    above = [point for point in points if point >= min(going)]
    return any(later - sooner > longest for sooner, later in pairwise(above))


def _age(backup: Backup) -> tuple[datetime, str]:
    return backup.taken, backup.name
