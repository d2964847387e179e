"""Watches environments and machine: examines, reports, writes heartbeats. Called by sensors and by cron."""

import json
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import clock, regular_files
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.alerting.alert_policy import Omissions
from ledgerflow_ops.core.alerting.findings import Alert, Finding, Level
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.watches import MACHINE, RUNS
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.background_process import Server
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.monitoring import health_checks
from ledgerflow_ops.operations.monitoring.health_checks import HealthReport

MAX_SILENCE = timedelta(minutes=10)
"""How long a sensor that is due every minute may be silent: a daemon's restart or a tick may take long."""
_WATCHDOG = "watchdog"
"""The source of findings about silent watches, reported by the watchdog and by the machine's watch."""
_SILENT = ("machine", "daemon", "silent")
"""The key of that finding."""


def watch_environment(ctx: OperationContext, name: Environment) -> HealthReport:
    """Examine one environment and report; returns what was found."""
    return _watch(ctx, str(name), name, lambda: health_checks.examine_environment(ctx.env(name)))


def watch_machine(ctx: OperationContext) -> list[Finding]:
    """Examine the machine and the heartbeats of a daemon's other watches; returns what was found."""
    silent = _report_silent_watches(ctx, but=MACHINE)
    return [*silent, *_watch_machine_alone(ctx)]


def _report_silent_watches(ctx: OperationContext, but: str = "") -> list[Finding]:
    """Report silent watches. One that was silent stays so until it has written a heartbeat: neither a stopped
    daemon nor one that has just been started shows that its sensors work.
    """
    silent = find_silent_watches(ctx, but)
    heard = all(age is not None and age <= MAX_SILENCE for age in _heartbeat_ages(ctx, but).values())
    if not Server("daemon", ctx.settings.state_dir).remembered():  # it was stopped on purpose
        omissions = Omissions(outdated=(_SILENT,))
    else:
        omissions = Omissions(unseen=() if heard else ("heartbeats",))
    alerts.report(ctx, _WATCHDOG, silent, omissions)
    return silent


def _watch_machine_alone(ctx: OperationContext) -> list[Finding]:
    return _watch(ctx, MACHINE, None, lambda: health_checks.examine_machine(ctx)).findings


def _watch(
    ctx: OperationContext, name: str, environment: Environment | None, examine: Callable[[], HealthReport]
) -> HealthReport:
    """Examine and report. If the examination fails, that is reported, and earlier findings stay open.

    No error is raised, so that the caller goes on with the next watch.
    """
    try:
        health = examine()
    except Exception as error:  # noqa: BLE001 - a fault of ours must be reported like any other
        trouble = _watch_failure(environment, error)
        if not isinstance(error, LedgerError | OSError):
            ctx.reporter.say(mask_secrets(traceback.format_exc()))
        alerts.report(ctx, f"watching:{name}", [trouble])
        return HealthReport([trouble])
    alerts.report(ctx, f"watching:{name}", [])
    alerts.report(ctx, f"watch:{name}", health.findings, Omissions(unseen=health.unseen))
    return health


def _watch_failure(about: Environment | None, error: Exception) -> Finding:
    why = (
        error.message if isinstance(error, LedgerError) else mask_secrets(f"{type(error).__name__}: {error}")
    )
    hint = error.hint if isinstance(error, LedgerError) else Hint(make("doctor"))
    text = f"{(about or 'the machine').capitalize()} cannot be watched: {why}"
    return Finding(about, "unwatched", "", Level.CRITICAL, text, hint)


def run_watchdog(ctx: OperationContext) -> list[Alert]:
    """Run all watches of a daemon, and check that it runs; returns the open alerts.

    For cron or launchd: it needs no running server.
    """
    _report_silent_watches(ctx)
    for name in expected_watches(ctx):
        if name == MACHINE:
            _watch_machine_alone(ctx)
        elif name != RUNS:
            watch_environment(ctx, Environment(name))
    return alerts.open_alerts(ctx)


def find_silent_watches(ctx: OperationContext, but: str = "") -> list[Finding]:
    """Whether a running daemon's watches write heartbeats. (The machine's watch reports a dead daemon.)

    `but` is the calling watch, which is alive.
    """
    process = Server("daemon", ctx.settings.state_dir).running()
    if process is None:
        return []
    since = ctx.clock() - datetime.fromtimestamp(process.create_time(), ctx.clock().tzinfo)
    silent = {
        name: age
        for name, age in _heartbeat_ages(ctx, but).items()
        if since > MAX_SILENCE and (age is None or age > MAX_SILENCE)
    }
    if not silent:
        return []
    listed = ", ".join(
        f"{name} ({format_duration(age) if age else 'no heartbeat ever'})" for name, age in silent.items()
    )
    text = f"The daemon runs, but its sensors are silent: {listed}."
    hint = Hint(make("down"), "; ", make("up"), "; are the sensors switched on in the web page?")
    return [Finding(None, *_SILENT[1:], Level.CRITICAL, text, hint, part="heartbeats")]


def _heartbeat_ages(ctx: OperationContext, but: str) -> dict[str, timedelta | None]:
    return {name: heartbeat_age(ctx, name) for name in expected_watches(ctx) if name != but}


def expected_watches(ctx: OperationContext) -> list[str]:
    """The watches that have to be alive: of every scheduled environment, the machine and the runs."""
    environments = [
        str(name) for name, settings in ctx.settings.environments.items() if settings.is_scheduled
    ]
    return [*environments, MACHINE, RUNS]


def write_heartbeat(ctx: OperationContext, name: str) -> None:
    """Write the heartbeat of the watch `name`."""
    facts = {"at": ctx.clock().isoformat(), "awake": clock.monotonic()}
    durable_record.write(ctx.settings.state_dir / "heartbeats", name, json.dumps(facts))


def heartbeat_age(ctx: OperationContext, name: str) -> timedelta | None:
    """The time since the last heartbeat of the watch `name`; None when there never was one.

    Time during which the machine slept does not count, nor do changes of the clock. Only after a boot is the
    clock used.
    """
    try:
        facts = regular_files.read_json(ctx.settings.state_dir / "heartbeats" / name)
        awake = clock.monotonic() - float(facts["awake"])
        if awake >= 0:
            return timedelta(seconds=awake)
        return abs(ctx.clock() - datetime.fromisoformat(facts["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
