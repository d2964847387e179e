"""Decides whether a judged call may run, by its environment, the newest backup and a confirmation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.guard.effects import DataEffect, Effect, Judgement

ENVIRONMENTS = ("dev", "test", "prod")
_LABEL = Hint("Label its container or volume: com.ledgerflow.environment=dev (or test, or prod).")


class Answer(StrEnum):
    """What becomes of a call."""

    PASS = "allowed"  # noqa: S105 - no password
    INSURE = "to be insured"
    """It runs once a fresh proven backup is there, which can be taken now."""
    REFUSE = "refused"


class Requirement(StrEnum):
    """What a call lacks, if anything would allow it."""

    NOTHING = ""
    ENVIRONMENT = "environment"
    BACKUP = "backup"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class BackupState:
    """An environment's newest backup that is proven valid; `backup` is its file, empty if there is none.

    `age` is the age of its recovery point; `identifier` the system identifier of its source; `trouble` says
    what is wrong with the location of the backups; `took` is how long it took to take and prove it.
    """

    backup: str = ""
    age: timedelta = timedelta.max
    identifier: str = ""
    trouble: str = ""
    took: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class PermitContext:
    """LEDGER_ENV, the confirmation, and that environment's newest backup.

    `behind` maps each affected volume to the system identifier of its database, empty if unknown. `fresh` is
    the maximum age of a backup.
    """

    environment: str
    confirmed: str = ""
    state: BackupState = BackupState()
    behind: Mapping[str, str] = field(default_factory=dict)
    fresh: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call, why, and what would be lost."""

    answer: Answer
    reason: str
    hint: Hint = NO_HINT
    losses: tuple[str, ...] = ()
    wanted: Requirement = Requirement.NOTHING

    @property
    def allowed(self) -> bool:
        return self.answer is Answer.PASS


_Against = tuple[str, Hint, Requirement]


def permit(judgement: Judgement, context: PermitContext) -> Verdict:
    """The verdict on a call; the first objection is its reason."""
    losses = tuple(impact.what for impact in judgement.impacts)
    against = _against(judgement, context)
    if against is None:
        return Verdict(Answer.PASS, _why_allowed(judgement, context), losses=losses)
    reason, hint, wanted = against
    insurable = wanted is Requirement.BACKUP and judgement.effect == Effect.UNCERTAIN
    answer = Answer.INSURE if insurable else Answer.REFUSE
    environment = context.environment if context.environment in ENVIRONMENTS else ""
    return Verdict(answer, reason, hint.within(environment), losses, wanted)


def _against(judgement: Judgement, context: PermitContext) -> _Against | None:
    if strangers := _wrong_environment(judgement, context):
        return strangers
    if judgement.unknown:
        reason = f"Its effect cannot be determined: {judgement.unknown}"
        return reason, judgement.way_out, Requirement.NOTHING
    if judgement.effect == Effect.READS:
        return None
    return _against_effects([it for it in judgement.impacts if it.effect == judgement.effect], context)


def _wrong_environment(judgement: Judgement, context: PermitContext) -> _Against | None:
    """The objection if LEDGER_ENV is not set, or if an indication of the target's environment differs."""
    signs = (*judgement.targets, *(impact for impact in judgement.impacts if impact.environment))
    if not signs and judgement.effect != Effect.DESTROYS:
        return None
    meant = next((sign.environment for sign in signs if sign.environment), "")
    hint = Hint("Set LEDGER_ENV to the environment, for example LEDGER_ENV=dev")
    if meant:
        hint = Hint(f"If {meant} is what you mean: LEDGER_ENV={meant}")
    if context.environment not in ENVIRONMENTS:
        given = f"LEDGER_ENV is {context.environment!r}" if context.environment else "LEDGER_ENV is not set"
        about = f"; this is about {meant}" if meant else ""
        return f"{given}{about}.", hint, Requirement.ENVIRONMENT
    for sign in signs:
        if sign.environment != context.environment:
            whose = f"is {sign.environment}'s" if sign.environment else "belongs to no environment"
            reason = f"LEDGER_ENV is {context.environment}, but this {whose}: {sign.what}."
            return reason, hint, Requirement.ENVIRONMENT
    return None


def _against_effects(impacts: list[DataEffect], context: PermitContext) -> _Against | None:
    """The objection to effects of one kind, known losses or what cannot be known.

    Both need a backup. The environment's name is typed for a known loss, and in prod; there none is allowed.
    """
    first, known = impacts[0], impacts[0].effect == Effect.DESTROYS
    if known and context.environment == "prod":
        reason = f"In prod a known loss is refused: {first.what}."
        return reason, first.safe.within(first.environment), Requirement.NOTHING
    for impact in impacts:
        if not impact.environment:
            so = "there is no backup to check" if known else "no backup can insure it"
            reason = f"{_said(impact)}, and its environment cannot be determined, so {so}."
            return reason, impact.safe if known else _LABEL, Requirement.NOTHING
    volumes = sorted({volume for impact in impacts for volume in impact.volumes})
    if lacking := _without_backup(volumes, context, must_match=known):
        reason, hint, wanted = lacking
        return f"{_said(first)}, and {reason}.", hint, wanted
    word = context.environment
    if context.confirmed == word or not (known or word == "prod"):
        return None
    to_confirm = f"If you want that, type {word} when asked, or put CONFIRM={word} before the command. "
    return (
        f"{_said(first)}.",
        Hint(to_confirm, first.safe.within(first.environment)),
        Requirement.CONFIRMATION,
    )


def _without_backup(volumes: list[str], context: PermitContext, *, must_match: bool) -> _Against | None:
    """The objection if there is no fresh, proven backup of the affected database in a sound location.

    With `must_match` a database whose system identifier is unknown is not covered.
    """
    environment, state = context.environment, context.state
    take = Hint(make("backup", environment))
    if state.trouble:
        return state.trouble, Hint(make("doctor"), " shows details."), Requirement.NOTHING
    if not state.backup:
        return f"{environment} has no proven backup", take, Requirement.BACKUP
    if state.age > context.fresh:
        how_old = f"{_words(state.age)} old (at most {_words(context.fresh)})"
        newest = f"{environment}'s newest proven backup, {state.backup}, is {how_old}"
        return newest, take, Requirement.BACKUP
    of_it = f"{state.backup} is of"
    for name, identifier in ((volume, context.behind.get(volume, "")) for volume in volumes):
        if identifier and identifier != state.identifier:
            check = Hint(
                "Check which database it is: ", make("identity", environment), " (nothing was changed)"
            )
            return f"{of_it} another database than the one in {name}", check, Requirement.NOTHING
        if must_match and not identifier:
            start = Hint("Start its PostgreSQL, so that it can be queried; then run this again.")
            return f"whether {of_it} the database in {name} cannot be determined", start, Requirement.NOTHING
    return None


def _why_allowed(judgement: Judgement, context: PermitContext) -> str:
    if judgement.effect == Effect.READS:
        return "does not change protected data"
    held = f"{context.state.backup}, {_words(context.state.age)} old and proven valid, holds the data"
    return f"confirmed, and {held}" if judgement.effect == Effect.DESTROYS else held


def _said(impact: DataEffect) -> str:
    return impact.what[:1].upper() + impact.what[1:]


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
