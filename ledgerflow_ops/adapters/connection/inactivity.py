"""Watchers that limit waits: for a server or program that has stalled, and for locks of other sessions."""

from collections.abc import Callable

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Activity, LockWait, Watcher, stalled, stopped

_FIRST_CHECK = 1.0
_CHECK_INTERVAL = 2.0
_ROUNDING = 0.5


class StallWatcher:
    """A watcher that ends a wait if nothing came for `seconds` and no session or program made progress.

    It compares two samples of their activity, taken after each half of the time. Silence alone does not
    count: a server may compute for hours before it returns its first row.
    """

    def __init__(self, subject: str, seconds: float, activity: Callable[[], Activity]) -> None:
        self._subject, self._seconds, self._activity = subject, seconds, activity
        self.heard()

    def heard(self) -> None:
        """Something came: restart the time."""
        self._since = clock.monotonic()
        self._due = self._since + self._seconds / 2
        self._before: Activity | None = None

    def tick(self) -> None:
        """LedgerError if nothing has come for too long and nothing makes progress."""
        if clock.monotonic() < self._due:
            return
        now, before = self._activity(), self._before
        self._before, self._due = now, clock.monotonic() + self._seconds / 2
        why = stalled(before, now) if before else None
        if why:
            raise LedgerError(
                f"Nothing has come from {self._subject} for {clock.monotonic() - self._since:.0f} s: {why}.",
                hint=Hint(
                    f"Nothing incomplete was kept. {_resume_advice(stopped(now))}; then run it again. "
                    "If it only needs more time, raise stall_seconds."
                ),
            )


def _end_statement(pid: int) -> str:
    if not pid:
        return "SELECT format('ROLLBACK PREPARED %L;', gid) FROM pg_prepared_xacts;"
    return f"SELECT pg_terminate_backend({pid});"


def _resume_advice(pid: int | None) -> str:
    if pid is None:
        return "Resume a server that is stopped (SIGSTOP), or restart one that hangs"
    return f"On its machine, kill -CONT {pid} resumes it"


class CombinedWatcher:
    """Several watchers as one."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def heard(self) -> None:
        for watcher in self._watchers:
            watcher.heard()

    def tick(self) -> None:
        for watcher in self._watchers:
            watcher.tick()


def require_no_deadlock(waits: tuple[LockWait, ...]) -> None:
    """Unsettled if one of our sessions waits for a session that itself waits for another of ours."""
    for wait in waits:
        if wait.deadlocked:
            raise Unsettled(f"Deadlock: {wait.sentence}, which waits for us.", hint=Hint("Run it again."))


class LockWaitWatcher:
    """A watcher that reports which sessions block us, and gives up after `seconds`. Without `report` it
    checks less often.

    Unsettled if a blocking session waits for us: a new attempt lets it finish first.
    """

    def __init__(
        self,
        seconds: float,
        lock_waits: Callable[[], tuple[LockWait, ...]],
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._seconds, self._lock_waits, self._report = seconds, lock_waits, report
        self._first, self._between = (_FIRST_CHECK, _CHECK_INTERVAL) if report else (seconds / 4, seconds / 4)
        self._reported: set[tuple[int, ...]] = set()
        self._waiting: float | None = None
        self.heard()

    def heard(self) -> None:
        """Something came: no wait for a lock is going on."""
        self._due = clock.monotonic() + self._first
        self._waiting = None

    def tick(self) -> None:
        """Unsettled, or LedgerError that names the blocking sessions and how to end them."""
        now = clock.monotonic()
        if now < self._due:
            return
        waits, self._due = self._lock_waits(), clock.monotonic() + self._between
        if not waits:
            self._waiting = None
            return
        require_no_deadlock(waits)
        self._report_waits(waits)
        self._waiting = now - self._first if self._waiting is None else self._waiting
        if now - self._waiting + _ROUNDING >= self._seconds:
            raise self._timeout_error(waits)

    def _report_waits(self, waits: tuple[LockWait, ...]) -> None:
        for wait in waits:
            key = tuple(blocker.pid for blocker in wait.blockers)
            if self._report and key not in self._reported:
                self._reported.add(key)
                self._report(f"{wait.sentence}; for at most {self._seconds:.0f} s")

    def _timeout_error(self, waits: tuple[LockWait, ...]) -> LedgerError:
        pids = dict.fromkeys(blocker.pid for wait in waits for blocker in wait.blockers)
        ends = " ".join(map(_end_statement, pids))
        return LedgerError(
            f"No lock within {self._seconds:.0f} s: " + "\n".join(wait.sentence for wait in waits) + ".",
            hint=Hint(
                "Nothing was kept. Wait until that session has ended and run it again, or raise "
                f"lock_timeout_seconds. To end it, as its user or as superuser: {ends}"
            ),
        )
