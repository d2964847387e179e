"""Tells people what is wrong, once for each incident, and remembers who knows.

What is open is in state_dir/alerts.json. It is written before anything is sent, and again after each channel
has answered: who is killed in between tells twice, and forgets nothing. Where it cannot be written, people
are told all the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ledgerflow_ops.adapters.storage.state_file import StateFile
from ledgerflow_ops.adapters.system.process import mask
from ledgerflow_ops.core.alerting import alert_messages, alert_policy
from ledgerflow_ops.core.alerting.alert_messages import MessageContext, MessageText
from ledgerflow_ops.core.alerting.alert_policy import CHANNEL_FAILURE, AlertMessage, MessageKind
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
"""The source of what is wrong with telling itself."""
_RECORD_SOURCE = "record of alerts"


def report(ctx: OperationContext, source: str, findings: Iterable[Finding]) -> None:
    """Hear all that `source` says now, in place of what it last said, and tell who has to know.

    Reminders, what quiet hours held back, and what did not arrive before are sent as well, whoever said it.
    Busy when another process has been telling for too long: report again.
    """
    round_ = _AlertRound(ctx)
    with round_.alone():
        round_.hear(source, findings)
        round_.send()


def open_alerts(ctx: OperationContext) -> list[Alert]:
    """What is open now, what wakes people first. `undelivered` are those that a channel did not take."""
    state = _read_state(_state_file(ctx))
    found = [alert for alert in state.alerts if alert.is_open]
    return sorted(found, key=lambda alert: (-alert.finding.weight, alert.since, alert.id))


def record_damage(ctx: OperationContext) -> str:
    """Why the record of what is open cannot be understood; empty when it can. LedgerError from the disk."""
    try:
        AlertState.decode(_state_file(ctx).read() or b"{}")
    except ValueError as error:
        return str(error)
    return ""


def findings_by_source(ctx: OperationContext, prefix: str) -> dict[str, list[Finding]]:
    """What each source whose name begins with `prefix` last said."""
    state = _read_state(_state_file(ctx))
    sources = {alert.source for alert in state.alerts if alert.source.startswith(prefix)}
    return {source: state.said_by(source) for source in sorted(sources)}


def send_test(ctx: OperationContext) -> dict[str, str]:
    """Send a test through every channel: by name why it did not arrive, or ""; SettingsError without any."""
    if not ctx.settings.alerts.channels:
        raise SettingsError(
            "No channel is set: nobody is told anything.",
            hint=Hint("ledgerflow.example.toml shows [[alerts.channels]]."),
        )
    round_ = _AlertRound(ctx)
    with round_.alone():
        words = MessageText(
            "ledgerflow: a test", "Alerts of ledgerflow arrive here. Nothing is wrong.", "success"
        )
        found = {
            name: whys[0] for name, whys in round_.post({name: [words] for name in round_.names}).items()
        }
        round_.hear_channels(found)
        round_.save()
    return found


def as_json(alert: Alert) -> dict[str, Any]:
    """An alert as programs read it."""
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
        "told": {name: told.at.isoformat() for name, told in alert.told.items()},
        "undelivered": sorted(alert.missed),
    }


class _AlertRound:
    """One time of hearing and telling."""

    def __init__(self, ctx: OperationContext) -> None:
        self.ctx = ctx
        self.now = ctx.clock()
        self.policy = channels.channel_policy(ctx.settings)
        self.names = [channel.name for channel in self.policy.channels]
        self.kept = _state_file(ctx)
        self.state = self.saved = AlertState()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else tells while the block lasts. A folder that cannot be written to hinders nobody."""
        with ExitStack() as held:
            try:
                held.enter_context(self.kept.alone())
            except Busy:
                raise
            except LedgerError as error:
                self._unkept(error)
            self._read()
            yield

    def _read(self) -> None:
        try:
            self.state = self.saved = AlertState.decode(self.kept.read() or b"{}")
        except ValueError as error:
            self._begin_anew(f"was damaged ({error})")
        except LedgerError as error:
            self._begin_anew(f"cannot be read ({error.message})")

    def _begin_anew(self, why: str) -> None:
        """Without a record: that is told, and everything that stands is told again."""
        aside = "it could not be set aside"
        with suppress(LedgerError):
            aside = f"it is now {self.kept.set_aside(self.now).name}"
        self.hear(_RECORD_SOURCE, [_damaged_record(why, aside)])

    def hear(self, source: str, findings: Iterable[Finding]) -> None:
        """Take in what a source says, and put it on record."""
        before = self.state
        self.state, _ = alert_policy.process_findings(before, source, findings, self.now, self.policy)
        self.save()
        for what, alert in _changes(before, self.state):
            self._note(what, as_json(alert))

    def send(self) -> None:
        """Send what is due. What a channel says of itself by failing is told by the others right away."""
        tried = self._sent(alert_policy.due_messages(self.state, self.now, self.policy))
        self.hear_channels(tried)
        for alert in self.state.alerts:  # nobody says it again; it is over once somebody has heard it
            if alert.source == _RECORD_SOURCE and alert.is_open and self._is_known(alert):
                self.hear(_RECORD_SOURCE, [])
        later = [
            one
            for one in alert_policy.due_messages(self.state, self.now, self.policy)
            if not tried.get(one.channel)
        ]
        self._sent(later)

    def _is_known(self, alert: Alert) -> bool:
        known = alert_policy.is_delivered(alert, self.now, self.policy)
        return known or abs(self.now - alert.since) >= self.policy.remind

    def hear_channels(self, tried: Mapping[str, str]) -> None:
        """Take in which channels failed (why) and which did not (""); the others are as they were."""
        standing = [one for one in self.state.said_by(_SELF) if one.kind == CHANNEL_FAILURE]
        findings = [one for one in standing if one.subject in self.names and one.subject not in tried]
        findings += [_channel_failure(name, why) for name, why in tried.items() if why]
        if tried or len(findings) != len(self.state.said_by(_SELF)):
            self.hear(_SELF, findings)

    def _sent(self, due: Sequence[AlertMessage]) -> dict[str, str]:
        """Send the messages; by name why a channel failed, or "". What nobody took, goes to any other one."""
        if not due:
            return {}
        context = self._context()
        posts: dict[str, list[AlertMessage]] = {}
        for message in due:
            posts.setdefault(message.channel, []).append(message)
        found = self.post(
            {name: [_message_text(one, context) for one in listed] for name, listed in posts.items()}
        )
        for name, listed in posts.items():
            for message, why in zip(listed, found[name], strict=True):
                self._mark(message, why)
        tried = {name: next(filter(None, whys), "") for name, whys in found.items()}
        for message in due:
            if message.kind is not MessageKind.RECOVERY and tried[message.channel]:
                self._pass_on(message, context, tried)
        return tried

    def _pass_on(self, message: AlertMessage, context: MessageContext, tried: dict[str, str]) -> None:
        """Give a message that none of its channels took to the next one that takes it, whatever it is for."""
        about = {alert.id for alert in message.alerts}
        for name in self.names:
            unknown = [
                alert
                for alert in self.state.alerts
                if alert.id in about and not alert_policy.is_delivered(alert, self.now, self.policy)
            ]
            if not unknown:
                return
            if tried.get(name):
                continue
            again = AlertMessage(message.kind, name, tuple(unknown))
            why = self.post({name: [_message_text(again, context)]})[name][0]
            tried[name] = why
            self._mark(again, why)

    def _mark(self, message: AlertMessage, why: str) -> None:
        """Note what came of a message, at once: the next channel may take long."""
        seldom = {alert.id for alert in self.state.alerts if message.channel in alert.missed}
        again = all(alert.id in seldom for alert in message.alerts)
        self.state = (alert_policy.mark_failed if why else alert_policy.mark_delivered)(
            self.state, message, self.now
        )
        self.save()
        if why and again:  # a channel that stays silent is noted once
            return
        about = {str(alert.finding.environment or "") for alert in message.alerts}
        self._note(
            "told",
            {
                "environment": about.pop() if len(about) == 1 else "",
                "channel": message.channel,
                "kind": str(message.kind),
                "alerts": [" ".join(alert.finding.key) for alert in message.alerts],
                **({"result": "failed", "error": why} if why else {"result": "ok"}),
            },
        )

    def post(self, words: Mapping[str, Sequence[MessageText]]) -> dict[str, list[str]]:
        """Send each channel its messages: why each did not arrive, or an empty string."""
        from ledgerflow_ops.adapters.services import (
            notifications,  # half a second, only where something is sent
        )

        addresses = {one.name: one.address for one in self.ctx.settings.alerts.channels}
        posts, found = {}, {}
        for name, listed in words.items():
            try:
                posts[name] = (notifications.sender(name, addresses[name]), listed)
            except SettingsError:
                found[name] = ["apprise does not know its address"] * len(listed)
        return found | notifications.deliver(posts)

    def save(self) -> None:
        """Keep the state; where that is impossible, people are told all the same."""
        if self.state == self.saved:
            return
        try:
            self.kept.write(self.state.encode())
            self.saved = self.state
        except LedgerError as error:
            self._unkept(error)

    def _unkept(self, error: LedgerError) -> None:
        self.ctx.reporter.say(f"alerts may come again and again: {error.message}")

    def _note(self, what: str, fields: Mapping[str, Any]) -> None:
        try:
            self.ctx.journal(what, fields)
        except LedgerError as error:
            self.ctx.reporter.say(f"not in the journal: {error.message}")

    def _context(self) -> MessageContext:
        """What is known around the alerts, as far as it can be found out."""
        safe = {environment: _safety(self.ctx, environment) for environment in Environment}
        server = Server("webserver", self.ctx.settings.state_dir)
        page = str(server.remembered().get("address", "")) if server.running() else ""
        return MessageContext(self.now, self.ctx.settings.alerts.zone, safe, page)


