"""What make calls: the operations with exit codes, words for people and JSON for programs.

Everything can be given as an option or as the environment variable of the same name; make passes
variables. dagster is imported only by the commands that need it: that takes a second.
"""

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from ledgerflow_ops import keeping, looking
from ledgerflow_ops.calls import CONFIRM, DRY_RUN, FILE, JSON, WHY, Call, Commands, flag
from ledgerflow_ops.core.errors import SettingsError


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Backups that count only when they have been proven restorable."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


for command in (*looking.COMMANDS, *keeping.COMMANDS):
    main.add_command(command)


def _interrupt(_number: int, _frame: object) -> None:
    """Asked to end: leave through the same door as Ctrl-C, which withdraws what is half-done."""
    raise KeyboardInterrupt


@main.command()
@FILE
@flag("drill", True, "Prove the backup by restoring it (default 1).")
@click.option("--seal", envvar="SEAL", type=click.Choice(["full", "auto"]), default="auto")
@click.option("--why", envvar="WHY", default="", help="Goes on record with the run.")
@JSON
def backup(file: str | None, drill: bool, seal: str, why: str, json: bool) -> None:
    """Take a backup and prove it."""
    call = Call(json, why)
    site = call.site()
    from ledgerflow_ops.defs import order

    sys.exit(order.backup(site, call.terminal, file=file, drill=drill, full_seal=seal == "full"))


@main.command()
@FILE
@JSON
def verify(file: str | None, json: bool) -> None:
    """Read every byte of a backup and compare it with its manifest."""
    call = Call(json)
    site = call.site()
    if not file:
        raise SettingsError("verify needs FILE=.", hint="make status lists the backups.")
    from ledgerflow_ops.defs import order

    sys.exit(order.verify(site, call.terminal, file))


@main.command("restore-test")
@FILE
@JSON
def restore_test(file: str | None, json: bool) -> None:
    """Restore a backup into a throw-away server and compare it with its seal."""
    call = Call(json)
    site = call.site()
    from ledgerflow_ops.defs import order

    sys.exit(order.drill(site, call.terminal, file))


def _restore(file: str | None, from_env: str | None, confirm: str, why: str, **flags: bool) -> None:
    call = Call(flags["json"], why)
    site = call.site()
    if not file:
        raise SettingsError(
            "A restore needs FILE=.",
            hint="A name, a path, a day, latest or latest-proven; make status lists them.",
        )
    from ledgerflow_ops.defs import restore_order, restoring

    wish = restoring.wish_of(site, file, from_env, confirm, force=flags["force"])
    sys.exit(restore_order.restored(site, call.terminal, wish, dry_run=flags["dry_run"]))


