"""The time limit of a command at a terminal, which is the same as that of the daemon's runs."""

import signal

from ledgerflow_ops.core.hints import Hint

_AGAIN_SECONDS = 30.0
_expired: list[float] = []


def start_deadline(minutes: float) -> None:
    """Interrupt the command after so many minutes, as Ctrl-C does, and again every 30 s until it ends.

    Call it in the main thread. A further call replaces the earlier limit.
    """
    _expired.clear()

    def ring(_number: int, _frame: object) -> None:
        _expired.append(minutes)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60, _AGAIN_SECONDS)


def expired_minutes() -> float | None:
    """The limit in minutes if it has passed; else None."""
    return _expired[0] if _expired else None


def deadline_message(minutes: float) -> tuple[str, Hint]:
    """The message and the hint for a command that was ended by its limit."""
    return (
        f"Ended: it has taken longer than {minutes:g} minutes.",
        Hint("Nothing incomplete was kept. If it needs more time, raise backup_minutes; then run it again."),
    )
