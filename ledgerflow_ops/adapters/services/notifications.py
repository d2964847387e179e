"""Sends messages through alert channels by apprise. Messages name a channel; its URL is a secret.

apprise does not raise errors: it returns None for an unknown URL, and False for a message that did not
arrive. It logs the reason with parts of the URL: that log is captured here and goes nowhere else.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledgerflow_ops.core.alerting.alert_messages import MessageText
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint

if TYPE_CHECKING:
    import apprise

CONNECT, READ = 5.0, 10.0
PATIENCE = 20.0
"""Seconds to connect, to wait for an answer, and for all of it: the DNS lookup has no own limit."""

_TYPES = {"success": "success", "warning": "warning", "critical": "failure"}
"""The names of apprise's types of notification."""
_REASONS = (
    (
        re.compile(r"getaddrinfo|resolve|name or service|nodename|no address", re.I),
        "its name does not resolve",
    ),
    (re.compile(r"refused", re.I), "the connection was refused"),
    (re.compile(r"certificate|ssl", re.I), "there is no safe connection to it (TLS)"),
    (re.compile(r"timed? ?out", re.I), "it did not answer in time"),
    (re.compile(r"authenticat|\b535\b|unauthori[sz]ed|error=40[13]", re.I), "it does not accept the account"),
    (re.compile(r"error=(\d{3})\b"), "it answered {}"),
    (re.compile(r"connection", re.I), "the connection failed"),
)
"""Patterns in a service's messages, with our own words for them: its messages may contain the URL."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A configured alert channel."""

    name: str
    service: "apprise.NotifyBase"

    def send(self, message: MessageText) -> str:
        """Send a message; returns why it did not arrive, in our own words, or an empty string."""
        import apprise  # takes 0.2 s, and only a message needs it

        posts = apprise.Apprise()
        posts.add(self.service)
        with _captured_log() as log_lines:
            try:
                arrived = bool(
                    posts.notify(
                        body=message.body,
                        title=message.title,
                        notify_type=apprise.NotifyType(_TYPES[message.bad]),
                        body_format=apprise.NotifyFormat.TEXT,
                    )
                )
            except Exception as error:  # noqa: BLE001 - an error of a plugin must not stop the other channels
                log_lines.append(type(error).__name__)
                arrived = False
        return "" if arrived else _failure_reason("\n".join(log_lines))


def deliver(
    posts: Mapping[str, tuple[Sender, Sequence[MessageText]]], patience: float = PATIENCE
) -> dict[str, list[str]]:
    """Send each channel its messages, all channels at once; returns by name why each message failed, or "".

    After a failure a channel gets no more messages. Waits for at most `patience` seconds; a message that is
    still being sent then counts as failed, and may arrive later.
    """
    until = time.monotonic() + patience
    attempts = {name: _Attempt(sender, messages) for name, (sender, messages) in posts.items()}
    for attempt in attempts.values():
        attempt.start()
    return {
        name: attempt.outcome(until - time.monotonic(), len(posts[name][1]))
        for name, attempt in attempts.items()
    }


def make_sender(name: str, url: str) -> Sender:
    """The channel `name` at `url`; SettingsError, without the URL, if apprise does not support it."""
    import apprise

    with _captured_log():
        try:
            service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(service_timeout=0))
        except Exception:  # noqa: BLE001 - any error of a plugin here is caused by the URL
            service = None
    if not isinstance(service, apprise.NotifyBase):
        raise SettingsError(
            f"The alert channel {name!r} has an address that apprise does not know.",
            hint=Hint(
                "Write it as apprise does: ntfy://host/topic, mailto://…, slack://…; its wiki has them all."
            ),
        )
    service.request_rate_per_sec = 0  # else it would wait for seconds between two messages
    service.socket_connect_timeout = min(service.socket_connect_timeout, CONNECT)
    service.socket_read_timeout = min(service.socket_read_timeout, READ)
    return Sender(name, service)


class _Attempt(threading.Thread):
    """A daemon thread that sends one channel's messages, and delays neither us nor the end of the process."""

    def __init__(self, sender: Sender, messages: Sequence[MessageText]) -> None:
        super().__init__(name=f"alerts by {sender.name}", daemon=True)
        self._sender, self._words = sender, messages
        self._reasons: list[str] = []

    def outcome(self, seconds: float, count: int) -> list[str]:
        """The result of each message, after waiting for at most `seconds`."""
        self.join(max(seconds, 0))
        late = self.is_alive()  # read before the reasons: the thread may end in between
        reasons = list(self._reasons)
        last_reason = "it did not answer in time" if late else reasons[-1]
        return reasons + [last_reason] * (count - len(reasons))

    def run(self) -> None:
        for message in self._words:
            reason = self._sender.send(message)
            self._reasons.append(reason)
            if reason:
                return


def _failure_reason(text: str) -> str:
    for pattern, reason in _REASONS:
        if match := pattern.search(text):
            return reason.format(*match.groups())
    return "it did not take the message"


_captured: ContextVar["list[str] | None"] = ContextVar("_heard", default=None)


class _LogCapture(logging.Handler):
    """Captures the log of apprise for the current context."""

    def emit(self, record: logging.LogRecord) -> None:
        if (heard := _captured.get()) is not None:
            heard.append(record.getMessage())


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """The lines that apprise logs during the block."""
    lines: list[str] = []
    token = _captured.set(lines)
    try:
        yield lines
    finally:
        _captured.reset(token)


logging.getLogger("urllib3").setLevel(logging.WARNING)  # its debug messages name hosts and paths
_log = logging.getLogger("apprise")
_log.propagate = False
_log.setLevel(logging.DEBUG)
_log.addHandler(_LogCapture())
