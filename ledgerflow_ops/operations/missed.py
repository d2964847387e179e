"""The backup of a day that has passed: found, or refused with what is missing. Never today's data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from ledgerflow_ops.core import missed as judging
from ledgerflow_ops.core.catalog import Entry
from ledgerflow_ops.core.errors import BadBackup, Busy, Refused
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.missed import DayPlan, Lack, Verdict
from ledgerflow_ops.operations import adopt
from ledgerflow_ops.operations.desk import Site


@dataclass(frozen=True, slots=True)
class Offer:
    """A way that leads to a day's backup. `carry_out` puts it into the folder and returns its manifest."""

    verdict: Verdict
    why: str
    carry_out: Callable[[], Manifest]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a way has to offer, best first, and what it lacks where none of it holds."""

    offers: Sequence[Offer]
    lack: Lack


class Way(Protocol):
    """One way to the backup of a past day. It looks and touches nothing."""

    def __call__(self, site: Site, day: date) -> Seen: ...


def here(site: Site, day: date) -> Seen:
    """It lies in the environment's folder."""
    hint = (
        f"If a dump of that day exists somewhere, put it with its manifest into {site.folder.path} and "
        "ask again: it will be adopted."
    )
    offers = [
        Offer(
            Verdict.KEPT if entry.proven else Verdict.PROVE,
            f"{entry.name.dump} is {entry.state}",
            partial(_manifest, entry),
        )
        for entry in adopt.of_day(site, day)
    ]
    return Seen(offers, Lack(" ".join(adopt.rejected(site, day)), hint))


def elsewhere(site: Site, day: date) -> Seen:
    """It lies in one of the archives."""
    others = site.locations()[1:]
    settings = site.settings
    hint = (
        "For the next time: "
        + ("" if settings.is_scheduled else f"set scheduled = true for {site.environment}, ")
        + "keep make up running, and the machine awake at "
        f"{settings.schedule:%H:%M} {settings.time_zone}"
        + ("." if others else "; and set archive_roots to where copies are kept.")
    )
    offers = [
        Offer(
            Verdict.ADOPT,
            f"{entry.name.dump} lies in {at.folder.path}",
            partial(adopt.bring, site, at, entry),
        )
        for at in others
        for entry in adopt.of_day(at, day)
    ]
    return Seen(offers, Lack(" ".join(one for at in others for one in adopt.rejected(at, day)), hint))


WAYS: Sequence[Way] = (here, elsewhere)
"""Tried in this order. Another way to a past day's data, such as a base backup with its WAL, is one more."""


def plan(site: Site, day: date) -> DayPlan:
    """What would be done about a day."""
    today, seen = site.today(), [way(site, day) for way in WAYS]
    offers = [offer for found in seen for offer in found.offers]
    if day == today:
        kept = next((one for one in offers if one.verdict is Verdict.KEPT), None)
        return DayPlan(day, Verdict.KEPT, kept.why) if kept else DayPlan(day, Verdict.TAKE, "it is today")
    if offers and day < today:
        return DayPlan(day, offers[0].verdict, offers[0].why)
    lacks = [found.lack for found in seen]
    return DayPlan(day, Verdict.REFUSE, *judging.refusal(site.environment, day, today, lacks))


def backup_of(site: Site, day: date) -> Manifest:
    """The backup of a day that has passed, in the folder; it proves nothing yet.

    What turns out to be damaged while it is copied gives way to the next one. Refused (3) when nothing
    leads there: the message says what is missing, the hint how to get it.
    """
    today, lacks = site.today(), list[Lack]()
    for way in WAYS if day < today else ():
        seen = way(site, day)
        for offer in seen.offers:
            try:
                return offer.carry_out()
            except Busy:
                raise
            except (BadBackup, Refused) as error:
                lacks.append(Lack(error.message, error.hint))
        lacks.append(seen.lack)
    message, hint = judging.refusal(site.environment, day, today, lacks)
    raise Refused(message, hint=hint)


def _manifest(entry: Entry) -> Manifest:
    assert entry.manifest is not None
    return entry.manifest
