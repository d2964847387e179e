"""The commands for the servers and for alerts: up, down, alert-test, watchdog."""

import sys

import click

from ledgerflow_ops.commands.calls import JSON, Call
from ledgerflow_ops.commands.command_line import Command, flag
from ledgerflow_ops.core.hints import Hint, make


@click.command(cls=Command, examples=("up",))
@JSON
def up(json: bool) -> None:
    """Start the web page, the viewers' page if it is configured, and the daemon, on loopback.

    It prints the addresses, and a link that opens the page once.
    """
    from ledgerflow_ops.adapters.services.web_sessions import GOOD_FOR
    from ledgerflow_ops.operations.servers import start_times, web_servers

    call = Call(json)
    call.progress.expect(start_times.last_start(call.settings.state_dir))
    address = web_servers.up(call.ctx)
    viewers = web_servers.viewers_address(call.ctx)
    link, viewers_link = web_servers.login_links(call.ctx)
    call.progress.clear()
    call.terminal.say(f"The web page is at {address}")
    call.terminal.say(
        f"Open it with this link, which works once, for {GOOD_FOR.seconds // 60} minutes: {link}"
    )
    if viewers:
        call.terminal.say(f"Viewers, who can change nothing, use {viewers}")
        call.terminal.say(f"Their link, which also works once: {viewers_link}")
    call.terminal.say(Hint(make("down"), " stops it, the daemon and the embedded PostgreSQL."))
    metrics = web_servers.metrics_address(call.ctx)
    call.terminal.say(f"The metrics for Prometheus are at {metrics}")
    pages = {"address": address, "link": link}
    if viewers:
        pages |= {"viewers": viewers, "viewers_link": viewers_link}
    call.terminal.finish({**pages, "metrics": metrics})


@click.command(cls=Command, examples=("down",))
@JSON
def down(json: bool) -> None:
    """Stop the web pages, the daemon and the embedded PostgreSQL. Every session on the pages ends."""
    from ledgerflow_ops.operations.servers import web_servers

    call = Call(json)
    stopped = web_servers.down(call.ctx)
    call.terminal.say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    call.terminal.finish({"stopped": stopped})


@click.command("alert-test", cls=Command, examples=("alert-test",))
@JSON
def alert_test(json: bool) -> None:
    """Send a test message through every alert channel."""
    from ledgerflow_ops.operations.alerting import alerts, channels

    call = Call(json)
    channels.require_channels(call.settings)
    failures = alerts.send_test(call.ctx)
    for name, why in failures.items():
        call.terminal.say(
            f"{name}: {f'NOT DELIVERED: {why}' if why else 'delivered'}", "red" if why else "green"
        )
    code = 1 if any(failures.values()) else 0
    channel_results = [
        {"channel": name, "delivered": not why, "why_not": why} for name, why in failures.items()
    ]
    call.terminal.finish({"channels": channel_results, "exit_code": code})
    sys.exit(code)


@click.command(cls=Command, examples=("watchdog", "watchdog --quiet"))
@flag("quiet", False, "Print nothing if no alert is open.")
@JSON
def watchdog(quiet: bool, json: bool) -> None:
    """Check everything, whether or not the daemon runs, and send alerts; for cron or launchd.

    Exit code 1 when something critical is open or an alert could not be delivered.
    """
    from ledgerflow_ops.core.alerting.findings import Level
    from ledgerflow_ops.operations.alerting import alerts
    from ledgerflow_ops.operations.monitoring import monitor

    call = Call(json, silent=quiet)
    open_alerts = monitor.run_watchdog(call.ctx)
    for alert in open_alerts:
        late = f" (NOT DELIVERED to {', '.join(alert.missed)})" if alert.undelivered else ""
        where = alert.finding.environment or "machine"
        call.terminal.error(
            f"{where} {alert.finding.level}: {alert.finding.message}{late}",
            alert.finding.hint,
        )
    if not open_alerts and not quiet:
        call.terminal.say("No alert is open.", "green")
    code = (
        1 if any(alert.finding.level is Level.CRITICAL or alert.undelivered for alert in open_alerts) else 0
    )
    call.terminal.finish({"open": [alerts.as_json(alert) for alert in open_alerts], "exit_code": code})
    sys.exit(code)


COMMANDS = (up, down, alert_test, watchdog)
