"""Who is told what, and when: one alert for an incident, reminders, and that it is over.

Every channel is reckoned by itself. It hears of an incident when it has not been told of it within the
reminder time, or when the incident weighs more than what it was told. An incident is one finding, or all
findings of one cause, whoever found them. Nothing is noted as told before a channel took it, so that who is
killed in between tells twice at worst.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Alert, AlertState, Delivery, Finding, Level
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.alerting.root_cause import cause_of
from ledgerflow_ops.core.environments import Environment

CHANNEL_FAILURE = "channel"
"""The kind of the finding that a channel, its subject, does not take messages."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What a channel is for. What is wrong with the machine concerns every environment."""

    name: str
    environments: tuple[Environment, ...] = tuple(Environment)
    level: Level = Level.WARNING

    def wants(self, finding: Finding) -> bool:
        """Whether the finding is for this channel. That it fails itself, others are told."""
        if finding.kind == CHANNEL_FAILURE and finding.subject == self.name:
            return False
        loud = finding.level is Level.CRITICAL or self.level is Level.WARNING
        return loud and (finding.environment is None or finding.environment in self.environments)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """How people want to be told.

    What is gone is over when it has stayed away for `settle`, doubled each time it came back: so that what
    comes and goes is no storm. A channel that failed is tried again after `retry`.
    """

    channels: tuple[Channel, ...]
    remind: timedelta = timedelta(hours=24)
    settle: timedelta = timedelta(minutes=5)
    quiet: QuietHours | None = None
    retry: timedelta = timedelta(minutes=5)

    def settled(self, alert: Alert, now: datetime) -> bool:
        """Whether the alert has been gone for long enough."""
        pause = min(self.settle * 2 ** min(alert.returns, 12), self.remind)
        return alert.gone is not None and abs(now - alert.gone) >= pause

    def holds_back(self, weight: int, now: datetime) -> bool:
        """Whether something of this weight waits for the morning."""
        return weight < 2 and self.quiet is not None and self.quiet.at(now)


