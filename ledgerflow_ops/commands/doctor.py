"""The commands about what backups depend on: doctor, tools, safety-check, protect, identity."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from ledgerflow_ops.commands.calls import ANY_ENV, DRY_RUN, ENV, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, flag, option
from ledgerflow_ops.core.checks import Check


def _finish_with_checks(call: Call, checks: Sequence[Check]) -> None:
    """Print all checks and exit: 1 if one is fatal, else 0."""
    call.terminal.checks(checks)
    call.terminal.finish({"checks": [check.as_json(call.terminal.environment) for check in checks]})
    sys.exit(1 if any(check.fatal for check in checks) else 0)


@click.command(cls=Command, examples=("doctor", "doctor --env prod"))
@ANY_ENV
@JSON
def doctor(json: bool) -> None:
    """Check settings, tools, folders and connections.

    Each failed check has a hint that says what to do. Exit code 1 when one is fatal.
    """
    from ledgerflow_ops.operations.monitoring import doctor as operation

    call = Call(json)
    _finish_with_checks(call, operation.examine(call.ctx, call.envs()))


@click.command(cls=Command, examples=("tools", "tools --version 18"))
@option("--version", envvar="VERSION", default=None, type=int, text="The major version to fetch (14 to 18).")
@JSON
def tools(version: int | None, json: bool) -> None:
    """List the PostgreSQL programs on this machine, and fetch those of another major version."""
    from ledgerflow_ops.operations.monitoring import postgres_tools

    call = Call(json)
    if version is not None:
        postgres_tools.fetch_tools(call.ctx, version)
    for line in postgres_tools.tool_lines(call.ctx):
        call.terminal.say(line)
    call.terminal.finish(postgres_tools.as_json(call.ctx))


@click.command("safety-check", cls=Command, examples=("safety-check",))
@ANY_ENV
@JSON
def safety_check(json: bool) -> None:
    """Check that ledger_docker comes before docker on the PATH, and that volumes and backups are safe."""
    from ledgerflow_ops.guard.protection import installation

    call = Call(json)
    _finish_with_checks(call, installation.safety_check(call.ctx, call.envs()))


@click.command(cls=Command, examples=("protect --env dev --dry-run",))
@ENV
@WHY
@DRY_RUN
@JSON
def protect(why: str, dry_run: bool, json: bool) -> None:
    """Record the environment's volumes as protected, whatever becomes of their containers."""
    from ledgerflow_ops.guard.protection import installation

    call = Call(json, why)
    env = call.env()
    protected = installation.protect(env, dry_run=dry_run)
    for item in protected:
        done = "is recorded" if item.recorded else "would be recorded" if dry_run else "is recorded now"
        call.terminal.say(f"{item.volume}: {done} as protected; {item.reason}")
    call.terminal.say("" if protected else f"{env.environment} has no volume on this engine.")
    volumes = [asdict(item) for item in protected]
    call.terminal.finish({"environment": env.environment, "volumes": volumes})


@click.command(cls=Command, examples=("identity --env prod", "identity --env prod --accept"))
@ENV
@flag("accept", False, "Bind the environment to the database at its URL from now on.")
@JSON
def identity(accept: bool, json: bool) -> None:
    """Show which database the environment is bound to, and bind it to a new one if that is intended."""
    from ledgerflow_ops.operations import identity as identities

    call = Call(json)
    env = call.env()
    before = identities.remembered_identity(env)
    current = identities.check_identity(env, accept=accept)
    call.terminal.say(f"{env.environment} is {current}")
    if current.seen:
        call.terminal.say(f"  now: {current.seen}")
    if before and (before.seen or before != current):
        call.terminal.say(f"  before: {before if before != current else before.seen}")
    fields = {"environment": env.environment, "identity": str(current)}
    seen = {
        name: asdict(known.seen)
        for name, known in (("seen", current), ("before", before))
        if known and known.seen
    }
    call.terminal.finish({**fields, **seen})


COMMANDS = (doctor, tools, safety_check, protect, identity)