def _restores(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both restores take."""
    source = click.option("--from-env", envvar="FROM_ENV", default=None, help="Whose backup it is.")
    for option in (JSON, DRY_RUN, WHY, CONFIRM, source, FILE):
        command = option(command)
    return command


@main.command()
@_restores
def restore(**options: Any) -> None:
    """Restore a backup into an empty or absent database."""
    _restore(**options, force=False)


@main.command("restore-force")
@_restores
def restore_force(**options: Any) -> None:
    """Restore a backup over the database, which is backed up and kept aside."""
    _restore(**options, force=True)


@main.command()
@flag("force", False, "End the sessions on the database.")
@WHY
@DRY_RUN
@JSON
def rollback(force: bool, why: str, dry_run: bool, json: bool) -> None:
    """Swap back the database that the last restore put aside."""
    call = Call(json, why)
    site = call.site()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.rolled_back(site, call.terminal, force=force, dry_run=dry_run))


@main.command()
@CONFIRM
@WHY
@DRY_RUN
@JSON
def recover(confirm: str, why: str, dry_run: bool, json: bool) -> None:
    """After a loss: prove the newest backups until one holds, restore it, write down what happened."""
    call = Call(json, why)
    site = call.site()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.recovered(site, call.terminal, confirmed=confirm, dry_run=dry_run))


@main.command()
@click.option("--name", envvar="NAME", default="", help="The whole name of the database to drop.")
@JSON
def discard(name: str, json: bool) -> None:
    """Drop a database that a restore put aside."""
    call = Call(json)
    site = call.site()
    from ledgerflow_ops.defs import restore_order

    sys.exit(restore_order.discarded(site, call.terminal, name))


@main.command()
@click.option("--day", envvar="DAY", default="", help="One day, as 2026-11-23.")
@click.option("--from", "first", envvar="FROM", default="", help="The first day; the window's if left out.")
@click.option("--to", "last", envvar="TO", default="", help="The last day; yesterday if left out.")
@WHY
@DRY_RUN
@JSON
def backfill(day: str, first: str, last: str, why: str, dry_run: bool, json: bool) -> None:
    """Get the backups of days that have passed, from wherever there is one."""
    call = Call(json, why)
    site = call.site()
    from ledgerflow_ops.defs import backfill_order

    sys.exit(backfill_order.backfill(site, call.terminal, (day, first, last), dry_run=dry_run))


@main.command()
@JSON
def doctor(json: bool) -> None:
    """Look at settings, tools, folders and connections."""
    from ledgerflow_ops.operations import doctor as asked

    call = Call(json)
    checks = asked.examine(call.desk, call.sites())
    call.terminal.checks(checks)
    call.terminal.finish({"checks": [check.as_json() for check in checks]})
    sys.exit(1 if any(check.fatal for check in checks) else 0)


@main.command("safety-check")
@JSON
def safety_check(json: bool) -> None:
    """Look whether ledger_docker stands before docker, and what it has to fall back on."""
    from ledgerflow_ops.guard import installation

    call = Call(json)
    checks = installation.safety_check(call.desk, call.sites())
    call.terminal.checks(checks)
    call.terminal.finish({"checks": [check.as_json() for check in checks]})
    sys.exit(1 if any(check.fatal for check in checks) else 0)


@main.command()
@WHY
@DRY_RUN
@JSON
def protect(why: str, dry_run: bool, json: bool) -> None:
    """Label the environment's volumes, by making them anew with their data."""
    from ledgerflow_ops.guard import installation

    call = Call(json, why)
    site = call.site()
    found = installation.protect(site, dry_run=dry_run, say=call.progress.say)
    for item in found:
        done = "would be labelled" if dry_run else "is labelled"
        call.terminal.say(f"{item.volume}: {f'{done} now' if item.doable else item.reason}")
        if item.hint:
            call.terminal.say(f"  hint: {item.hint}")
    call.terminal.say("" if found else f"{site.environment} has no volume on this engine.")
    call.terminal.finish({"environment": site.environment, "volumes": [asdict(item) for item in found]})
    sys.exit(1 if any(item.hint for item in found) else 0)


@main.command()
@flag("accept", False, "Take the database that the URL leads to as this environment's from now on.")
@JSON
def identity(accept: bool, json: bool) -> None:
    """Say which database the environment is, and take a new one if that is meant."""
    from ledgerflow_ops.operations import identity as asked

    call = Call(json)
    site = call.site()
    found = asked.identity(site, accept=accept)
    call.terminal.say(f"{site.environment} is {found}")
    call.terminal.finish({"environment": site.environment, "identity": str(found)})


@main.command()
@JSON
def up(json: bool) -> None:
    """Start the web page, the viewers' page where it is set, and the daemon on loopback."""
    from ledgerflow_ops.operations import servers

    call = Call(json)
    address = servers.up(call.desk)
    viewers = servers.viewers_address(call.desk)
    call.terminal.say(f"The web page is at {address}")
    if viewers:
        call.terminal.say(f"Viewers, who can change nothing, look at {viewers}")
    call.terminal.say("make down stops it, the daemon and the embedded PostgreSQL.")
    figures = servers.metrics_address(call.desk)
    call.terminal.say(f"Prometheus finds the figures at {figures}")
    pages = {"address": address, **({"viewers": viewers} if viewers else {})}
    call.terminal.finish({**pages, "metrics": figures})


@main.command()
@JSON
def down(json: bool) -> None:
    """Stop the web pages, the daemon and the embedded PostgreSQL."""
    from ledgerflow_ops.operations import servers

    call = Call(json)
    stopped = servers.down(call.desk)
    call.terminal.say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    call.terminal.finish({"stopped": stopped})


@main.command("alert-test")
@JSON
def alert_test(json: bool) -> None:
    """Send a test through every alert channel."""
    from ledgerflow_ops.operations import alerts, channels

    call = Call(json)
    channels.require(call.settings)
    found = alerts.test(call.desk)
    for name, why in found.items():
        call.terminal.say(
            f"{name}: {f'NOT DELIVERED: {why}' if why else 'delivered'}", "red" if why else "green"
        )
    code = 1 if any(found.values()) else 0
    told = [{"channel": name, "delivered": not why, "why_not": why} for name, why in found.items()]
    call.terminal.finish({"channels": told, "exit_code": code})
    sys.exit(code)


@main.command()
@flag("quiet", False, "Say nothing when nothing is open.")
@JSON
def watchdog(quiet: bool, json: bool) -> None:
    """Look whether all is well, also when the daemon is dead, and alert."""
    from ledgerflow_ops.core.alerts import Level
    from ledgerflow_ops.core.typed import typed
    from ledgerflow_ops.operations import alerts, watching

    call = Call(json)
    found = watching.dog(call.desk)
    for alert in found:
        late = f" (NOT DELIVERED to {', '.join(alert.missed)})" if alert.undelivered else ""
        where = alert.finding.environment or "machine"
        call.terminal.error(
            f"{where} {alert.finding.level}: {alert.finding.message}{late}",
            typed(alert.finding.hint, alert.finding.environment or ""),
        )
    if not found and not quiet:
        call.terminal.say("Nothing is open.", "green")
    code = 1 if any(alert.finding.level is Level.CRITICAL or alert.undelivered for alert in found) else 0
    call.terminal.finish({"open": [alerts.as_json(alert) for alert in found], "exit_code": code})
    sys.exit(code)
