"""A call of the program: its options, its terminal, and how errors become messages and exit codes."""

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

_READ_ONLY = {"status", "journal", "report", "metrics", "doctor", "safety-check"}
"""Commands that change nothing and therefore ignore DRY_RUN=1."""

_TIME_LIMITED = {
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
"""Commands that are ended after `backup_minutes`."""


class Flag(click.ParamType[bool]):
    """An option or variable that is 1 or 0; SettingsError (exit code 2) for anything else."""

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
    """An option `--name` that also reads the environment variable NAME."""
    variable = name.upper().replace("-", "_")
    return click.option(
        f"--{name}", type=Flag(), envvar=variable, default=default, is_flag=False, flag_value="1", help=text
    )


class Call:
    """One call of the program: its terminal, settings and operation context."""

    def __init__(self, as_json: bool, why: str = "") -> None:
        _refuse_unsupported_dry_run()
        self.terminal = Terminal(as_json=as_json, environment=_named_environment())
        self.progress = Progress(self.terminal)
        self.settings = config.load()
        run = RunFacts(run_id="", who=account_name(), why=why)
        self.ctx = OperationContext(self.settings, self.progress, run=run)

    def env(self) -> EnvironmentContext:
        """The environment that LEDGER_ENV names; SettingsError unless it is dev, test or prod.

        Starts the time limit of commands that have one: `backup_minutes`, as for the daemon's runs.
        """
        env = self.ctx.env(Environment.parse(os.environ.get("LEDGER_ENV")))
        if click.get_current_context().info_name in _TIME_LIMITED:
            deadline.start_deadline(env.settings.backup_minutes)
        return env

    def envs(self) -> list[EnvironmentContext]:
        """The environment that LEDGER_ENV names; all three if it is not set."""
        if os.environ.get("LEDGER_ENV"):
            return [self.env()]
        return [self.ctx.env(environment) for environment in Environment]


def _named_environment() -> str:
    """The environment that LEDGER_ENV names; empty if it names none."""
    named = os.environ.get("LEDGER_ENV", "")
    return named if named in {str(environment) for environment in Environment} else ""


def _refuse_unsupported_dry_run() -> None:
    """SettingsError if DRY_RUN=1 is set for a command that has no dry run and would act despite it."""
    context = click.get_current_context()
    known = {option.name for option in context.command.params}
    if "dry_run" in known or context.info_name in _READ_ONLY:
        return
    if os.environ.get("DRY_RUN", "").lower() not in FALSE:
        raise SettingsError(
            f"{context.info_name} has no dry run, and DRY_RUN is set. Nothing was done.",
            hint=Hint(make("help"), " lists the commands with DRY_RUN=1; leave it out to run this one."),
        )


JSON = flag("json", False, "Print one JSON object on stdout; messages for people go to stderr.")
WHY = click.option("--why", envvar="WHY", default="", help="The reason, recorded with the run.")
CONFIRM = click.option(
    "--confirm", envvar="CONFIRM", default="", help="The environment's name, as confirmation."
)
DRY_RUN = flag("dry-run", False, "Print what would be done and why; change nothing.")
FILE = click.option("--file", envvar="FILE", default=None, help="A backup's file name.")


class Commands(click.Group):
    """Turns every error into a message, a hint and an exit code, and into JSON if that was requested."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **{**options, "standalone_mode": False})
        except LedgerError as error:
            sys.exit(_report_error(error))
        except click.exceptions.Exit as ended:
            sys.exit(ended.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            sys.exit(
                _report_error(
                    SettingsError(error.format_message(), hint=Hint(make("help"), " lists the commands."))
                )
            )
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            trouble = LedgerError(
                f"{place}{error.strerror or error}.", hint=Hint(make("doctor"), " examines it.")
            )
            sys.exit(_report_error(trouble))
        except (KeyboardInterrupt, click.Abort):
            kill_all()
            sys.exit(_report_error(_interrupted()))
        except Exception as error:  # noqa: BLE001 - a caller that asked for JSON gets it in any case
            sys.stderr.write(mask_secrets(traceback.format_exc()))
            message = mask_secrets(f"{type(error).__name__}: {error}")
            sys.exit(
                _report_error(
                    LedgerError(message, hint=Hint("This is a bug: report it with the lines above."))
                )
            )


def _interrupted() -> LedgerError:
    """The error for a call that a person or its time limit has ended."""
    if minutes := deadline.expired_minutes():
        message, hint = deadline.deadline_message(minutes)
        return LedgerError(message, hint=hint)
    return LedgerError("Interrupted.", hint=Hint("No incomplete result was kept. Run it again."))


def _report_error(error: LedgerError) -> int:
    """Print the error for people and as JSON; returns its exit code."""
    terminal = Terminal(as_json=json_wanted(), environment=_named_environment())
    Progress(terminal).clear()
    terminal.error(error.message, error.hint)
    details = {"message": error.message, "hint": error.hint, "kind": type(error).__name__}
    environment = os.environ.get("LEDGER_ENV")
    terminal.finish({"environment": environment, "exit_code": error.exit_code, "error": details})
    return error.exit_code
