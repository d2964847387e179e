"""The command audit: compare the backups with their signed history."""

import sys

import click

from ledgerflow_ops.commands.calls import ANY_ENV, JSON, WHY, Call
from ledgerflow_ops.commands.command_line import Command, flag
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history.audit import AuditReport

FULL = flag("full", False, "Read every dump as well.")
ACCEPT = flag("accept", False, "Record that what was found is right. Needs --why.")


@click.command(cls=Command, examples=("audit", "audit --env prod --full"))
@ANY_ENV
@FULL
@ACCEPT
@WHY
@JSON
def audit(full: bool, accept: bool, why: str, json: bool) -> None:
    """Compare the backups with their signed history: edits, removals, forged proofs, a folder put back.

    Exit code 4 if anything contradicts the history, 5 if it could not be judged.
    """
    from ledgerflow_ops.operations.history import acceptance
    from ledgerflow_ops.operations.history import audit as operation

    call = Call(json, why)
    if accept:
        env = call.env()
        found = acceptance.accept(env, why)
        _print_accepted(env, found, call.terminal)
        return
    reports = [operation.audit(env, full=full) for env in call.envs()]
    for report in reports:
        _print(report, call.terminal)
    worst = max((report.exit_code for report in reports), key=(0, 5, 4).index)
    call.terminal.finish(
        {"environments": {report.environment: report.as_json() for report in reports}, "exit_code": worst}
    )
    sys.exit(worst)


def _print(report: AuditReport, terminal: Terminal) -> None:
    if report.entries:
        terminal.say(
            f"{report.environment}: {count_of(report.entries, 'entry', 'entries')} since "
            f"{report.since:%Y-%m-%d}, head {report.head[:16]}…, public key {report.public_key}"
        )
        if report.earlier:
            terminal.say(f"  {count_of(report.earlier, 'backup')} from before the history: not signed then")
        for place, entries in report.anchors.items():
            behind = "" if entries == report.entries else " (behind)"
            terminal.say(f"  anchored in {place}: entry {entries}{behind}")
    for note in report.notes:
        terminal.say(f"{report.environment}: {note}", "dim")
    for fault in report.faults:
        hint = fault.hint.within(report.environment)
        terminal.error(f"{report.environment}, entry {fault.n}: {fault.message}", hint)
    if report.trouble:
        terminal.error(f"{report.environment}: {report.trouble.message}", report.trouble.hint)
    elif report.entries and not report.faults:
        terminal.say(f"{report.environment}: nothing contradicts the history.")


def _print_accepted(env: EnvironmentContext, found: AuditReport, terminal: Terminal) -> None:
    for fault in found.faults:
        terminal.say(f"accepted: entry {fault.n}: {fault.message}")
    if not found.faults:
        terminal.say(f"Nothing in {env.environment} contradicts the history: there was nothing to accept.")
    fields = {"accepted": [fault.message for fault in found.faults], "exit_code": 0}
    terminal.finish({"environment": env.environment, **fields})


COMMANDS = (audit,)
