"""Watches: looks, reports, and leaves a sign of life. Called by sensors, and by cron when those are dead."""

import json
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import clock, regular_files
from ledgerflow_ops.adapters.system.process import mask
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
"""So long a sensor that is due every minute may be silent: the daemon starts anew, a tick takes long."""
_WATCHDOG = "watchdog"
"""Who says which watches are silent: the watchdog, and the machine's watch of the others."""


def watch_environment(ctx: OperationContext, name: Environment) -> HealthReport:
    """Watch one environment; what was found."""
    return _watch(ctx, str(name), name, lambda: health_checks.examine_environment(ctx.env(name)))


def watch_machine(ctx: OperationContext) -> list[Finding]:
    """Watch the machine, and whether the other watches of a daemon give signs of life; what was found."""
    mute = find_silent_watches(ctx, but=MACHINE)
    alerts.report(ctx, _WATCHDOG, mute)
    return [*mute, *_watch_machine_alone(ctx)]


def _watch_machine_alone(ctx: OperationContext) -> list[Finding]:
    return _watch(ctx, MACHINE, None, lambda: HealthReport(health_checks.find_machine_problems(ctx))).findings


def _watch(
    ctx: OperationContext, name: str, about: Environment | None, look: Callable[[], HealthReport]
) -> HealthReport:
    """Look and report. That nothing could be seen is told as such: what was found before then stands.

    No error ends the watch: whoever watches goes on with the next.
    """
    try:
        found = look()
    except Exception as error:  # noqa: BLE001 - a mistake of ours must be told like any other trouble
        trouble = _watch_failure(about, error)
        if not isinstance(error, LedgerError | OSError):
            ctx.reporter.say(mask(traceback.format_exc()))
        alerts.report(ctx, f"watching:{name}", [trouble])
        return HealthReport([trouble])
    alerts.report(ctx, f"watching:{name}", [])
    alerts.report(ctx, f"watch:{name}", found.findings)
    return found


def _watch_failure(about: Environment | None, error: Exception) -> Finding:
    why = error.message if isinstance(error, LedgerError) else mask(f"{type(error).__name__}: {error}")
    hint = error.hint if isinstance(error, LedgerError) else Hint(make("doctor"))
    text = f"{(about or 'the machine').capitalize()} cannot be watched: {why}"
    return Finding(about, "unwatched", "", Level.CRITICAL, text, hint)


def run_watchdog(ctx: OperationContext) -> list[Alert]:
    """Everything a daemon would see, and whether there is one; what is open now.

    For cron or launchd: it needs nothing that runs already.
    """
    alerts.report(ctx, _WATCHDOG, find_silent_watches(ctx))
    for name in expected_watches(ctx):
        if name == MACHINE:
            _watch_machine_alone(ctx)
        elif name != RUNS:
            watch_environment(ctx, Environment(name))
    return alerts.open_alerts(ctx)


def find_silent_watches(ctx: OperationContext, but: str = "") -> list[Finding]:
    """Whether a daemon that runs is at work. (That one is dead, the watch of the machine says.)

    `but` is the watch that asks, and so is alive.
    """
    process = Server("daemon", ctx.settings.state_dir).running()
    if process is None:
        return []
    since = ctx.clock() - datetime.fromtimestamp(process.create_time(), ctx.clock().tzinfo)
    ages = {name: heartbeat_age(ctx, name) for name in expected_watches(ctx) if name != but}
    mute = {
        name: age for name, age in ages.items() if since > MAX_SILENCE and (age is None or age > MAX_SILENCE)
    }
    if not mute:
        return []
    told = ", ".join(
        f"{name} ({format_duration(age) if age else 'never heard of'})" for name, age in mute.items()
    )
    text = f"The daemon runs, but its sensors are silent: {told}."
    hint = Hint(make("down"), "; ", make("up"), "; are the sensors switched on in the web page?")
    return [Finding(None, "daemon", "silent", Level.CRITICAL, text, hint)]


def expected_watches(ctx: OperationContext) -> list[str]:
    """The watches that have to be alive: of every environment that is backed up by itself, and the others."""
    own = [str(name) for name, one in ctx.settings.environments.items() if one.is_scheduled]
    return [*own, MACHINE, RUNS]


def write_heartbeat(ctx: OperationContext, name: str) -> None:
    """Leave a sign of life of the watch `name`."""
    facts = {"at": ctx.clock().isoformat(), "awake": clock.awake()}
    durable_record.write(ctx.settings.state_dir / "heartbeats", name, json.dumps(facts))


def heartbeat_age(ctx: OperationContext, name: str) -> timedelta | None:
    """For how long the watch `name` has given no sign of life; None when it never did.

    Time that the machine slept through does not count, nor does a clock that was put forward: nobody could
    have given one. After a boot the clock has to do.
    """
    try:
        facts = regular_files.fields(ctx.settings.state_dir / "heartbeats" / name)
        awake = clock.awake() - float(facts["awake"])
        if awake >= 0:
            return timedelta(seconds=awake)
        return abs(ctx.clock() - datetime.fromisoformat(facts["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
