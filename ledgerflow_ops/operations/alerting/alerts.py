"""Sends alerts, once for each incident, and records which channels have delivered them.

Open alerts are in state_dir/alerts.json. It is written before anything is sent, and again after each channel
has answered: a process killed in between causes a repeated message, never a lost one. Where it cannot be
written, alerts are sent anyway.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ledgerflow_ops.adapters.storage.state_file import StateFile
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.alerting import alert_messages, alert_policy
from ledgerflow_ops.core.alerting.alert_messages import MessageContext, MessageText
from ledgerflow_ops.core.alerting.alert_policy import (
    CHANNEL_FAILURE,
    NO_OMISSIONS,
    AlertMessage,
    MessageKind,
    Omissions,
)
from ledgerflow_ops.core.alerting.findings import Alert, AlertState, Finding, Level
from ledgerflow_ops.core.catalog.catalog import newest_proven
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.alerting import channels
from ledgerflow_ops.operations.background_process import Server
from ledgerflow_ops.operations.context import OperationContext

_SELF = "alerts"
"""The source of findings about the delivery of alerts itself."""
_RECORD_SOURCE = "record of alerts"


def report(
    ctx: OperationContext, source: str, findings: Iterable[Finding], omissions: Omissions = NO_OMISSIONS
) -> None:
    """Replace the findings of `source` by these, but for its `omissions`, and send the messages that are due.

    That includes reminders, messages held back by quiet hours, and undelivered ones, of any source. Busy when
    another process has been sending for too long: report again.
    """
    round_ = _AlertRound(ctx)
    with round_.locked():
        round_.process(source, findings, omissions)
        round_.send()


def open_alerts(ctx: OperationContext) -> list[Alert]:
    """The open alerts, the most severe first."""
    state = _read_state(_state_file(ctx))
    alerts = [alert for alert in state.alerts if alert.is_open]
    return sorted(alerts, key=lambda alert: (-alert.finding.weight, alert.since, alert.id))


def record_damage(ctx: OperationContext) -> str:
    """Why the record of open alerts cannot be decoded; empty when it can. LedgerError if it is unreadable."""
    try:
        AlertState.decode(_state_file(ctx).read() or b"{}")
    except ValueError as error:
        return str(error)
    return ""


def findings_by_source(ctx: OperationContext, prefix: str) -> dict[str, list[Finding]]:
    """The last findings of each source whose name begins with `prefix`."""
    state = _read_state(_state_file(ctx))
    sources = {alert.source for alert in state.alerts if alert.source.startswith(prefix)}
    return {source: state.said_by(source) for source in sorted(sources)}


def send_test(ctx: OperationContext) -> dict[str, str]:
    """Send a test message through every channel. The result has the error by channel, "" if delivered.

    SettingsError (2) without channels.
    """
    if not ctx.settings.alerts.channels:
        raise SettingsError(
            "No channel is set: nobody is alerted.",
            hint=Hint("ledgerflow.example.toml shows [[alerts.channels]]."),
        )
    round_ = _AlertRound(ctx)
    with round_.locked():
        message = MessageText(
            "ledgerflow: a test", "Alerts of ledgerflow arrive here. Nothing is wrong.", "success"
        )
        outcomes = {
            name: errors[0]
            for name, errors in round_.post({name: [message] for name in round_.names}).items()
        }
        round_.process_channels(outcomes)
        round_.save()
    return outcomes


def as_json(alert: Alert) -> dict[str, Any]:
    """An alert as JSON."""
    finding = alert.finding
    return {
        "source": alert.source,
        "environment": finding.environment,
        "kind": finding.kind,
        "subject": finding.subject,
        "level": str(finding.level),
        "message": finding.message,
        "hint": str(finding.hint),
        "cause": finding.cause,
        "run_id": finding.run_id,
        "since": alert.since.isoformat(),
        "told": {name: delivery.at.isoformat() for name, delivery in alert.told.items()},
        "undelivered": sorted(alert.missed),
    }


class _AlertRound:
    """One round of processing findings and sending messages."""

    def __init__(self, ctx: OperationContext) -> None:
        self.ctx = ctx
        self.now = ctx.clock()
        self.policy = channels.channel_policy(ctx.settings)
        self.names = [channel.name for channel in self.policy.channels]
        self.state_file = _state_file(ctx)
        self.state = self.saved = AlertState()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock on the alerts' record during the block. A read-only folder is only reported."""
        with ExitStack() as lock:
            try:
                lock.enter_context(self.state_file.locked())
            except Busy:
                raise
            except LedgerError as error:
                self._report_unsaved(error)
            self._read()
            yield

    def _read(self) -> None:
        try:
            self.state = self.saved = AlertState.decode(self.state_file.read() or b"{}")
        except ValueError as error:
            self._begin_anew(f"was damaged ({error})")
        except LedgerError as error:
            self._begin_anew(f"cannot be read ({error.message})")

    def _begin_anew(self, why: str) -> None:
        """Begin a new record: that is reported, and all open findings are alerted again."""
        aside = "it could not be set aside"
        with suppress(LedgerError):
            aside = f"it is now {self.state_file.set_aside(self.now).name}"
        self.process(_RECORD_SOURCE, [_damaged_record(why, aside)])

    def process(self, source: str, findings: Iterable[Finding], omissions: Omissions = NO_OMISSIONS) -> None:
        """Process the findings of a source, and save the state."""
        before = self.state
        self.state, _ = alert_policy.process_findings(
            before, source, findings, self.now, self.policy, omissions
        )
        self.save()
        for what, alert in _changes(before, self.state):
            self._journal(what, as_json(alert))

    def send(self) -> None:
        """Send what is due. A channel's failure is reported through the others at once."""
        tried = self._send_all(alert_policy.due_messages(self.state, self.now, self.policy))
        self.process_channels(tried)
        for alert in self.state.alerts:  # it is not reported again, so it is resolved once delivered
            if alert.source == _RECORD_SOURCE and alert.is_open and self._is_settled(alert):
                self.process(_RECORD_SOURCE, [])
        later = [
            message
            for message in alert_policy.due_messages(self.state, self.now, self.policy)
            if not tried.get(message.channel)
        ]
        self._send_all(later)

    def _is_settled(self, alert: Alert) -> bool:
        delivered = alert_policy.is_delivered(alert, self.now, self.policy)
        return delivered or abs(self.now - alert.since) >= self.policy.remind

    def process_channels(self, tried: Mapping[str, str]) -> None:
        """Process which channels failed (with the error) and which did not (""); others stay as they were."""
        reported = [finding for finding in self.state.said_by(_SELF) if finding.kind == CHANNEL_FAILURE]
        findings = [
            finding for finding in reported if finding.subject in self.names and finding.subject not in tried
        ]
        findings += [_channel_failure(name, why) for name, why in tried.items() if why]
        if tried or len(findings) != len(self.state.said_by(_SELF)):
            self.process(_SELF, findings)

    def _send_all(self, due: Sequence[AlertMessage]) -> dict[str, str]:
        """Send the messages; returns the error by channel, "" if none. Failed ones go to other channels."""
        if not due:
            return {}
        context = self._context()
        posts: dict[str, list[AlertMessage]] = {}
        for message in due:
            posts.setdefault(message.channel, []).append(message)
        outcomes = self.post(
            {name: [_message_text(item, context) for item in listed] for name, listed in posts.items()}
        )
        for name, listed in posts.items():
            for message, why in zip(listed, outcomes[name], strict=True):
                self._record_outcome(message, why)
        tried = {name: next(filter(None, errors), "") for name, errors in outcomes.items()}
        for message in due:
            if message.kind is not MessageKind.RECOVERY and tried[message.channel]:
                self._forward(message, context, tried)
        return tried

    def _forward(self, message: AlertMessage, context: MessageContext, tried: dict[str, str]) -> None:
        """Send a message that none of its channels took through any other channel that takes it."""
        ids = {alert.id for alert in message.alerts}
        for name in self.names:
            unheard = [
                alert
                for alert in self.state.alerts
                if alert.id in ids and not alert_policy.is_delivered(alert, self.now, self.policy)
            ]
            if not unheard:
                return
            if tried.get(name):
                continue
            forwarded = AlertMessage(message.kind, name, tuple(unheard))
            why = self.post({name: [_message_text(forwarded, context)]})[name][0]
            tried[name] = why
            self._record_outcome(forwarded, why)

    def _record_outcome(self, message: AlertMessage, why: str) -> None:
        """Record the outcome of a message at once: the next channel may take long."""
        undelivered = {alert.id for alert in self.state.alerts if message.channel in alert.missed}
        repeated = all(alert.id in undelivered for alert in message.alerts)
        self.state = (alert_policy.mark_failed if why else alert_policy.mark_delivered)(
            self.state, message, self.now
        )
        self.save()
        if why and repeated:  # a channel that keeps failing is journaled once
            return
        environments = {str(alert.finding.environment or "") for alert in message.alerts}
        self._journal(
            "told",
            {
                "environment": environments.pop() if len(environments) == 1 else "",
                "channel": message.channel,
                "kind": str(message.kind),
                "alerts": [" ".join(alert.finding.key) for alert in message.alerts],
                **({"result": "failed", "error": why} if why else {"result": "ok"}),
            },
        )

    def post(self, messages: Mapping[str, Sequence[MessageText]]) -> dict[str, list[str]]:
        """Send each channel its messages; returns the error of each by channel, empty if delivered."""
        from ledgerflow_ops.adapters.services import (
            notifications,  # half a second, only where something is sent
        )

        addresses = {channel.name: channel.address for channel in self.ctx.settings.alerts.channels}
        posts, errors = {}, {}
        for name, texts in messages.items():
            try:
                posts[name] = (notifications.make_sender(name, addresses[name]), texts)
            except SettingsError:
                errors[name] = ["apprise does not know its address"] * len(texts)
        return errors | notifications.deliver(posts)

    def save(self) -> None:
        """Save the state. Where that fails, alerts are sent anyway."""
        if self.state == self.saved:
            return
        try:
            self.state_file.write(self.state.encode())
            self.saved = self.state
        except LedgerError as error:
            self._report_unsaved(error)

    def _report_unsaved(self, error: LedgerError) -> None:
        self.ctx.reporter.say(f"alerts may be repeated: {error.message}")

    def _journal(self, what: str, fields: Mapping[str, Any]) -> None:
        try:
            self.ctx.journal(what, fields)
        except LedgerError as error:
            self.ctx.reporter.say(f"not written to the journal: {error.message}")

    def _context(self) -> MessageContext:
        """The context of the messages, as far as it is known."""
        safe = {environment: _safety(self.ctx, environment) for environment in Environment}
        server = Server("webserver", self.ctx.settings.state_dir)
        page = str(server.remembered().get("address", "")) if server.running() else ""
        return MessageContext(self.now, self.ctx.settings.alerts.zone, safe, page)


