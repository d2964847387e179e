"""Whether a process that once did something is still there."""

from datetime import datetime

import psutil

_CLOCK_SLACK = 2.0


def alive(pid: int, at: datetime) -> bool:
    """Whether the process that had this number at `at` still runs: a later one may have been given it."""
    try:
        found = psutil.Process(pid)
        same = found.create_time() <= at.timestamp() + _CLOCK_SLACK
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
