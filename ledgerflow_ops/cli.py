"""What make calls: the operations with exit codes, words for people and JSON for programs.

Everything can be given as an option or as the environment variable of the same name; make passes
variables. dagster is imported only by the commands that need it: that takes a second.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import click

from ledgerflow_ops import config
from ledgerflow_ops.adapters.locks import who
from ledgerflow_ops.adapters.process import mask
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.manifest import RunFacts
from ledgerflow_ops.operations.desk import Desk, Site

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class Flag(click.ParamType[bool]):
    """A variable that is 1 or 0; anything else is a mistake, not a no."""

    name = "0|1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ARG002
        text = str(value).lower()
        if text not in _TRUE | _FALSE:
            name = param.envvar if param else "the flag"
            raise SettingsError(f"{name}={value!r} is neither 1 nor 0.", hint=f"Write {name}=1 or {name}=0.")
        return text in _TRUE


def flag(name: str, default: bool, text: str) -> Callable[[Any], Any]:
    """An option `--name` that also takes the variable NAME."""
    variable = name.upper().replace("-", "_")
    return click.option(
        f"--{name}", type=Flag(), envvar=variable, default=default, is_flag=False, flag_value="1", help=text
    )


class Call:
    """One call of the program: its terminal, its settings, the site it is about."""

    def __init__(self, as_json: bool, why: str = "") -> None:
        self.terminal = Terminal(as_json=as_json)
        self.progress = Progress(self.terminal)
        self.settings = config.load()
        run = RunFacts(run_id="", who=who(), why=why)
        self.desk = Desk(self.settings, self.progress, run=run)

    def site(self) -> Site:
        """The environment that LEDGER_ENV names; SettingsError for anything but exactly one of the three."""
        return self.desk.site(Environment.parse(os.environ.get("LEDGER_ENV")))

    def sites(self) -> list[Site]:
        """LEDGER_ENV's environment, or all three when it is not set."""
        if os.environ.get("LEDGER_ENV"):
            return [self.site()]
        return [self.desk.site(environment) for environment in Environment]


JSON = flag("json", False, "One JSON object on stdout; words for people on stderr.")
FILE = click.option("--file", envvar="FILE", default=None, help="A backup's file name.")


class Commands(click.Group):
    """Turns every error into words, a hint and its exit code, and into JSON where that was asked for."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **{**options, "standalone_mode": False})
        except LedgerError as error:
            sys.exit(_told(error))
        except click.exceptions.Exit as ended:
            sys.exit(ended.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            sys.exit(_told(SettingsError(error.format_message(), hint="make help lists what there is.")))
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            trouble = LedgerError(f"{place}{error.strerror or error}.", hint="make doctor looks at it.")
            sys.exit(_told(trouble))
        except (KeyboardInterrupt, click.Abort):
            sys.exit(_told(LedgerError("Interrupted.", hint="Nothing half-done was kept. Run it again.")))
        except Exception as error:  # noqa: BLE001 - who asked for JSON gets it, whatever went wrong
            sys.stderr.write(mask(traceback.format_exc()))
            message = mask(f"{type(error).__name__}: {error}")
            sys.exit(_told(LedgerError(message, hint="Not foreseen: report it with the lines above.")))


def _json_wanted() -> bool:
    """Whether JSON was asked for, read without click: its own reading may be what failed."""
    for word, following in pairwise([*sys.argv[1:], ""]):
        name, _, value = word.partition("=")
        if name == "--json":
            return (value or following).lower() not in _FALSE - {""}
    return os.environ.get("JSON", "").lower() in _TRUE


def _told(error: LedgerError) -> int:
    terminal = Terminal(as_json=_json_wanted())
    Progress(terminal).clear()
    terminal.error(error.message, error.hint)
    details = {"message": error.message, "hint": error.hint, "kind": type(error).__name__}
    environment = os.environ.get("LEDGER_ENV")
    terminal.finish({"environment": environment, "exit_code": error.exit_code, "error": details})
    return error.exit_code


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Backups that count only when they have been proven restorable."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


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


WHY = click.option("--why", envvar="WHY", default="", help="Goes on record with the run.")
CONFIRM = click.option("--confirm", envvar="CONFIRM", default="", help="The environment's name, typed.")
DRY_RUN = flag("dry-run", False, "Say what would be done and why; touch nothing.")


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
@JSON
def status(json: bool) -> None:
    """Say what is proven, how far, and how old it is."""
    from ledgerflow_ops.operations import status as asked

    call = Call(json)
    found = [asked.status(site) for site in call.sites()]
    asked.show(found, call.terminal)
    call.terminal.finish({"environments": [item.as_json() for item in found]})


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
    """Start the web page and the daemon on loopback."""
    from ledgerflow_ops.operations import servers

    call = Call(json)
    address = servers.up(call.desk)
    call.terminal.say(f"The web page is at {address}")
    call.terminal.say("make down stops it, the daemon and the embedded PostgreSQL.")
    call.terminal.finish({"address": address})


@main.command()
@JSON
def down(json: bool) -> None:
    """Stop the web page, the daemon and the embedded PostgreSQL."""
    from ledgerflow_ops.operations import servers

    call = Call(json)
    stopped = servers.down(call.desk)
    call.terminal.say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    call.terminal.finish({"stopped": stopped})
