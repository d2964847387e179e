"""The command that gets the backups of days that have passed: backfill."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import click
from rich.table import Table

from ledgerflow_ops.adapters.system import deadline
from ledgerflow_ops.commands.calls import DRY_RUN, JSON, WHY, Call
from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.finished_run import INTERRUPTION, FinishedRun
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.schedule import backfill_plan as judging
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
    """A day's plan and what came of it; no outcome where nothing had to be done, or could be."""

    plan: DayPlan
    outcome: FinishedRun | None = None

    @property
    def well(self) -> bool:
        if self.outcome:
            return self.outcome.failure is None
        return self.plan.verdict is DayVerdict.KEPT

    @property
    def words(self) -> tuple[str, Hint]:
        """What came of it, and the hint where it did not go well."""
        failure = self.outcome.failure if self.outcome else None
        if failure:
            return f"failed: {failure.message}", failure.hint
        if self.plan.verdict is DayVerdict.REFUSE:
            return f"refused: {self.plan.why}", self.plan.hint
        return f"{_DONE[self.plan.verdict]}: {self.plan.why}", NO_HINT

    def as_json(self) -> dict[str, Any]:
        failure = self.outcome.failure if self.outcome else None
        told = {"message": failure.message, "hint": failure.hint} if failure else None
        run_id = self.outcome.run_id if self.outcome else None
        return {**self.plan.as_json(), "run_id": run_id, "done": self.well, "error": told}


@click.command()
@click.option("--day", envvar="DAY", default="", help="One day, as 2026-11-23.")
@click.option("--from", "first", envvar="FROM", default="", help="The first day; the window's if left out.")
@click.option("--to", "last", envvar="TO", default="", help="The last day; yesterday if left out.")
@WHY
@DRY_RUN
@JSON
def backfill(day: str, first: str, last: str, why: str, dry_run: bool, json: bool) -> None:
    """Get the backups of days that have passed, from wherever there is one."""
    call = Call(json, why)
    env = call.env()
    sys.exit(fill(env, call.terminal, (day, first, last), dry_run=dry_run))


def fill(env: EnvironmentContext, terminal: Terminal, asked: tuple[str, str, str], *, dry_run: bool) -> int:
    """Get the backups of the days `asked` for (DAY, FROM, TO), one after the other; the exit code.

    First the plan, which `dry_run` stops at. 0 when every day has its backup, 1 when one has not. A day
    that has to be refused makes no run: it stays missing.
    """
    from ledgerflow_ops.defs.terminal_runs import days_shown

    plans = _planned(env, judging.requested_days(*asked, days_shown(env)))
    terminal.table(_table(plans))
    if dry_run:
        refused = [_Result(one) for one in plans if one.verdict is DayVerdict.REFUSE]
        _told(terminal, refused)
        return _finish(env, terminal, [_Result(one) for one in plans], 1 if refused else 0, dry_run=True)
    results = list[_Result]()
    for plan in plans:
        results.append(_carried_out(env, terminal, plan))
        outcome = results[-1].outcome
        if outcome and (outcome.failure == INTERRUPTION or deadline.expired_minutes()):
            break
    _tell(env, terminal, results)
    well = len(results) == len(plans) and all(one.well for one in results)
    return _finish(env, terminal, results, 0 if well else 1, dry_run=False)


def _planned(env: EnvironmentContext, days: Sequence[date]) -> list[DayPlan]:
    """The plan of each day. A backup that counts but that Dagster knows nothing of is proven once more."""
    from ledgerflow_ops.defs.terminal_runs import days_drilled
    from ledgerflow_ops.operations.backfill import missed_days

    known = days_drilled(env)
    plans = [missed_days.plan_backfill(env, day) for day in days]
    return [
        replace(one, verdict=DayVerdict.PROVE, why=f"{one.why}, but not on Dagster's record")
        if one.verdict is DayVerdict.KEPT and one.day.isoformat() not in known
        else one
        for one in plans
    ]


def _carried_out(env: EnvironmentContext, terminal: Terminal, plan: DayPlan) -> _Result:
    if plan.verdict in (DayVerdict.KEPT, DayVerdict.REFUSE):
        return _Result(plan)
    from ledgerflow_ops.defs.terminal_runs import run

    outcome = run(env, BackupRequest(), plan.day)
    clear(env.ctx.reporter)
    result = _Result(plan, outcome)
    terminal.say(f"{plan.day} {result.words[0]}", "green" if result.well else "red")
    return result


def _table(plans: Sequence[DayPlan]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("day", "to do", "why"):
        table.add_column(column, overflow="fold")
    for one in plans:
        table.add_row(one.day.isoformat(), str(one.verdict), one.why)
    return table


def _tell(env: EnvironmentContext, terminal: Terminal, results: Sequence[_Result]) -> None:
    wanting = [one for one in results if not one.well]
    _told(terminal, wanting)
    have = len(results) - len(wanting)
    style = "bold red" if wanting else "bold green"
    terminal.say(f"{env.environment}: {have} of {len(results)} days have their backup.", style)


def _told(terminal: Terminal, wanting: Sequence[_Result]) -> None:
    """What is wrong with days. Refused ones have their reasons in the plan: several are told at once."""
    for (failed, hint), group in groupby(wanting, key=lambda one: (one.outcome is not None, one.words[1])):
        days = list(group)
        if failed or len(days) == 1:
            for one in days:
                terminal.error(f"{one.plan.day} {one.words[0]}", hint)
        else:
            named = ", ".join(str(one.plan.day) for one in days)
            terminal.error(f"{len(days)} days refused, for the reasons above: {named}.", hint)


def _finish(
    env: EnvironmentContext, terminal: Terminal, results: Sequence[_Result], code: int, *, dry_run: bool
) -> int:
    days = [one.as_json() for one in results]
    terminal.finish(
        {"environment": str(env.environment), "dry_run": dry_run, "days": days, "exit_code": code}
    )
    return code


COMMANDS = (backfill,)
