"""A call of the program: its options, its terminal, and how every error becomes words and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.adapters.system.locks import account_name
from ledgerflow_ops.adapters.system.process import kill_all, mask_secrets
from ledgerflow_ops.commands.json_flag import FALSE, TRUE, json_wanted
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_ONLY_LOOK = {"status", "journal", "report", "metrics", "doctor", "safety-check"}

_LIMITED = {
    "backup",
    "verify",
    "restore-test",
    "backfill",
    "restore",
    "restore-force",
    "rollback",
    "recover",
    "rotate",
}


class Flag(click.ParamType[bool]):
    """A variable that is 1 or 0; anything else is a mistake, not a no."""

    name = "0|1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ARG002
        text = str(value).lower()
        if text not in TRUE | FALSE:
            name = param.envvar if param else "the flag"
            raise SettingsError(
                f"{name}={value!r} is neither 1 nor 0.", hint=Hint(f"Write {name}=1 or {name}=0.")
            )
        return text in TRUE


def flag(name: str, default: bool, text: str) -> Callable[[Any], Any]:
    """An option `--name` that also takes the variable NAME."""
    variable = name.upper().replace("-", "_")
    return click.option(
        f"--{name}", type=Flag(), envvar=variable, default=default, is_flag=False, flag_value="1", help=text
    )


class Call:
    """One call of the program: its terminal, its settings, the site it is about."""

    def __init__(self, as_json: bool, why: str = "") -> None:
        _carries_out()
        self.terminal = Terminal(as_json=as_json, environment=_named())
        self.progress = Progress(self.terminal)
        self.settings = config.load()
        run = RunFacts(run_id="", who=account_name(), why=why)
        self.ctx = OperationContext(self.settings, self.progress, run=run)

    def env(self) -> EnvironmentContext:
        """The environment that LEDGER_ENV names; SettingsError for anything but exactly one of the three.

        What may take long has as long as the daemon gives its runs.
        """
        env = self.ctx.env(Environment.parse(os.environ.get("LEDGER_ENV")))
        if click.get_current_context().info_name in _LIMITED:
            deadline.start_deadline(env.settings.backup_minutes)
        return env

    def envs(self) -> list[EnvironmentContext]:
        """LEDGER_ENV's environment, or all three when it is not set."""
        if os.environ.get("LEDGER_ENV"):
            return [self.env()]
        return [self.ctx.env(environment) for environment in Environment]


def _named() -> str:
    """LEDGER_ENV's environment; empty where it names none."""
    named = os.environ.get("LEDGER_ENV", "")
    return named if named in {str(one) for one in Environment} else ""


def _carries_out() -> None:
    """SettingsError where DRY_RUN=1 is asked of a command that has no dry run, and would act all the same."""
    context = click.get_current_context()
    known = {option.name for option in context.command.params}
    if "dry_run" in known or context.info_name in _ONLY_LOOK:
        return
    if os.environ.get("DRY_RUN", "").lower() not in FALSE:
        raise SettingsError(
            f"{context.info_name} has no dry run, and DRY_RUN is set. Nothing was done.",
            hint=Hint(make("help"), " lists what takes DRY_RUN=1; leave it out to carry this out."),
        )


JSON = flag("json", False, "One JSON object on stdout; words for people on stderr.")
WHY = click.option("--why", envvar="WHY", default="", help="Goes on record with the run.")
CONFIRM = click.option("--confirm", envvar="CONFIRM", default="", help="The environment's name, typed.")
DRY_RUN = flag("dry-run", False, "Say what would be done and why; touch nothing.")
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
            sys.exit(
                _told(SettingsError(error.format_message(), hint=Hint(make("help"), " lists what there is.")))
            )
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            trouble = LedgerError(
                f"{place}{error.strerror or error}.", hint=Hint(make("doctor"), " looks at it.")
            )
            sys.exit(_told(trouble))
        except (KeyboardInterrupt, click.Abort):
            kill_all()
            sys.exit(_told(_interrupted()))
        except Exception as error:  # noqa: BLE001 - who asked for JSON gets it, whatever went wrong
            sys.stderr.write(mask_secrets(traceback.format_exc()))
            message = mask_secrets(f"{type(error).__name__}: {error}")
            sys.exit(_told(LedgerError(message, hint=Hint("Not foreseen: report it with the lines above."))))


def _interrupted() -> LedgerError:
    """Somebody ended it, or its time was over."""
    if minutes := deadline.expired_minutes():
        message, hint = deadline.deadline_message(minutes)
        return LedgerError(message, hint=hint)
    return LedgerError("Interrupted.", hint=Hint("Nothing half-done was kept. Run it again."))


def _told(error: LedgerError) -> int:
    terminal = Terminal(as_json=json_wanted(), environment=_named())
    Progress(terminal).clear()
    terminal.error(error.message, error.hint)
    details = {"message": error.message, "hint": error.hint, "kind": type(error).__name__}
    environment = os.environ.get("LEDGER_ENV")
    terminal.finish({"environment": environment, "exit_code": error.exit_code, "error": details})
    return error.exit_code
