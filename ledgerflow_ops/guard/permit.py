"""Whether a judged call may run: for whom, with which backup, on whose word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.guard.effects import Judgement, Touch
from ledgerflow_ops.guard.inside.effects import Effect

ENVIRONMENTS = ("dev", "test", "prod")


class Wanted(StrEnum):
    """What would make a refused call permissible, if anything would."""

    NOTHING = ""
    ENVIRONMENT = "environment"
    BACKUP = "backup"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an environment has to fall back on: its newest backup that is proven valid.

    `age` is that of its recovery point; `identifier` the system identifier of the server that it is of;
    `trouble` says what is wrong with the place where backups are kept.
    """

    backup: str = ""
    age: timedelta = timedelta.max
    identifier: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who asks, and what they can fall back on.

    `behind` has the system identifier of the database in each volume at stake, empty where it cannot be
    told. `fresh` is how old a backup may be.
    """

    environment: str
    confirmed: str = ""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)
    fresh: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a call may run, why, and what would be lost."""

    allowed: bool
    reason: str
    hint: Hint = NO_HINT
    losses: tuple[str, ...] = ()
    wanted: Wanted = Wanted.NOTHING


def permit(judgement: Judgement, occasion: Occasion) -> Permission:
    """The verdict on a call; the first thing that stands against it is the reason."""
    losses = tuple(touch.what for touch in judgement.touches)
    against = _against(judgement, occasion)
    if against is None:
        return Permission(True, _why_allowed(judgement, occasion), losses=losses)
    reason, hint, wanted = against
    return Permission(False, reason, hint.within(_known(occasion.environment)), losses, wanted)


def _known(environment: str) -> str:
    return environment if environment in ENVIRONMENTS else ""


_Against = tuple[str, Hint, Wanted]


def _against(judgement: Judgement, occasion: Occasion) -> _Against | None:
    strangers = _wrong_environment(judgement, occasion)
    if strangers:
        return strangers
    if judgement.unknown:
        told = f"What this would do cannot be told: {judgement.unknown}"
        return told, judgement.way_out, Wanted.NOTHING
    if judgement.effect == Effect.READS:
        return None
    if judgement.effect == Effect.DESTROYS:
        return _against_destroying(judgement.touches, occasion)
    return _against_changing(judgement.touches, occasion)


def _wrong_environment(judgement: Judgement, occasion: Occasion) -> _Against | None:
    """LEDGER_ENV has to be there, and every sign of whose the target is has to agree with it."""
    signs = [(target.environment, target.sign) for target in judgement.targets]
    signs += [(touch.environment, touch.what) for touch in judgement.touches if touch.environment]
    meant = next((environment for environment, _ in signs if environment), "")
    hint = (
        Hint(f"If {meant} is what you mean: LEDGER_ENV={meant}")
        if meant
        else Hint("Say whose it is: LEDGER_ENV=dev")
    )
    if not signs and not (judgement.touches and judgement.effect == Effect.DESTROYS):
        return None
    if occasion.environment not in ENVIRONMENTS:
        given = f"LEDGER_ENV is {occasion.environment!r}" if occasion.environment else "LEDGER_ENV is not set"
        about = f"; this is about {meant}" if meant else ""
        return f"{given}{about}.", hint, Wanted.ENVIRONMENT
    for environment, sign in signs:
        if environment != occasion.environment:
            whose = f"is {environment}'s" if environment else "is none of ours"
            return (
                f"LEDGER_ENV is {occasion.environment}, but this {whose}: {sign}.",
                hint,
                Wanted.ENVIRONMENT,
            )
    return None


def _against_destroying(touches: Iterable[Touch], occasion: Occasion) -> _Against | None:
    worst = [touch for touch in touches if touch.effect == Effect.DESTROYS]
    first = worst[0]
    if occasion.environment == "prod":
        return (
            f"prod's data is never destroyed this way: {first.what}.",
            first.safe.within(first.environment),
            Wanted.NOTHING,
        )
    for touch in worst:
        if not touch.environment:
            return (
                f"{_said(touch)}, and whose that is cannot be told, so no backup can stand for it.",
                touch.safe,
                Wanted.NOTHING,
            )
    return _without_backup(worst, occasion, must_match=True) or _unconfirmed(first, occasion)


def _against_changing(touches: Iterable[Touch], occasion: Occasion) -> _Against | None:
    ours = [touch for touch in touches if touch.environment]
    return _without_backup(ours, occasion, must_match=False) if ours else None


def _without_backup(touches: list[Touch], occasion: Occasion, *, must_match: bool) -> _Against | None:
    """A backup that is fresh, proven valid, in its place, and of the very database that is at stake."""
    standing = occasion.standings.get(occasion.environment, Standing())
    at_stake = {volume for touch in touches for volume in touch.volumes}
    behind = {volume: occasion.behind.get(volume, "") for volume in sorted(at_stake)}
    lacking = lacks(occasion.environment, standing, occasion.fresh, behind, must_match=must_match)
    if lacking is None:
        return None
    reason, hint, wanted = lacking
    return f"{_said(touches[0])}, and {reason}.", hint, wanted


def lacks(
    environment: str, standing: Standing, fresh: timedelta, behind: Mapping[str, str], *, must_match: bool
) -> _Against | None:
    """What an environment's newest backup lacks to stand for the volumes in `behind`; None for nothing.

    `behind` has the system identifier of the database in each, empty where it cannot be told: with
    `must_match` that is not good enough.
    """
    take = Hint(make("backup", environment))
    if standing.trouble:
        return standing.trouble, Hint(make("doctor"), " says more."), Wanted.NOTHING
    if not standing.backup:
        return f"{environment} has no proven backup", take, Wanted.BACKUP
    if standing.age > fresh:
        how_old = f"{_words(standing.age)} old (at most {_words(fresh)})"
        newest = f"{environment}'s newest proven backup, {standing.backup}, is {how_old}"
        return newest, take, Wanted.BACKUP
    of_it = f"{standing.backup} is of"
    for name, found in behind.items():
        if found and found != standing.identifier:
            return (
                f"{of_it} another database than the one in {name}",
                Hint("See whose it is: ", make("identity", environment), " (nothing was touched)"),
                Wanted.NOTHING,
            )
        if must_match and not found:
            return (
                f"whether {of_it} the database in {name} cannot be told",
                Hint("Start its PostgreSQL, so that it can be asked; then do this again."),
                Wanted.NOTHING,
            )
    return None


def _unconfirmed(first: Touch, occasion: Occasion) -> _Against | None:
    if occasion.confirmed == occasion.environment:
        return None
    word = occasion.environment
    hint = Hint(
        f"If you want that, type {word} when asked, or say CONFIRM={word} before the command. ",
        first.safe.within(first.environment),
    )
    return f"{_said(first)}.", hint, Wanted.CONFIRMATION


def _why_allowed(judgement: Judgement, occasion: Occasion) -> str:
    if judgement.effect == Effect.READS:
        return "leaves protected data as it is"
    standing = occasion.standings.get(occasion.environment)
    if standing is None or not standing.backup or not any(touch.environment for touch in judgement.touches):
        return "changes nothing that belongs to an environment"
    held = f"{standing.backup}, {_words(standing.age)} old and proven valid, holds the data"
    return f"confirmed, and {held}" if judgement.effect == Effect.DESTROYS else held


def _said(touch: Touch) -> str:
    return touch.what[:1].upper() + touch.what[1:]


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
