"""The alert channels of the settings: what each is for, and whether each can be used."""

from datetime import timedelta

from ledgerflow_ops.adapters.services import notifications
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.alerting.alert_policy import AlertPolicy, Channel
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import SettingsError


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
    )


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
