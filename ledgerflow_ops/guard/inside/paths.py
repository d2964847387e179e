"""Whether a path in a container is in, above or away from its protected folders."""

import posixpath
import re
from enum import Enum

from ledgerflow_ops.guard.host_paths import overlap
from ledgerflow_ops.guard.inside.effects import Surroundings

_PATTERN = re.compile(r"[*?\[{]")
_ELUSIVE = ("/proc", "/sys", "/dev")
_DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero")


class Place(Enum):
    """Where a path lies."""

    AWAY = "away from the data"
    DATA = "the data, or a folder above them"
    UNKNOWN = "unknown"


def place_of(path: str, around: Surroundings) -> Place:
    """Where an action on `path` would take place. A pattern counts up to its first sign.

    Unknown where `..` may leave a link, and behind `~`, `/proc` and devices.
    """
    if not around.data or path in _DEVICES:
        return Place.AWAY
    plain = _PATTERN.split(path)[0]
    whole = posixpath.join(around.workdir, plain)
    here = posixpath.normpath(whole)
    if _PATTERN.search(path) and any(folder.startswith(whole) for folder in around.data):
        return Place.DATA
    if any(overlap(here, folder) for folder in around.data):
        return Place.DATA
    if ".." in plain or "~" in plain or here.startswith(_ELUSIVE) or "\0" in path:
        return Place.UNKNOWN
    return Place.AWAY
