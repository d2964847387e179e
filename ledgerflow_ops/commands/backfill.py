"""The command backfill: gets the backups of past days."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import click
from rich.table import Table

from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.commands.calls import DRY_RUN, ENV, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, option
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.finished_run import INTERRUPTION, FinishedRun
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.schedule import backfill_plan
from ledgerflow_ops.core.schedule.backfill_plan import DayPlan, DayVerdict
from ledgerflow_ops.operations.context import EnvironmentContext

_DONE = {
    DayVerdict.KEPT: "kept",
    DayVerdict.PROVE: "proven",
    DayVerdict.ADOPT: "adopted",
    DayVerdict.TAKE: "taken",
}


@dataclass(frozen=True, slots=True)
class _Result:
    """A day's plan and its outcome, None where nothing had to be done or nothing could be done."""

    plan: DayPlan
    outcome: FinishedRun | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the day has its backup now."""
        if self.outcome:
            return self.outcome.failure is None
        return self.plan.verdict is DayVerdict.KEPT

    @property
    def message_and_hint(self) -> tuple[str, Hint]:
        """The result in words, and a hint if it did not succeed."""
        failure = self.outcome.failure if self.outcome else None
        if failure:
            return f"failed: {failure.message}", failure.hint
        if self.plan.verdict is DayVerdict.REFUSE:
            return f"refused: {self.plan.why}", self.plan.hint
        return f"{_DONE[self.plan.verdict]}: {self.plan.why}", NO_HINT

    def as_json(self) -> dict[str, Any]:
        failure = self.outcome.failure if self.outcome else None
        error = {"message": failure.message, "hint": failure.hint} if failure else None
        run_id = self.outcome.run_id if self.outcome else None
        return {**self.plan.as_json(), "run_id": run_id, "done": self.succeeded, "error": error}


@click.command(
    cls=Command,
    examples=("backfill --env prod --dry-run", "backfill --env prod --from 2026-11-20 --to 2026-11-22"),
)
@ENV
@option("--day", envvar="DAY", default="", metavar="DAY", text="One day, such as 2026-11-23.")
@option(
    "--from",
    "first",
    envvar="FROM",
    default="",
    metavar="DAY",
    text="The first day (default: the first of the retention window).",
)
@option("--to", "last", envvar="TO", default="", metavar="DAY", text="The last day (default: yesterday).")
@WHY
@DRY_RUN
@JSON
def backfill(day: str, first: str, last: str, why: str, dry_run: bool, json: bool) -> None:
    """Get the missing backups of past days, from wherever there is a copy.

    A day's backup is taken from the environment's folder or from an archive folder, and proven. Exit code 1
    when a day has none.
    """
    call = Call(json, why)
    env = call.env()
    sys.exit(backfill_days(env, call.terminal, (day, first, last), dry_run=dry_run))


def backfill_days(
    env: EnvironmentContext, terminal: Terminal, span: tuple[str, str, str], *, dry_run: bool
) -> int:
    """Get the backups of the days in `span` (DAY, FROM, TO), one after the other; the exit code.

    Prints the plan first; with `dry_run` that is all. Returns 0 if every day has its backup, else 1.
    A refused day starts no run and stays missing. Where neither DAY nor FROM is given, the days before the
    environment's first backup are left out: none was due then.
    """
    from ledgerflow_ops.defs.terminal_runs import displayed_days

    plans = _plans(env, backfill_plan.requested_days(*span, displayed_days(env)))
    plans, never_due = (plans, "") if any(span[:2]) else _without_days_never_due(env, plans)
    if plans:
        terminal.table(_table(plans))
    if never_due:
        terminal.say(never_due)
    if dry_run:
        refused = [_Result(plan) for plan in plans if plan.verdict is DayVerdict.REFUSE]
        _print_errors(terminal, refused)
        return _finish(env, terminal, [_Result(plan) for plan in plans], 1 if refused else 0, dry_run=True)
    results = list[_Result]()
    for plan in plans:
        results.append(_run_plan(env, terminal, plan))
        outcome = results[-1].outcome
        if outcome and (outcome.failure == INTERRUPTION or deadline.expired_minutes()):
            break
    _print_summary(env, terminal, results)
    complete = len(results) == len(plans) and all(result.succeeded for result in results)
    return _finish(env, terminal, results, 0 if complete else 1, dry_run=False)


def _plans(env: EnvironmentContext, days: Sequence[date]) -> list[DayPlan]:
    """The plan of each day. A proven backup whose drill is not in Dagster's storage is proven again."""
    from ledgerflow_ops.defs.terminal_runs import drilled_days
    from ledgerflow_ops.operations.backfill import missed_days

    known = drilled_days(env)
    plans = [missed_days.plan_backfill(env, day) for day in days]
    return [
        replace(plan, verdict=DayVerdict.PROVE, why=f"{plan.why}, but not on Dagster's record")
        if plan.verdict is DayVerdict.KEPT and plan.day.isoformat() not in known
        else plan
        for plan in plans
    ]


def _without_days_never_due(env: EnvironmentContext, plans: list[DayPlan]) -> tuple[list[DayPlan], str]:
    from ledgerflow_ops.operations.backfill import missed_days

    first = missed_days.first_day(env)
    return backfill_plan.without_days_never_due(env.environment, plans, first, env.today())


def _run_plan(env: EnvironmentContext, terminal: Terminal, plan: DayPlan) -> _Result:
    if plan.verdict in (DayVerdict.KEPT, DayVerdict.REFUSE):
        return _Result(plan)
    from ledgerflow_ops.defs.terminal_runs import run_job

    outcome = run_job(env, BackupRequest(), plan.day)
    clear(env.ctx.reporter)
    result = _Result(plan, outcome)
    terminal.say(f"{plan.day} {result.message_and_hint[0]}", "green" if result.succeeded else "red")
    return result


def _table(plans: Sequence[DayPlan]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("day", "to do", "why"):
        table.add_column(column, overflow="fold")
    for plan in plans:
        table.add_row(plan.day.isoformat(), str(plan.verdict), plan.why)
    return table


def _print_summary(env: EnvironmentContext, terminal: Terminal, results: Sequence[_Result]) -> None:
    missing = [result for result in results if not result.succeeded]
    _print_errors(terminal, missing)
    if not results:
        return
    present = len(results) - len(missing)
    style = "bold red" if missing else "bold green"
    terminal.say(f"{env.environment}: backups of {present} of {count_of(len(results), 'day')}.", style)


def _print_errors(terminal: Terminal, missing: Sequence[_Result]) -> None:
    """Print the errors of days, refused days with the same hint in one line: the plan has their reasons."""
    for (failed, hint), group in groupby(
        missing, key=lambda result: (result.outcome is not None, result.message_and_hint[1])
    ):
        days = list(group)
        if failed or len(days) == 1:
            for result in days:
                terminal.error(f"{result.plan.day} {result.message_and_hint[0]}", hint)
        else:
            named = ", ".join(str(result.plan.day) for result in days)
            terminal.error(f"{len(days)} days refused, for the reasons above: {named}.", hint)


def _finish(
    env: EnvironmentContext, terminal: Terminal, results: Sequence[_Result], code: int, *, dry_run: bool
) -> int:
    days = [result.as_json() for result in results]
    terminal.finish(
        {"environment": str(env.environment), "dry_run": dry_run, "days": days, "exit_code": code}
    )
    return code


COMMANDS = (backfill,)
