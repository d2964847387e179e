"""How long a command at a terminal may take: the daemon ends its own runs after as long."""

import signal

from ledgerflow_ops.core.hints import Hint

_AGAIN_SECONDS = 30.0
_rung: list[float] = []


def begin(minutes: float) -> None:
    """From now on the command has so long. Then it is interrupted as by Ctrl-C, and again until it ends.

    For the main thread. Beginning anew takes the place of what was begun before.
    """
    _rung.clear()

    def ring(_number: int, _frame: object) -> None:
        _rung.append(minutes)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60, _AGAIN_SECONDS)


def passed() -> float | None:
    """The minutes that were given, once they have passed."""
    return _rung[0] if _rung else None


def words(minutes: float) -> tuple[str, Hint]:
    """What is told of a command that was ended for it: the message and the hint."""
    return (
        f"Ended: it has taken longer than {minutes:g} minutes.",
        Hint(
            "Nothing half-done was kept. If that is what it takes, raise backup_minutes; then run it again."
        ),
    )
