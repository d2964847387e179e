"""The channels that the settings name: what each is for, and that each can be used."""

from datetime import timedelta

from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.alerting.alert_policy import AlertPolicy, Channel
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.errors import SettingsError


def channel_policy(settings: Settings) -> AlertPolicy:
    """How people want to be told."""
    asked = settings.alerts
    quiet = None
    if asked.quiet_from is not None and asked.quiet_until is not None:
        quiet = QuietHours(asked.quiet_from, asked.quiet_until, asked.zone)
    return AlertPolicy(
        tuple(Channel(one.name, one.environments, one.level) for one in asked.channels),
        remind=timedelta(hours=asked.remind_hours),
        settle=timedelta(minutes=asked.settle_minutes),
        quiet=quiet,
    )


def channel_errors(settings: Settings) -> dict[str, SettingsError]:
    """The channels whose address apprise does not know, by the path of their setting."""
    if not settings.alerts.channels:
        return {}
    from ledgerflow_ops.adapters.services import notifications  # half a second, for who has channels

    found = {}
    for place, channel in enumerate(settings.alerts.channels):
        try:
            notifications.sender(channel.name, channel.address)
        except SettingsError as error:
            found[f"alerts.channels.{place}"] = error
    return found


def require_channels(settings: Settings) -> None:
    """SettingsError, with the path of every setting that is wrong, unless apprise knows all channels."""
    if wrong := channel_errors(settings):
        listed = "\n  ".join(f"{path}: {error.message}" for path, error in wrong.items())
        raise SettingsError(
            f"The alert channels have {len(wrong)} mistake(s):\n  {listed}",
            hint=next(iter(wrong.values())).hint,
        )
