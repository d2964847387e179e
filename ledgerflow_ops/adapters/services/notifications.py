"""Sends a message through a channel, by apprise. A channel goes by its name; its URL is a secret.

apprise raises for nothing: a URL it does not know becomes None, a message that did not arrive False. It
writes what went wrong into its log, with parts of the URL in it: that log is read here and goes nowhere else.
Imported only where something is sent: apprise and its services take half a second.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import apprise

from ledgerflow_ops.core.alerting.alert_messages import MessageText
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint

CONNECT, READ = 5.0, 10.0
PATIENCE = 20.0
"""Seconds. The last is for all of it: looking up a name has no limit of its own."""

_TYPES = {
    "success": apprise.NotifyType.SUCCESS,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}
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
"""What a service's words come to. Its own words may repeat the URL, so none of them are passed on."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A channel at hand."""

    name: str
    service: apprise.NotifyBase

    def send(self, words: MessageText) -> str:
        """Send a message: why it did not arrive, in our own words, or an empty string."""
        posts = apprise.Apprise()
        posts.add(self.service)
        with _listening() as heard:
            try:
                arrived = bool(
                    posts.notify(
                        body=words.body,
                        title=words.title,
                        notify_type=_TYPES[words.bad],
                        body_format=apprise.NotifyFormat.TEXT,
                    )
                )
            except Exception as error:  # noqa: BLE001 - a plugin's own mistake must not stop the other channels
                heard.append(type(error).__name__)
                arrived = False
        return "" if arrived else _reason("\n".join(heard))


def deliver(
    posts: Mapping[str, tuple[Sender, Sequence[MessageText]]], patience: float = PATIENCE
) -> dict[str, list[str]]:
    """Send each channel its messages, all channels at once: by name why each did not arrive, or "".

    A channel that failed once gets none of the rest. Waits for `patience` seconds at the most; what is still
    under way then counts as failed, and may arrive later.
    """
    until = time.monotonic() + patience
    attempts = {name: _Attempt(sender, words) for name, (sender, words) in posts.items()}
    for attempt in attempts.values():
        attempt.start()
    return {
        name: attempt.outcome(until - time.monotonic(), len(posts[name][1]))
        for name, attempt in attempts.items()
    }


def sender(name: str, url: str) -> Sender:
    """The channel `name` at `url`; SettingsError, which does not repeat it, when apprise does not know it."""
    with _listening():
        try:
            service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(service_timeout=0))
        except Exception:  # noqa: BLE001 - whatever a plugin trips over, the URL is the reason
            service = None
    if not isinstance(service, apprise.NotifyBase):
        raise SettingsError(
            f"The alert channel {name!r} has an address that apprise does not know.",
            hint=Hint(
                "Write it as apprise does: ntfy://host/topic, mailto://…, slack://…; its wiki has them all."
            ),
        )
    service.request_rate_per_sec = 0  # it would wait for seconds between two messages, which are few
    service.socket_connect_timeout = min(service.socket_connect_timeout, CONNECT)
    service.socket_read_timeout = min(service.socket_read_timeout, READ)
    return Sender(name, service)


class _Attempt(threading.Thread):
    """Messages under way, in a thread that holds nobody up: neither us nor the end of the process."""

    def __init__(self, sender: Sender, words: Sequence[MessageText]) -> None:
        super().__init__(name=f"alerts by {sender.name}", daemon=True)
        self._sender, self._words = sender, words
        self._whys: list[str] = []

    def outcome(self, seconds: float, wanted: int) -> list[str]:
        """What came of each message, waited for as long as that."""
        self.join(max(seconds, 0))
        late = self.is_alive()  # before what is known: it may end in between
        known = list(self._whys)
        why = "it did not answer in time" if late else known[-1]
        return known + [why] * (wanted - len(known))

    def run(self) -> None:
        for words in self._words:
            why = self._sender.send(words)
            self._whys.append(why)
            if why:
                return


def _reason(text: str) -> str:
    for pattern, words in _REASONS:
        if found := pattern.search(text):
            return words.format(*found.groups())
    return "it did not take the message"


_heard: ContextVar["list[str] | None"] = ContextVar("_heard", default=None)


class _Ear(logging.Handler):
    """Takes in what apprise says, for whoever listens in this context; it says it nowhere else."""

    def emit(self, record: logging.LogRecord) -> None:
        if (heard := _heard.get()) is not None:
            heard.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What apprise logs while the block lasts."""
    lines: list[str] = []
    token = _heard.set(lines)
    try:
        yield lines
    finally:
        _heard.reset(token)


logging.getLogger("urllib3").setLevel(logging.WARNING)  # its chatter names hosts and paths
_log = logging.getLogger("apprise")
_log.propagate = False
_log.setLevel(logging.DEBUG)
_log.addHandler(_Ear())
