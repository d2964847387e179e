"""What rotation promises, checked by somebody who knows only the promises.

Written from what is asked of retention, on plain facts: nothing here is shared with the code that decides.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Backup:
    """A backup, as anybody can see it in its folder."""

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
    """What was agreed on."""

    days: int
    minimum: int
    weeks: int = 0
    months: int = 0
    years: int = 0
    share: float = 0.34


@dataclass
class Moment:
    """One rotation: what there was, the clock as it went, what is gone afterwards."""

    before: Collection[Backup]
    gone: Collection[str]
    now: datetime
    today: date
    rules: Rules
    confirmed: bool = False
    asked: bool = False
    earlier: Collection[datetime] = field(default_factory=tuple)
    """When those were taken that rotations before this one have removed."""


def protected(moment: Moment) -> dict[str, set[str]]:
    """Why each backup must stay, by name: every promise that speaks for it."""
    rules, now, why = moment.rules, moment.now, {one.name: set[str]() for one in moment.before}
    real = sorted((one for one in moment.before if one.taken <= now), key=_age)
    proven = [one for one in real if one.proven]
    everything = sorted(moment.before, key=_age)

    def stays(reason: str, these: Iterable[Backup]) -> None:
        for one in these:
            why[one.name].add(reason)

    stays("newest", everything[-1:] + real[-1:])
    stays("newest proven", [one for one in everything if one.proven][-1:] + proven[-1:])
    stays("not of this time", [one for one in everything if one.taken > now])
    stays("in use", [one for one in everything if one.busy])
    copied = [one for one in everything if one.copies_proven and not one.bad]
    stays("only other copy not proven", [one for one in copied if not any(one.copies_proven)])
    if not proven:
        stays("nothing proven", everything)
        return why
    until = proven[-1]
    first = min(until.day, moment.today) - rules.days * DAY
    stays("window", [one for one in everything if one.day >= first])
    stays("window", [one for one in everything if until.taken - one.taken <= rules.days * DAY])
    stays(
        "pin",
        [one for one in everything if one.pinned and (one.pin_ends is None or one.pin_ends > until.taken)],
    )
    here_last = [one for one in proven if not one.local] + [one for one in proven if one.local]
    stays("minimum", here_last[-rules.minimum :])
    if len(proven) < rules.minimum:
        stays("too few proven", everything)
    for count, form in ((rules.weeks, "%G-%V"), (rules.months, "%Y-%m"), (rules.years, "%Y")):
        last_of = {one.day.strftime(form): one for one in proven}  # a later one takes an earlier one's place
        newest = sorted(last_of.values(), key=_age)[-count:] if count else []
        stays("keeper", newest)
    return why


def check(moment: Moment) -> None:
    """AssertionError, naming the promise, when one was broken; or when what should have gone is there."""
    why, gone = protected(moment), set(moment.gone)
    assert gone <= set(why), f"gone, and never known: {gone - set(why)}"
    broken = {name: why[name] for name in gone if why[name]}
    assert not broken, f"removed, though promised to stay: {broken}"
    free = {name for name, reasons in why.items() if not reasons}
    too_many = len(free) > moment.rules.share * len(why)
    suspicious = too_many or _torn(moment, free)
    if not moment.confirmed:
        assert not (gone and too_many), f"{len(gone)} of {len(why)} removed, and nobody was asked"
        assert not (gone and _torn(moment, free)), "removed by a clock that nobody has confirmed"
        assert moment.asked == bool(free and suspicious), "asked for nothing, or not asked"
    if not moment.asked or moment.confirmed:
        assert gone == free, f"should have gone: {free - gone}"


def _torn(moment: Moment, free: Collection[str]) -> bool:
    """Whether time has a hole above a backup that would go, longer than any pause the rules make."""
    rules = moment.rules
    longest = max(30, 2 * rules.days, 62 if rules.months else 0, 732 if rules.years else 0) * DAY
    points = sorted({one.taken for one in moment.before} | set(moment.earlier))
    points = [point for point in points if point <= moment.now]
    going = [one.taken for one in moment.before if one.name in free]
    if not going:
        return False
    above = [point for point in points if point >= min(going)]
    return any(later - sooner > longest for sooner, later in pairwise(above))


def _age(one: Backup) -> tuple[datetime, str]:
    return one.taken, one.name
