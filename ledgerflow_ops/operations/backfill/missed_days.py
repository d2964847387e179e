"""Finds the backup of a day that has passed, or refuses and says what is missing. Never uses today's data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import DUMP
from ledgerflow_ops.core.errors import BadBackup, Busy, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.presentation import journal_view
from ledgerflow_ops.core.presentation.journal_view import EntryFilter
from ledgerflow_ops.core.schedule import backfill_plan
from ledgerflow_ops.core.schedule.backfill_plan import DayPlan, DayVerdict, UnavailableSource
from ledgerflow_ops.operations import journal, removal_history, summaries
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording


@dataclass(frozen=True, slots=True)
class BackfillOption:
    """A backup that can stand for a day. `carry_out` puts it into the folder and returns its manifest."""

    verdict: DayVerdict
    why: str
    carry_out: Callable[[], Manifest]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a source offers for a day, best first, and what it lacks where none of that can be used."""

    offers: Sequence[BackfillOption]
    missing: UnavailableSource


class BackfillSource(Protocol):
    """One source of backups of a past day. A call changes nothing."""

    def __call__(self, env: EnvironmentContext, day: date) -> SourceOptions: ...


def folder_source(env: EnvironmentContext, day: date) -> SourceOptions:
    """Backups in the environment's folder."""
    hint = Hint(
        f"If a dump of that day exists somewhere, put it with its manifest into {env.store.location} and "
        "run this again: it will be adopted."
    )
    offers = [
        BackfillOption(
            DayVerdict.KEPT if entry.proven else DayVerdict.PROVE,
            f"{entry.name.dump} is {entry.state}",
            partial(_kept, env, entry),
        )
        for entry in adoption.backups_of_day(env, day)
    ]
    return SourceOptions(offers, UnavailableSource(" ".join(adoption.rejection_reasons(env, day)), hint))


def archive_source(env: EnvironmentContext, day: date) -> SourceOptions:
    """Backups in the archive locations."""
    archives = [at for at in env.locations()[1:] if _can_be_read(at)]
    settings = env.settings
    begin = "" if settings.is_scheduled else f"set scheduled = true for {env.environment}, "
    hint = Hint(
        f"For the next time: {begin}keep ",
        make("up"),
        f" running, and the machine awake at {settings.schedule:%H:%M} {settings.time_zone}"
        + ("." if archives else "; and set archive locations, where copies are kept (docs/archive.md)."),
    )
    offers = [
        BackfillOption(
            DayVerdict.ADOPT,
            f"{entry.name.dump} is in {at.store.location}",
            partial(adoption.adopt_copy, env, at, entry),
        )
        for at in archives
        for entry in adoption.backups_of_day(at, day)
    ]
    return SourceOptions(
        offers,
        UnavailableSource(
            " ".join(reason for at in archives for reason in adoption.rejection_reasons(at, day)), hint
        ),
    )


def _can_be_read(at: EnvironmentContext) -> bool:
    """Whether the location answers; one that does not is reported, and the others are asked."""
    try:
        at.store.names(DUMP)
    except LedgerError as error:
        at.ctx.reporter.say(f"{at.store.location} cannot be read: {error.message}")
        return False
    return True


def first_day(env: EnvironmentContext) -> date | None:
    """The day of the environment's earliest known backup, or of the earliest attempt; None before that."""
    known = [*summaries.present_backups(env), *removal_history.removed_backups(env)]
    tried = journal.entries(env.ctx, EntryFilter(environment=env.environment, what="backup"))
    times = filter(None, map(journal_view.written_at, tried))
    zone = env.settings.zone
    return min([*(item.day for item in known), *(at.astimezone(zone).date() for at in times)], default=None)


SOURCES: Sequence[BackfillSource] = (folder_source, archive_source)
"""Tried in this order. A new kind of source, such as a base backup with WAL, is added here."""


def plan_backfill(env: EnvironmentContext, day: date) -> DayPlan:
    """The plan for a day."""
    today, reports = env.today(), [source(env, day) for source in SOURCES]
    offers = [offer for options in reports for offer in options.offers]
    if day == today:
        present = next((option for option in offers if option.verdict is DayVerdict.KEPT), None)
        return (
            DayPlan(day, DayVerdict.KEPT, present.why)
            if present
            else DayPlan(day, DayVerdict.TAKE, "it is today")
        )
    if offers and day < today:
        return DayPlan(day, offers[0].verdict, offers[0].why)
    lacks = [options.missing for options in reports]
    return DayPlan(day, DayVerdict.REFUSE, *backfill_plan.refusal_text(env.environment, day, today, lacks))


def obtain_backup(env: EnvironmentContext, day: date) -> Manifest:
    """Put the backup of a past day into the folder; it is not proven yet.

    A backup that turns out to be damaged while it is copied is skipped for the next one. Refused (3) when
    there is none: the message says what is missing, the hint how to get it.
    """
    today, lacks = env.today(), list[UnavailableSource]()
    for source in SOURCES if day < today else ():
        options = source(env, day)
        for offer in options.offers:
            try:
                return offer.carry_out()
            except Busy:
                raise
            except (BadBackup, Refused) as error:
                lacks.append(UnavailableSource(error.message, error.hint))
        lacks.append(options.missing)
    message, hint = backfill_plan.refusal_text(env.environment, day, today, lacks)
    raise Refused(message, hint=hint)


def _kept(env: EnvironmentContext, entry: CatalogEntry) -> Manifest:
    """The manifest of a backup in the folder. Somebody may have put it there: it is adopted on record."""
    assert entry.manifest is not None
    recording.record_found(env, entry.manifest)
    return entry.manifest
