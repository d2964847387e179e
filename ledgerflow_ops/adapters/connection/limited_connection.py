"""A connection whose waits are limited, and end at once for whoever is interrupted."""

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
"""After so many seconds without an answer a wait is watched; psycopg itself sees signals sooner."""
_CANCEL_SECONDS = 2.0
Result = TypeVar("Result")


class Limited(psycopg.Connection[Any]):
    """A connection that does not wait without end for a server that hangs.

    Nor does it, when it is interrupted, for the server to agree: it asks it to cancel, and closes.
    """

    at: Mapping[str, str] = {}
    """What it was made from, to make another that looks at it."""
    watchers: tuple[Watcher, ...] = ()
    ending = False
    """Set, from another thread, to have whoever waits give up."""

    def at_most(self, seconds: float) -> None:
        """Have every single wait end with TimeoutError after so long."""
        self.watchers = (_AtMost(seconds),)

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """As psycopg's, for at most as long as the watchers let it."""
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
        """Have the server end what it does for us, if it can be told within seconds, and close."""
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
        """What is left of `gen`, each vain wait for it told to the watchers."""
        try:
            wanted = gen.send(waiting.READY_NONE)
            while True:
                ready = yield wanted
                self._tell(came=bool(ready))
                wanted = gen.send(ready)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _tell(self, *, came: bool) -> None:
        if self.ending:
            raise TimeoutError("asked to end")
        for watcher in self.watchers:
            if came:
                watcher.heard()
            else:
                watcher.tick()


class _AtMost:
    """A watcher for waits that must be short."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._since = seconds, clock.awake()

    def heard(self) -> None:
        self._since = clock.awake()

    def tick(self) -> None:
        if clock.awake() - self._since > self._seconds:
            raise TimeoutError(f"no answer within {self._seconds:.0f} s")
