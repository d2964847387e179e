"""The doctor's checks of an environment's archive locations: what each holds, and the 3-2-1 rule."""

from collections.abc import Iterator

from ledgerflow_ops.adapters.system.bounded_work import Heartbeat, run_bounded
from ledgerflow_ops.core.archive.copies import SETTINGS, missing_of_rule, rule_hint
from ledgerflow_ops.core.catalog.naming import MANIFEST
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.archive.copies import archive_contexts, place_name, places
from ledgerflow_ops.operations.context import EnvironmentContext


def location_checks(env: EnvironmentContext) -> Iterator[Check]:
    """A check of each archive location, and whether all of them together can meet the 3-2-1 rule."""
    ats = archive_contexts(env)
    for at in ats:
        yield from _location(env, at)
    if not ats:
        return
    lacks = missing_of_rule(places(env))
    name, listed = f"{env.environment} copies", ", ".join(place.name for place in places(env))
    if lacks:
        text = f"The 3-2-1 rule cannot be met with {listed}: {', '.join(lacks)}."
        yield warned(name, SETTINGS, text, rule_hint())
    else:
        yield passed(name, f"{listed}: three copies, on two kinds of storage, one elsewhere")


def _location(env: EnvironmentContext, at: EnvironmentContext) -> Iterator[Check]:
    name = f"{env.environment} location {place_name(at)}"

    def look(_heartbeat: Heartbeat) -> list[Check]:
        return list(_examined(name, at))

    try:
        yield from run_bounded(f"The location {place_name(at)}", look, env.settings.stall_seconds)
    except LedgerError as error:
        yield warned(name, "away", error.message, error.hint)


def _examined(name: str, at: EnvironmentContext) -> Iterator[Check]:
    store = at.store
    if not store.reachable():
        hint = Hint("Is its disk mounted, its network up?")
        yield warned(name, "away", f"{store.home} is not there: no copy is made in it.", hint)
        return
    backups = count_of(len(store.names(MANIFEST)) if store.exists() else 0, "backup")
    yield passed(name, f"{store.location}: {backups}")
