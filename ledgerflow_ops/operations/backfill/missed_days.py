"""The backup of a day that has passed: found, or refused with what is missing. Never today's data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.errors import BadBackup, Busy, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.schedule import backfill_plan as judging
from ledgerflow_ops.core.schedule.backfill_plan import DayPlan, DayVerdict, UnavailableSource
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.context import EnvironmentContext


@dataclass(frozen=True, slots=True)
class BackfillOption:
    """A way that leads to a day's backup. `carry_out` puts it into the folder and returns its manifest."""

    verdict: DayVerdict
    why: str
    carry_out: Callable[[], Manifest]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a way has to offer, best first, and what it lacks where none of it holds."""

    offers: Sequence[BackfillOption]
    lack: UnavailableSource


class BackfillSource(Protocol):
    """One way to the backup of a past day. It looks and touches nothing."""

    def __call__(self, env: EnvironmentContext, day: date) -> SourceOptions: ...


def folder_source(env: EnvironmentContext, day: date) -> SourceOptions:
    """It lies in the environment's folder."""
    hint = Hint(
        f"If a dump of that day exists somewhere, put it with its manifest into {env.store.location} and "
        "ask again: it will be adopted."
    )
    offers = [
        BackfillOption(
            DayVerdict.KEPT if entry.proven else DayVerdict.PROVE,
            f"{entry.name.dump} is {entry.state}",
            partial(_manifest, entry),
        )
        for entry in adoption.backups_of_day(env, day)
    ]
    return SourceOptions(offers, UnavailableSource(" ".join(adoption.rejection_reasons(env, day)), hint))


def archive_source(env: EnvironmentContext, day: date) -> SourceOptions:
    """It lies in one of the archives."""
    others = env.locations()[1:]
    settings = env.settings
    begin = "" if settings.is_scheduled else f"set scheduled = true for {env.environment}, "
    hint = Hint(
        f"For the next time: {begin}keep ",
        make("up"),
        f" running, and the machine awake at {settings.schedule:%H:%M} {settings.time_zone}"
        + ("." if others else "; and set archive_roots to where copies are kept."),
    )
    offers = [
        BackfillOption(
            DayVerdict.ADOPT,
            f"{entry.name.dump} lies in {at.store.location}",
            partial(adoption.adopt_copy, env, at, entry),
        )
        for at in others
        for entry in adoption.backups_of_day(at, day)
    ]
    return SourceOptions(
        offers,
        UnavailableSource(
            " ".join(one for at in others for one in adoption.rejection_reasons(at, day)), hint
        ),
    )


SOURCES: Sequence[BackfillSource] = (folder_source, archive_source)
"""Tried in this order. Another way to a past day's data, such as a base backup with its WAL, is one more."""


def plan_backfill(env: EnvironmentContext, day: date) -> DayPlan:
    """What would be done about a day."""
    today, seen = env.today(), [way(env, day) for way in SOURCES]
    offers = [offer for found in seen for offer in found.offers]
    if day == today:
        kept = next((one for one in offers if one.verdict is DayVerdict.KEPT), None)
        return (
            DayPlan(day, DayVerdict.KEPT, kept.why) if kept else DayPlan(day, DayVerdict.TAKE, "it is today")
        )
    if offers and day < today:
        return DayPlan(day, offers[0].verdict, offers[0].why)
    lacks = [found.lack for found in seen]
    return DayPlan(day, DayVerdict.REFUSE, *judging.refusal_text(env.environment, day, today, lacks))


def obtain_backup(env: EnvironmentContext, day: date) -> Manifest:
    """The backup of a day that has passed, in the folder; it proves nothing yet.

    What turns out to be damaged while it is copied gives way to the next one. Refused (3) when nothing
    leads there: the message says what is missing, the hint how to get it.
    """
    today, lacks = env.today(), list[UnavailableSource]()
    for way in SOURCES if day < today else ():
        seen = way(env, day)
        for offer in seen.offers:
            try:
                return offer.carry_out()
            except Busy:
                raise
            except (BadBackup, Refused) as error:
                lacks.append(UnavailableSource(error.message, error.hint))
        lacks.append(seen.lack)
    message, hint = judging.refusal_text(env.environment, day, today, lacks)
    raise Refused(message, hint=hint)


def _manifest(entry: CatalogEntry) -> Manifest:
    assert entry.manifest is not None
    return entry.manifest
