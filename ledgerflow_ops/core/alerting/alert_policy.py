"""Which channel gets which message, and when: one alert per incident, reminders, and a recovery at the end.

Each channel is handled by itself. It gets a message about an incident when it has had none within the
reminder time, or when the incident has become more severe since its last one. An incident is one finding, or
all findings with one cause, whichever source reported them (`incidents`). A delivery is recorded only after
the channel took the message: a process that is killed in between sends the message twice at worst.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ledgerflow_ops.core.alerting.findings import Alert, AlertState, Delivery, Finding, Level
from ledgerflow_ops.core.alerting.incidents import group_incidents
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.alerting.root_cause import cause_keys, cause_of
from ledgerflow_ops.core.environments import Environment

_GATHERING = {"backfill": timedelta(minutes=2)}
"""How long the first message about an incident waits for further findings, counted from its last one, by the
class of its cause. The days of a backfill are refused one after the other, and none of them is urgent.
"""
CHANNEL_FAILURE = "channel"
"""The kind of the finding that a channel does not take messages. Its subject is the channel's name."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Which findings a channel gets. Problems of the machine concern every environment."""

    name: str
    environments: tuple[Environment, ...] = tuple(Environment)
    level: Level = Level.WARNING

    def wants(self, finding: Finding) -> bool:
        """Whether this channel gets the finding. Its own failure is reported to the other channels."""
        if finding.kind == CHANNEL_FAILURE and finding.subject == self.name:
            return False
        loud = finding.level is Level.CRITICAL or self.level is Level.WARNING
        about = finding.environments or self.environments
        return loud and not set(about).isdisjoint(self.environments)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When messages are sent.

    A problem that is gone is resolved when it has stayed away for `settle`. That time doubles each time the
    problem comes back, so that one that comes and goes does not flood people. `remind` is the time between
    reminders. A channel that failed is tried again after `retry`. `shared` names the environments that a
    cause concerns, by its key or by the class before the key's colon: all that use one server, for example.
    """

    channels: tuple[Channel, ...]
    remind: timedelta = timedelta(hours=24)
    settle: timedelta = timedelta(minutes=5)
    quiet: QuietHours | None = None
    retry: timedelta = timedelta(minutes=5)
    shared: Mapping[str, tuple[Environment, ...]] = field(default_factory=dict)

    def concerned(self, finding: Finding) -> tuple[Environment, ...]:
        """The environments that the finding's causes concern, as far as `shared` names them."""
        keys = [name for key in cause_keys(finding) for name in (key, key.partition(":")[0])]
        return tuple(dict.fromkeys(name for key in keys for name in self.shared.get(key, ())))

    def settled(self, alert: Alert, now: datetime) -> bool:
        """Whether the alert has been gone for long enough."""
        pause = min(self.settle * 2 ** min(alert.returns, 12), self.remind)
        return alert.gone is not None and abs(now - alert.gone) >= pause

    def holds_back(self, weight: int, now: datetime) -> bool:
        """Whether an alert of this weight waits until the quiet hours are over."""
        return weight < 2 and self.quiet is not None and self.quiet.at(now)