def _state_file(ctx: OperationContext) -> StateFile:
    return StateFile(ctx.settings.state_dir, "alerts.json")


def _read_state(kept: StateFile) -> AlertState:
    """What is on record; nothing where it cannot be read, which the next report tells."""
    with suppress(ValueError):
        return AlertState.decode(kept.read() or b"{}")
    return AlertState()


def _changes(before: AlertState, after: AlertState) -> Iterator[tuple[str, Alert]]:
    """What is new, and what is over, told or not."""
    known = {alert.id for alert in before.alerts if alert.closed is None}
    still = {alert.id for alert in after.alerts if alert.closed is None}
    yield from (("alert", alert) for alert in after.alerts if alert.id in still - known)
    yield from (("alert is over", alert) for alert in before.alerts if alert.id in known - still)


def _damaged_record(why: str, aside: str) -> Finding:
    text = (
        f"The record of what is open {why}; {aside}. "
        "Alerts may come a second time, and what ended meanwhile is not told."
    )
    return Finding(None, "record of alerts", "damaged", Level.WARNING, text, Hint(make("status")))


def _channel_failure(name: str, why: str) -> Finding:
    text = f"The channel {name} does not take alerts: {why}."
    return Finding(None, CHANNEL_FAILURE, name, Level.WARNING, text, Hint(make("alert-test")))


def _message_text(message: AlertMessage, context: MessageContext) -> MessageText:
    """The message as it is sent, without any secret that a finding may repeat."""
    plain = alert_messages.compose_message(message, context)
    return MessageText(mask(plain.title), mask(plain.body), plain.bad)


def _safety(ctx: OperationContext, environment: Environment) -> str:
    env = ctx.env(environment)
    try:
        newest = newest_proven(summaries.own_backups(env, summaries.present_backups(env)))
        return alert_messages.describe_safety(newest, ctx.clock())
    except (LedgerError, OSError) as error:
        return f"not known: {getattr(error, 'message', error)}"