def _state_file(ctx: OperationContext) -> StateFile:
    return StateFile(ctx.settings.state_dir, "alerts.json")


def _read_state(file: StateFile) -> AlertState:
    """The recorded state; an empty one where it cannot be decoded, which the next report reports."""
    with suppress(ValueError):
        return AlertState.decode(file.read() or b"{}")
    return AlertState()


def _changes(before: AlertState, after: AlertState) -> Iterator[tuple[str, Alert]]:
    """The alerts that are new and those that are resolved, delivered or not."""
    open_before = {alert.id for alert in before.alerts if alert.closed is None}
    open_now = {alert.id for alert in after.alerts if alert.closed is None}
    yield from (("alert", alert) for alert in after.alerts if alert.id in open_now - open_before)
    yield from (("alert is over", alert) for alert in before.alerts if alert.id in open_before - open_now)


def _damaged_record(why: str, aside: str) -> Finding:
    text = (
        f"The record of what is open {why}; {aside}. "
        "Alerts may be repeated, and what was resolved meanwhile is not reported."
    )
    return Finding(None, "record of alerts", "damaged", Level.WARNING, text, Hint(make("status")))


def _channel_failure(name: str, why: str) -> Finding:
    text = f"The channel {name} does not take alerts: {why}."
    return Finding(None, CHANNEL_FAILURE, name, Level.WARNING, text, Hint(make("alert-test")))


def _message_text(message: AlertMessage, context: MessageContext) -> MessageText:
    """The text of a message, with secrets in the findings masked."""
    plain = alert_messages.compose_message(message, context)
    return MessageText(mask_secrets(plain.title), mask_secrets(plain.body), plain.bad)


def _safety(ctx: OperationContext, environment: Environment) -> str:
    env = ctx.env(environment)
    try:
        newest = newest_proven(summaries.own_backups(env, summaries.present_backups(env)))
        return alert_messages.describe_safety(newest, ctx.clock())
    except (LedgerError, OSError) as error:
        return f"not known: {getattr(error, 'message', error)}"