class MessageKind(StrEnum):
    """What a message is for."""

    ALERT = "alert"
    REMINDER = "reminder"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message for one channel: the alerts of one incident. Those that caused it come first."""

    kind: MessageKind
    channel: str
    alerts: tuple[Alert, ...]

    @property
    def weight(self) -> int:
        return max(alert.finding.weight for alert in self.alerts)


@dataclass(frozen=True, slots=True)
class Omissions:
    """What a report says nothing about, although it has no such finding.

    `unseen` are parts of the examination that could not look, with all parts whose names continue theirs
    (`disks /srv` continues `disks`): their earlier findings stay open. `outdated` are the keys of findings
    that nothing will look at again: they are dropped without a recovery message.
    """

    unseen: Collection[str] = ()
    outdated: Collection[tuple[str, str, str]] = ()

    def leaves_open(self, finding: Finding) -> bool:
        """Whether nothing has looked for it. Records of earlier versions do not say which part found it."""
        part = f"{finding.part} "
        return any(not finding.part or part.startswith(f"{name} ") for name in self.unseen)


NO_OMISSIONS = Omissions()


def process_findings(
    state: AlertState,
    source: str,
    findings: Iterable[Finding],
    now: datetime,
    policy: AlertPolicy,
    omissions: Omissions = NO_OMISSIONS,
) -> tuple[AlertState, list[AlertMessage]]:
    """Take over all current findings of `source`; return the new state and the messages due for all sources.

    The returned state records no delivery: `mark_delivered` and `mark_failed` do so after each message.
    """
    reported: dict[tuple[str, ...], Finding] = {}
    for finding in sorted(findings, key=lambda item: item.weight):  # of two with one key the worse one stays
        reported[(source, *finding.key)] = _completed(finding, policy)
    heard = _without_finished(_with_findings(state, source, reported, now, omissions), now, policy)
    return heard, due_messages(heard, now, policy)


def _completed(finding: Finding, policy: AlertPolicy) -> Finding:
    """The finding with the cause that its message names, and the environments that this cause concerns."""
    cause = finding.cause or cause_of(finding.message)
    return replace(finding, cause=cause, concerns=policy.concerned(finding))


def _with_findings(
    state: AlertState,
    source: str,
    reported: Mapping[tuple[str, ...], Finding],
    now: datetime,
    omissions: Omissions,
) -> AlertState:
    known = {alert.id: alert for alert in state.alerts}
    alerts = [
        alert
        if alert.id not in reported and alert.source == source and omissions.leaves_open(alert.finding)
        else _updated_alert(alert, reported.get(alert.id), source, now)
        for alert in state.alerts
    ]
    alerts = [
        replace(alert, closed=now)
        if alert.source == source and alert.gone == now and alert.finding.key in omissions.outdated
        else alert
        for alert in alerts
    ]
    alerts += [Alert(source, finding, now) for name, finding in reported.items() if name not in known]
    return AlertState(tuple(alerts))


def _updated_alert(alert: Alert, finding: Finding | None, source: str, now: datetime) -> Alert:
    """The alert after its source has reported: with its new finding, or gone."""
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
    """Without alerts that ended: those whose recovery was sent long enough ago, and those that nobody was
    sent.
    """
    return AlertState(
        tuple(retained for alert in state.alerts if (retained := _retained_alert(alert, now, policy)))
    )


def _retained_alert(alert: Alert, now: datetime, policy: AlertPolicy) -> Alert | None:
    channels = {channel.name for channel in policy.channels}
    if not channels.issuperset(alert.missed):  # a channel was removed from the settings
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
    """Every message that has to be sent at `now`, incident by incident."""
    return [
        message
        for members in group_incidents(alert for alert in state.alerts if alert.closed is None)
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
    """The alert or reminder about an open incident that the channel has to get; None for none."""
    open_alerts = [alert for alert in members if alert.is_open and channel.wants(alert.finding)]
    known = max(
        (delivered.weight for delivered in _recent_deliveries(members, channel.name, now, policy)), default=-1
    )
    unreported = [
        alert
        for alert in open_alerts
        if alert.finding.weight > known and not policy.holds_back(alert.finding.weight, now)
    ]
    if _is_gathering(unreported, now):
        return None
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


def _is_gathering(unreported: Sequence[Alert], now: datetime) -> bool:
    classes = {key.partition(" ")[0] for alert in unreported for key in cause_keys(alert.finding)}
    waits = [_GATHERING[name] for name in classes if name in _GATHERING]
    return bool(waits) and abs(now - max(alert.since for alert in unreported)) < max(waits)


def _recovery_message(
    members: Sequence[Alert], channel: Channel, now: datetime, policy: AlertPolicy
) -> AlertMessage | None:
    """The recovery message, once all of an incident that the channel knows of is resolved; None for none."""
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
    """The channel's deliveries for an incident that are too recent for a reminder.

    The absolute difference is compared, so that a delivery dated years ahead by a wrong clock silences
    nothing.
    """
    for alert in members:
        delivery = alert.known_to(channel)
        if delivery and abs(now - delivery.at) < policy.remind:
            yield delivery


def _failed_recently(alert: Alert, channel: str, now: datetime, policy: AlertPolicy) -> bool:
    tried = alert.missed.get(channel)
    return tried is not None and abs(now - tried) < policy.retry


def is_delivered(alert: Alert, now: datetime, policy: AlertPolicy) -> bool:
    """Whether some channel has recently taken the alert with its current weight."""
    return any(
        delivery.weight >= alert.finding.weight
        for channel in policy.channels
        for delivery in _recent_deliveries([alert], channel.name, now, policy)
    )


def mark_delivered(state: AlertState, message: AlertMessage, now: datetime) -> AlertState:
    """The state after the channel took the message at `now`."""

    def mark(alert: Alert) -> Alert:
        missed = {name: at for name, at in alert.missed.items() if name != message.channel}
        if message.kind is MessageKind.RECOVERY:
            return replace(alert, missed=missed, ended=(*alert.ended, message.channel))
        known = {**alert.told, message.channel: Delivery(now, alert.finding.weight)}
        return replace(alert, missed=missed, told=known)

    return _with_marked(state, message, mark)


def mark_failed(state: AlertState, message: AlertMessage, now: datetime) -> AlertState:
    """The state after the channel failed to take the message at `now`."""
    return _with_marked(
        state, message, lambda alert: replace(alert, missed={**alert.missed, message.channel: now})
    )


def _with_marked(state: AlertState, message: AlertMessage, mark: Callable[[Alert], Alert]) -> AlertState:
    about = {alert.id for alert in message.alerts}
    return AlertState(tuple(mark(alert) if alert.id in about else alert for alert in state.alerts))
