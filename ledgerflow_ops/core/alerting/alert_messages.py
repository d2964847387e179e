"""The text of an alert: what happened, since when, which backup is still safe, and the one thing to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ledgerflow_ops.core.alerting.alert_policy import AlertMessage, MessageKind
from ledgerflow_ops.core.alerting.findings import Alert, Level
from ledgerflow_ops.core.alerting.root_cause import cause_title
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import CLOCK_SLACK
from ledgerflow_ops.core.durations import format_duration
from ledgerflow_ops.core.environments import Environment

_TITLE = 120
_LISTED = 10


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a message needs beside its alerts.

    `now` (aware) and `zone` are used for its times, `safe` says per environment what is safe, `page` is the
    address of the web page, empty where there is none.
    """

    now: datetime
    zone: ZoneInfo
    safe: Mapping[Environment, str]
    page: str = ""


@dataclass(frozen=True, slots=True)
class MessageText:
    """A message as it is sent.

    `bad` is its severity for channels that show colours: success, warning, critical.
    """

    title: str
    body: str
    bad: str


def compose_message(message: AlertMessage, context: MessageContext) -> MessageText:
    """The title (one line of at most 120 characters) and the body of a message."""
    first = message.alerts[0]
    before = {MessageKind.ALERT: "", MessageKind.REMINDER: "STILL ", MessageKind.RECOVERY: "RESOLVED: "}[
        message.kind
    ]
    level = "" if message.kind is MessageKind.RECOVERY else f"{_level(message)}: "
    title = f"{_where(message.alerts)}: {before}{level}{_subject(message.alerts)}"
    body = [_paragraph(alert, context, many=len(message.alerts) > 1) for alert in message.alerts[:_LISTED]]
    if more := len(message.alerts) - _LISTED:
        body += [f"… and {more} more."] if more > 0 else []
    if message.kind is MessageKind.RECOVERY:
        body.append("This is no longer reported.")
    body += _safe(message.alerts, context)
    if message.kind is not MessageKind.RECOVERY:
        body.append(f"Do: {first.finding.hint}")
        body += _runs(message.alerts, context)
    bad = "success" if message.kind is MessageKind.RECOVERY else _level(message).lower()
    return MessageText(_one_line(title, _TITLE), "\n".join(body), bad)


def describe_safety(newest: BackupSummary | None, now: datetime) -> str:
    """Which backup would be left if the database were lost at `now` (aware)."""
    if newest is None:
        return "NOTHING: no backup is proven"
    if newest.recovery_point - now > CLOCK_SLACK:
        return f"{newest.name.dump}, proven, but of {newest.recovery_point:%Y-%m-%d %H:%M %Z}: IN THE FUTURE"
    return f"{newest.name.dump}, proven, {format_duration(now - newest.recovery_point)} old"


def _where(alerts: Sequence[Alert]) -> str:
    names = [name for alert in alerts for name in alert.finding.environments or ("machine",)]
    return ", ".join(dict.fromkeys(names))


def _level(message: AlertMessage) -> str:
    critical = any(alert.finding.level is Level.CRITICAL for alert in message.alerts)
    return (Level.CRITICAL if critical else Level.WARNING).upper()


def _subject(alerts: Sequence[Alert]) -> str:
    findings = [alert.finding for alert in alerts]
    if len(findings) == 1:
        return cause_title(findings) if len(findings[0].environments) > 1 else findings[0].message
    return f"{cause_title(findings)} ({len(findings)} findings)"


def _paragraph(alert: Alert, context: MessageContext, *, many: bool) -> str:
    name = f"{alert.finding.environment or 'machine'}: " if many else ""
    began = f"{alert.since.astimezone(context.zone):%Y-%m-%d %H:%M %Z}"
    return f"{name}{alert.finding.message}\nSince: {began} ({format_duration(context.now - alert.since)} ago)"


def _safe(alerts: Sequence[Alert], context: MessageContext) -> list[str]:
    """What is safe in the environments of the alerts; in all of them where an alert is about the machine."""
    about = {name for alert in alerts for name in alert.finding.environments}
    everywhere = any(not alert.finding.environments for alert in alerts)
    named = {name: text for name, text in context.safe.items() if everywhere or name in about}
    return [f"Still safe in {name}: {sentence}" for name, sentence in named.items()]


def _runs(alerts: Sequence[Alert], context: MessageContext) -> list[str]:
    runs = dict.fromkeys(alert.finding.run_id for alert in alerts if alert.finding.run_id)
    page = f"{context.page}/runs/" if context.page else ""
    return [f"Run: {page}{run}" for run in list(runs)[:_LISTED]]


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
