"""A psycopg connection whose waits are limited, and end at once when we are interrupted."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from psycopg.pq import TransactionStatus

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.postgres.session_activity import Watcher

_TICK = 1.0
"""Seconds without an answer after which the watchers are called; psycopg itself handles signals sooner."""
_CANCEL_SECONDS = 2.0
Result = TypeVar("Result")


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that does not wait for ever for a server that hangs.

    When it is interrupted, it asks the server to cancel and closes, without waiting for the answer.
    """

    at: Mapping[str, str] = {}
    """The parameters it was opened with, for another connection that observes this one."""
    watchers: tuple[Watcher, ...] = ()
    ending = False
    """Set by another thread to make a wait give up with TimeoutError."""

    def at_most(self, seconds: float) -> None:
        """Make every single wait end with TimeoutError after so many seconds."""
        self.watchers = (_WaitLimit(seconds),)

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """As psycopg's `wait`, for at most as long as the watchers allow."""
        try:
            if timeout is not None:
                return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=timeout)
            return self._wait_watched(gen, interval)
        except psycopg.Error:
            raise
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Ask the server to cancel our statement, for at most two seconds, and close the connection."""
        if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_SECONDS)
        self.close()

    def _wait_watched(self, gen: PQGen[Result], interval: float) -> Result:
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=_TICK)
        except _WaitTimeout:
            pass
        for watcher in self.watchers:
            watcher.heard()
        return waiting.wait(self._resumed(gen), self.pgconn.socket, interval=interval)

    def _resumed(self, gen: PQGen[Result]) -> PQGen[Result]:
        """The rest of `gen`; after each step the watchers are notified whether something came."""
        try:
            waits_for = gen.send(waiting.READY_NONE)
            while True:
                ready = yield waits_for
                self._notify(came=bool(ready))
                waits_for = gen.send(ready)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _notify(self, *, came: bool) -> None:
        if self.ending:
            raise TimeoutError("asked to end")
        for watcher in self.watchers:
            if came:
                watcher.heard()
            else:
                watcher.tick()


class _WaitLimit:
    """A watcher that ends a wait with TimeoutError after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._since = seconds, clock.monotonic()

    def heard(self) -> None:
        self._since = clock.monotonic()

    def tick(self) -> None:
        if clock.monotonic() - self._since > self._seconds:
            raise TimeoutError(f"no answer within {self._seconds:.0f} s")
