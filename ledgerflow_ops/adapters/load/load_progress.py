"""Measures how far a load is: the size of the database that it fills."""

from collections.abc import Callable
from dataclasses import dataclass

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.progress import Reporter

_INTERVAL = 1.0
_SHARE_OF_TIME = 20
"""The pause after a measurement, as a multiple of its duration, so that measuring does not slow the load."""


class SizeWatcher:
    """A watcher that reports the bytes of the database `name`, indexes included, about once a second.

    It asks from `server`, another database: a session in the one that is loaded would fire its login
    triggers. Where the account may not ask, it stops asking. An error here ends no load.
    """

    def __init__(self, server: Database, name: str, moved: Callable[[int], None]) -> None:
        self._server, self._name, self._moved = server, name, moved
        self._due = clock.monotonic()

    def heard(self) -> None:
        """Nothing: the size says how far the load is, whatever the program writes."""

    def tick(self) -> None:
        begun = clock.monotonic()
        if begun < self._due:
            return
        try:
            self._moved(self._size())
        except LedgerError:
            self._due = float("inf")
            return
        ended = clock.monotonic()
        self._due = ended + max(_INTERVAL, _SHARE_OF_TIME * (ended - begun))

    def _size(self) -> int:
        with self._server.connect() as connection:
            [(size,)] = connection.execute("SELECT pg_database_size(%s)", [self._name]).fetchall()
        return int(size)


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Reports the size of a database on `server` while it is being loaded."""

    server: Database
    reporter: Reporter

    def watcher(self, name: str, expected: int | None) -> SizeWatcher:
        """The watcher of a load into the database `name`, whose source had `expected` bytes."""
        return SizeWatcher(self.server, name, lambda done: self.reporter.moved(done, expected))
