"""The alert channels of the settings: what each is for, and whether each can be used."""

from datetime import timedelta

from ledgerflow_ops.adapters.services import notifications
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.alerting import root_cause
from ledgerflow_ops.core.alerting.alert_policy import AlertPolicy, Channel
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.postgres.addresses import InvalidAddress, parse_address


def channel_policy(settings: Settings) -> AlertPolicy:
    """The alert policy of the settings: channels, reminders, delays and quiet hours."""
    alerts = settings.alerts
    quiet = None
    if alerts.quiet_from is not None and alerts.quiet_until is not None:
        quiet = QuietHours(alerts.quiet_from, alerts.quiet_until, alerts.zone)
    return AlertPolicy(
        tuple(Channel(channel.name, channel.environments, channel.level) for channel in alerts.channels),
        remind=timedelta(hours=alerts.remind_hours),
        settle=timedelta(minutes=alerts.settle_minutes),
        quiet=quiet,
        shared=_shared_causes(settings),
    )


def _shared_causes(settings: Settings) -> dict[str, tuple[Environment, ...]]:
    """The environments that a cause concerns, by the cause's key: those on one server, and, where the root of
    all backups is exposed, every scheduled one.
    """
    shared: dict[str, tuple[Environment, ...]] = {}
    for name, environment in settings.environments.items():
        for key in _server_keys(environment.url or ""):
            shared[key] = (*shared.get(key, ()), name)
    scheduled = [name for name, environment in settings.environments.items() if environment.is_scheduled]
    return {**shared, root_cause.EXPOSED: tuple(scheduled)}


def _server_keys(url: str) -> list[str]:
    """The keys of the servers in a database's address; none where it names none, or cannot be read."""
    try:
        named = parse_address(url) if url else {}
    except InvalidAddress:
        return []
    hosts = [host for host in named.get("host", "").split(",") if host]
    ports = [port or "5432" for port in named.get("port", "5432").split(",")]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [root_cause.server_key(host, port) for host, port in zip(hosts, ports, strict=False)]


def channel_errors(settings: Settings) -> dict[str, SettingsError]:
    """The channels whose address apprise does not accept, by the path of their setting."""
    errors = {}
    for place, channel in enumerate(settings.alerts.channels):
        try:
            notifications.make_sender(channel.name, channel.address)
        except SettingsError as error:
            errors[f"alerts.channels.{place}"] = error
    return errors


def require_channels(settings: Settings) -> None:
    """SettingsError (2), with the path of every wrong setting, unless apprise accepts all channels."""
    if errors := channel_errors(settings):
        listed = "\n  ".join(f"{path}: {error.message}" for path, error in errors.items())
        raise SettingsError(
            f"The alert channels have {count_of(len(errors), 'mistake')}:\n  {listed}",
            hint=next(iter(errors.values())).hint,
        )
