"""The commands about what this stands on: doctor, tools, safety-check, protect, identity."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from ledgerflow_ops.commands.calls import DRY_RUN, JSON, WHY, Call, flag
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.core.hints import Hint


def _told(call: Call, checks: Sequence[Check]) -> None:
    """All checks, and 1 where one is fatal."""
    call.terminal.checks(checks)
    call.terminal.finish({"checks": [check.as_json(call.terminal.environment) for check in checks]})
    sys.exit(1 if any(check.fatal for check in checks) else 0)


@click.command()
@JSON
def doctor(json: bool) -> None:
    """Look at settings, tools, folders and connections."""
    from ledgerflow_ops.operations.monitoring import doctor as asked

    call = Call(json)
    _told(call, asked.examine(call.ctx, call.envs()))


@click.command()
@click.option("--version", envvar="VERSION", default=None, type=int, help="The major version to fetch.")
@JSON
def tools(version: int | None, json: bool) -> None:
    """List PostgreSQL's programs that are here, and fetch those of another major version."""
    from ledgerflow_ops.operations.monitoring import postgres_tools

    call = Call(json)
    if version is not None:
        postgres_tools.fetch_tools(call.ctx, version)
    for line in postgres_tools.tool_lines(call.ctx):
        call.terminal.say(line)
    call.terminal.finish(postgres_tools.as_json(call.ctx))


@click.command("safety-check")
@JSON
def safety_check(json: bool) -> None:
    """Look whether ledger_docker stands before docker, and what it has to fall back on."""
    from ledgerflow_ops.guard.protection import installation

    call = Call(json)
    _told(call, installation.safety_check(call.ctx, call.envs()))


@click.command()
@WHY
@DRY_RUN
@JSON
def protect(why: str, dry_run: bool, json: bool) -> None:
    """Label the environment's volumes, by making them anew with their data."""
    from ledgerflow_ops.guard.protection import installation

    call = Call(json, why)
    env = call.env()
    found = installation.protect(env, dry_run=dry_run, say=call.progress.say)
    for item in found:
        done = "would be labelled" if dry_run else "is labelled"
        call.terminal.say(f"{item.volume}: {f'{done} now' if item.doable else item.reason}")
        if item.hint:
            call.terminal.say(Hint("  hint: ", item.hint))
    call.terminal.say("" if found else f"{env.environment} has no volume on this engine.")
    volumes = [{**asdict(item), "hint": item.hint} for item in found]
    call.terminal.finish({"environment": env.environment, "volumes": volumes})
    sys.exit(1 if any(item.hint for item in found) else 0)


@click.command()
@flag("accept", False, "Take the database that the URL leads to as this environment's from now on.")
@JSON
def identity(accept: bool, json: bool) -> None:
    """Say which database the environment is, and take a new one if that is meant."""
    from ledgerflow_ops.operations import identity as asked

    call = Call(json)
    env = call.env()
    before = asked.remembered_identity(env)
    found = asked.check_identity(env, accept=accept)
    call.terminal.say(f"{env.environment} is {found}")
    if found.seen:
        call.terminal.say(f"  now: {found.seen}")
    if before and (before.seen or before != found):
        call.terminal.say(f"  before: {before if before != found else before.seen}")
    told = {"environment": env.environment, "identity": str(found)}
    seen = {name: asdict(one.seen) for name, one in (("seen", found), ("before", before)) if one and one.seen}
    call.terminal.finish({**told, **seen})


COMMANDS = (doctor, tools, safety_check, protect, identity)
