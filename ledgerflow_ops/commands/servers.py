"""The commands about what runs by itself, and tells: up, down, alert-test, watchdog."""

import sys

import click

from ledgerflow_ops.commands.calls import JSON, Call, flag
from ledgerflow_ops.core.hints import Hint, make


@click.command()
@JSON
def up(json: bool) -> None:
    """Start the web page, the viewers' page where it is set, and the daemon on loopback."""
    from ledgerflow_ops.adapters.services.web_sessions import GOOD_FOR
    from ledgerflow_ops.operations.servers import web_servers

    call = Call(json)
    address = web_servers.up(call.ctx)
    viewers = web_servers.viewers_address(call.ctx)
    link, viewers_link = web_servers.login_links(call.ctx)
    call.terminal.say(f"The web page is at {address}")
    call.terminal.say(f"Open it by this link, good once, for {GOOD_FOR.seconds // 60} minutes: {link}")
    if viewers:
        call.terminal.say(f"Viewers, who can change nothing, look at {viewers}")
        call.terminal.say(f"Their link, good once as well: {viewers_link}")
    call.terminal.say(Hint(make("down"), " stops it, the daemon and the embedded PostgreSQL."))
    figures = web_servers.metrics_address(call.ctx)
    call.terminal.say(f"Prometheus finds the figures at {figures}")
    pages = {"address": address, "link": link}
    if viewers:
        pages |= {"viewers": viewers, "viewers_link": viewers_link}
    call.terminal.finish({**pages, "metrics": figures})


@click.command()
@JSON
def down(json: bool) -> None:
    """Stop the web pages, the daemon and the embedded PostgreSQL."""
    from ledgerflow_ops.operations.servers import web_servers

    call = Call(json)
    stopped = web_servers.down(call.ctx)
    call.terminal.say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    call.terminal.finish({"stopped": stopped})


@click.command("alert-test")
@JSON
def alert_test(json: bool) -> None:
    """Send a test through every alert channel."""
    from ledgerflow_ops.operations.alerting import alerts, channels

    call = Call(json)
    channels.require_channels(call.settings)
    found = alerts.send_test(call.ctx)
    for name, why in found.items():
        call.terminal.say(
            f"{name}: {f'NOT DELIVERED: {why}' if why else 'delivered'}", "red" if why else "green"
        )
    code = 1 if any(found.values()) else 0
    told = [{"channel": name, "delivered": not why, "why_not": why} for name, why in found.items()]
    call.terminal.finish({"channels": told, "exit_code": code})
    sys.exit(code)


@click.command()
@flag("quiet", False, "Say nothing when nothing is open.")
@JSON
def watchdog(quiet: bool, json: bool) -> None:
    """Look whether all is well, also when the daemon is dead, and alert."""
    from ledgerflow_ops.core.alerting.findings import Level
    from ledgerflow_ops.operations.alerting import alerts
    from ledgerflow_ops.operations.monitoring import monitor

    call = Call(json)
    found = monitor.run_watchdog(call.ctx)
    for alert in found:
        late = f" (NOT DELIVERED to {', '.join(alert.missed)})" if alert.undelivered else ""
        where = alert.finding.environment or "machine"
        call.terminal.error(
            f"{where} {alert.finding.level}: {alert.finding.message}{late}",
            alert.finding.hint,
        )
    if not found and not quiet:
        call.terminal.say("Nothing is open.", "green")
    code = 1 if any(alert.finding.level is Level.CRITICAL or alert.undelivered for alert in found) else 0
    call.terminal.finish({"open": [alerts.as_json(alert) for alert in found], "exit_code": code})
    sys.exit(code)


COMMANDS = (up, down, alert_test, watchdog)
