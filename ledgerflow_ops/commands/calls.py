"""A call of the program: its options, its terminal, and how errors become messages and exit codes."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ledgerflow_ops import config
from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.adapters.system.locks import account_name
from ledgerflow_ops.adapters.system.process import kill_all, mask_secrets
from ledgerflow_ops.commands import completion
from ledgerflow_ops.commands.command_line import (
    HELP_WIDTH,
    environment,
    file,
    flag,
    option,
    usage_hint,
    usage_message,
)
from ledgerflow_ops.commands.json_flag import FALSE, json_wanted
from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.finished_run import INTERRUPTION
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_READ_ONLY = {"status", "journal", "report", "metrics", "doctor", "safety-check", "storage"}
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
    "archive",
    "repair",
}
"""Commands that are ended after `backup_minutes`."""


class Call:
    """One call of the program: its terminal, settings and operation context."""

    def __init__(self, as_json: bool, why: str = "", *, silent: bool = False) -> None:
        _refuse_unsupported_dry_run()
        self.terminal = Terminal(as_json=as_json, environment=_named_environment())
        self.progress = Progress(self.terminal, silent=silent)
        click.get_current_context().call_on_close(self.progress.clear)  # also when it is interrupted
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


ENV = environment("The environment. There is no default.")
ANY_ENV = environment("The environment (default: all three).")
JSON = flag("json", False, "Print one JSON object on stdout; messages for people go to stderr.")
WHY = option("--why", envvar="WHY", default="", text="The reason, recorded with the run.")
CONFIRM = option(
    "--confirm",
    envvar="CONFIRM",
    default="",
    metavar="|".join(Environment),
    shell_complete=completion.environments,
    text="The environment's name, typed as confirmation where it is required.",
)
DRY_RUN = flag("dry-run", False, "Print what would be done and why; change nothing.")
FILE = file(
    "The backup: its name, a path in the environment's folder, a day (2026-11-23), latest or latest-proven. "
    "LOCATION:NAME reads it from an archive location."
)


_EXIT_CODES = (
    ("0", "done"),
    ("1", "failed; nothing unfinished was kept"),
    ("2", "usage or settings; nothing was tried"),
    ("3", "refused by a guard; nothing was changed"),
    ("4", "the backup is bad"),
    ("5", "could not be judged, or the dump lacks an object that the account may not read"),
)


class Commands(click.Group):
    """Turns every error into a message, a hint and an exit code, and into JSON if that was requested.

    `sections` are the commands by their heading in the help.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[click.Command]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.sections = sections
        for listed in sections.values():
            for command in listed:
                self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands in their sections, with their whole first sentence."""
        width = max(map(len, self.commands))
        for heading, listed in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (f"{command.name:<{width}}", command.get_short_help_str(limit=HELP_WIDTH * 2))
                        for command in listed
                    ]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes, and where to read on."""
        with formatter.section("Exit codes"):
            formatter.write_dl(_EXIT_CODES)
        formatter.write_paragraph()
        formatter.write_text(f"{ctx.command_path} COMMAND --help describes a command, with examples.")

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
            sys.exit(_report_error(SettingsError(usage_message(error), hint=usage_hint(error))))
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
    return LedgerError(INTERRUPTION.message, hint=INTERRUPTION.hint)


def _report_error(error: LedgerError) -> int:
    """Print the error for people and as JSON; returns its exit code."""
    terminal = Terminal(as_json=json_wanted(), environment=_named_environment())
    terminal.error(error.message, error.hint)
    details = {"message": error.message, "hint": error.hint, "kind": type(error).__name__}
    environment = os.environ.get("LEDGER_ENV")
    terminal.finish({"environment": environment, "exit_code": error.exit_code, "error": details})
    return error.exit_code
