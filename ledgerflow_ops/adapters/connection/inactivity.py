"""How long nothing may come: from a server, from a program. Who is at work meanwhile is looked at."""

from collections.abc import Callable

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Activity, LockWait, Watcher, stalled, stopped

_FIRST_LOOK = 1.0
_BETWEEN_LOOKS = 2.0
_ROUNDING = 0.5


class Silence:
    """A watcher that ends a wait in which nothing came for `seconds` and nobody was seen to get on.

    Two looks at who works, the first at half of the time, decide: silence alone is no sign. A server may
    compute for hours before its first row.
    """

    def __init__(self, what: str, seconds: float, look: Callable[[], Activity]) -> None:
        self._what, self._seconds, self._look = what, seconds, look
        self.heard()

    def heard(self) -> None:
        """Something came: the time begins anew."""
        self._since = clock.awake()
        self._due = self._since + self._seconds / 2
        self._before: Activity | None = None

    def tick(self) -> None:
        """LedgerError when it has been too long."""
        if clock.awake() < self._due:
            return
        now, before = self._look(), self._before
        self._before, self._due = now, clock.awake() + self._seconds / 2
        why = stalled(before, now) if before else None
        if why:
            raise LedgerError(
                f"Nothing has come from {self._what} for {clock.awake() - self._since:.0f} s: {why}.",
                hint=Hint(
                    f"Nothing half-done was kept. {_go_on(stopped(now))}; then run it again. If it only "
                    "takes long, raise stall_seconds."
                ),
            )


def _ending(pid: int) -> str:
    if not pid:
        return "SELECT format('ROLLBACK PREPARED %L;', gid) FROM pg_prepared_xacts;"
    return f"SELECT pg_terminate_backend({pid});"


def _go_on(pid: int | None) -> str:
    if pid is None:
        return "A server that is stopped (SIGSTOP) must go on, one that hangs must be started anew"
    return f"Where it runs, kill -CONT {pid} lets it go on"


class All:
    """Several watchers as one."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def heard(self) -> None:
        for watcher in self._watchers:
            watcher.heard()

    def tick(self) -> None:
        for watcher in self._watchers:
            watcher.tick()


def untangled(waits: tuple[LockWait, ...]) -> None:
    """Unsettled when one of ours waits for somebody who waits for another of ours."""
    for one in waits:
        if one.knotted:
            raise Unsettled(
                f"There would be no end to {one.sentence}, which waits for us.", hint=Hint("Run it again.")
            )


class Locks:
    """A watcher that tells for whom a lock is waited, and gives up after `seconds`. It looks less often
    where there is nobody to `say` it to.

    Unsettled when whom we wait for waits for us: a new attempt lets it pass.
    """

    def __init__(
        self,
        seconds: float,
        look: Callable[[], tuple[LockWait, ...]],
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._seconds, self._look, self._say = seconds, look, say
        self._first, self._between = (_FIRST_LOOK, _BETWEEN_LOOKS) if say else (seconds / 4, seconds / 4)
        self._told: set[tuple[int, ...]] = set()
        self._waiting: float | None = None
        self.heard()

    def heard(self) -> None:
        """Something came: whatever was waited for is over."""
        self._due = clock.awake() + self._first
        self._waiting = None

    def tick(self) -> None:
        """Unsettled, or LedgerError with who stands in the way and how to end it."""
        now = clock.awake()
        if now < self._due:
            return
        waits, self._due = self._look(), clock.awake() + self._between
        if not waits:
            self._waiting = None
            return
        untangled(waits)
        self._tell(waits)
        self._waiting = now - self._first if self._waiting is None else self._waiting
        if now - self._waiting + _ROUNDING >= self._seconds:
            raise self._given_up(waits)

    def _tell(self, waits: tuple[LockWait, ...]) -> None:
        for one in waits:
            key = tuple(blocker.pid for blocker in one.blockers)
            if self._say and key not in self._told:
                self._told.add(key)
                self._say(f"{one.sentence}; for at most {self._seconds:.0f} s")

    def _given_up(self, waits: tuple[LockWait, ...]) -> LedgerError:
        pids = dict.fromkeys(blocker.pid for one in waits for blocker in one.blockers)
        ends = " ".join(map(_ending, pids))
        return LedgerError(
            f"No lock within {self._seconds:.0f} s: " + "\n".join(one.sentence for one in waits) + ".",
            hint=Hint(
                "Nothing was kept. Wait until it has ended and run it again, or raise lock_timeout_seconds. "
                f"As its user or as superuser, this ends it: {ends}"
            ),
        )
