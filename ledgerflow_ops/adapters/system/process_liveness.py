"""Whether a recorded process still runs."""

from datetime import datetime

import psutil

_CLOCK_SLACK = 2.0


def is_alive(pid: int, at: datetime) -> bool:
    """Whether the process that had this PID at `at` still runs; the PID may have been reused since."""
    try:
        process = psutil.Process(pid)
        same = process.create_time() <= at.timestamp() + _CLOCK_SLACK
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