class MessageKind(StrEnum):
    """What a message is."""

    ALERT = "alert"
    REMINDER = "reminder"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message for one channel: the alerts of one incident, what it is about first."""

    kind: MessageKind
    channel: str
    alerts: tuple[Alert, ...]

    @property
    def weight(self) -> int:
        return max(alert.finding.weight for alert in self.alerts)


def process_findings(
    state: AlertState, source: str, findings: Iterable[Finding], now: datetime, policy: AlertPolicy
) -> tuple[AlertState, list[AlertMessage]]:
    """Hear what `source` says now, which is all that it says, and what has to be sent for all sources.

    The state returned notes nothing as told: `told` and `missed` do, after each message.
    """
    heard = _without_finished(_with_findings(state, source, findings, now), now, policy)
    return heard, due_messages(heard, now, policy)


def _with_findings(state: AlertState, source: str, findings: Iterable[Finding], now: datetime) -> AlertState:
    reported: dict[tuple[str, ...], Finding] = {}
    for finding in sorted(findings, key=lambda item: item.weight):  # of two with one key the worse one stays
        cause = finding.cause or cause_of(finding.message)
        reported[(source, *finding.key)] = replace(finding, cause=cause)
    known = {alert.id: alert for alert in state.alerts}
    alerts = [_updated_alert(alert, reported.get(alert.id), source, now) for alert in state.alerts]
    alerts += [Alert(source, finding, now) for name, finding in reported.items() if name not in known]
    return AlertState(tuple(alerts))


def _updated_alert(alert: Alert, finding: Finding | None, source: str, now: datetime) -> Alert:
    """The alert after its source has spoken."""
    if finding is None:
        return replace(alert, gone=now) if alert.source == source and alert.is_open else alert
    deliveries = {channel: delivery for channel, delivery in alert.told.items() if channel not in alert.ended}
    returns = alert.returns + bool(alert.ended or alert.closed)
    if alert.closed is not None or not deliveries:
        return Alert(
            source, finding, alert.since if alert.is_open else now, missed=alert.missed, returns=returns
        )
    return replace(alert, finding=finding, told=deliveries, gone=None, ended=(), returns=returns)


def _without_finished(state: AlertState, now: datetime, policy: AlertPolicy) -> AlertState:
    """Without what is over and has been told so for long enough, or never had to be told."""
    return AlertState(
        tuple(retained for alert in state.alerts if (retained := _retained_alert(alert, now, policy)))
    )


def _retained_alert(alert: Alert, now: datetime, policy: AlertPolicy) -> Alert | None:
    channels = {channel.name for channel in policy.channels}
    if not channels.issuperset(alert.missed):  # a channel that was taken out of the settings
        alert = replace(alert, missed={name: at for name, at in alert.missed.items() if name in channels})
    if alert.closed is not None:
        return alert if abs(now - alert.closed) < policy.remind else None
    if alert.gone is None or not policy.settled(alert, now):
        return alert
    waiting = [channel.name for channel in policy.channels if alert.known_to(channel.name)]
    if waiting:
        return alert
    return replace(alert, closed=now) if alert.told else None


def due_messages(state: AlertState, now: datetime, policy: AlertPolicy) -> list[AlertMessage]:
    """Every message that has to be sent now, whose incident it is about."""
    incidents: dict[tuple[str, ...], list[Alert]] = {}
    for alert in state.alerts:
        if alert.closed is None:
            incidents.setdefault(alert.incident, []).append(alert)
    return [
        message
        for members in incidents.values()
        for channel in policy.channels
        for message in (
            _news_message(members, channel, now, policy),
            _recovery_message(members, channel, now, policy),
        )
        if message
    ]


def _news_message(
    members: Sequence[Alert], channel: Channel, now: datetime, policy: AlertPolicy
) -> AlertMessage | None:
    """What the channel has to hear of an incident that stands."""
    open_alerts = [alert for alert in members if alert.is_open and channel.wants(alert.finding)]
    known = max(
        (delivered.weight for delivered in _recent_deliveries(members, channel.name, now, policy)), default=-1
    )
    unreported = [
        alert
        for alert in open_alerts
        if alert.finding.weight > known and not policy.holds_back(alert.finding.weight, now)
    ]
    if not unreported or all(_failed_recently(alert, channel.name, now, policy) for alert in unreported):
        return None
    delivered = [alert.known_to(channel.name) for alert in unreported]
    is_repeat = all(
        delivery and delivery.weight >= alert.finding.weight
        for delivery, alert in zip(delivered, unreported, strict=True)
    )
    others = [alert for alert in open_alerts if alert not in unreported]
    return AlertMessage(
        MessageKind.REMINDER if is_repeat else MessageKind.ALERT, channel.name, (*unreported, *others)
    )


def _recovery_message(
    members: Sequence[Alert], channel: Channel, now: datetime, policy: AlertPolicy
) -> AlertMessage | None:
    """That an incident the channel knows of is over: all of it."""
    if any(
        channel.wants(alert.finding) and (alert.is_open or not policy.settled(alert, now))
        for alert in members
    ):
        return None
    settled = [alert for alert in members if policy.settled(alert, now) and alert.known_to(channel.name)]
    weights = [delivery.weight for alert in settled if (delivery := alert.known_to(channel.name))]
    if not settled or policy.holds_back(max(weights), now):
        return None
    if all(_failed_recently(alert, channel.name, now, policy) for alert in settled):
        return None
    return AlertMessage(MessageKind.RECOVERY, channel.name, tuple(settled))


def _recent_deliveries(
    members: Iterable[Alert], channel: str, now: datetime, policy: AlertPolicy
) -> Iterator[Delivery]:
    """What the channel was told of an incident, not so long ago that it has to be reminded.

    A clock that was years ahead does not silence anything: only what was told about now counts.
    """
    for alert in members:
        delivery = alert.known_to(channel)
        if delivery and abs(now - delivery.at) < policy.remind:
            yield delivery


def _failed_recently(alert: Alert, channel: str, now: datetime, policy: AlertPolicy) -> bool:
    tried = alert.missed.get(channel)
    return tried is not None and abs(now - tried) < policy.retry


def is_delivered(alert: Alert, now: datetime, policy: AlertPolicy) -> bool:
    """Whether some channel knows of the alert as it stands."""
    return any(
        delivery.weight >= alert.finding.weight
        for channel in policy.channels
        for delivery in _recent_deliveries([alert], channel.name, now, policy)
    )


def mark_delivered(state: AlertState, message: AlertMessage, now: datetime) -> AlertState:
    """The state after the message's channel took it."""

    def mark(alert: Alert) -> Alert:
        missed = {name: at for name, at in alert.missed.items() if name != message.channel}
        if message.kind is MessageKind.RECOVERY:
            return replace(alert, missed=missed, ended=(*alert.ended, message.channel))
        known = {**alert.told, message.channel: Delivery(now, alert.finding.weight)}
        return replace(alert, missed=missed, told=known)

    return _with_marked(state, message, mark)


def mark_failed(state: AlertState, message: AlertMessage, now: datetime) -> AlertState:
    """The state after the message's channel did not take it."""
    return _with_marked(
        state, message, lambda alert: replace(alert, missed={**alert.missed, message.channel: now})
    )


def _with_marked(state: AlertState, message: AlertMessage, mark: Callable[[Alert], Alert]) -> AlertState:
    about = {alert.id for alert in message.alerts}
    return AlertState(tuple(mark(alert) if alert.id in about else alert for alert in state.alerts))
