"""Where a path leads that has links in it, told by somebody who can look at one step at a time."""

import posixpath
from collections.abc import Callable

_MOST = 40
"""So many links Linux follows."""

Look = Callable[[str], str | None]
"""For a path whose folders are no links: what it points to as a link, empty when it is none or is not
there, None when that cannot be told."""


def end_of(path: str, look: Look) -> str:
    """The absolute path that `path` leads to; empty when that cannot be told, or never ends."""
    place, left, links = "/", path.split("/"), 0
    while left:
        step, *left = left
        if step in ("", "."):
            continue
        if step == "..":
            place = posixpath.dirname(place)
            continue
        found = look(posixpath.join(place, step))
        links += bool(found)
        if found is None or links > _MOST:
            return ""
        if found:
            left = [*found.split("/"), *left]
            place = "/" if found.startswith("/") else place
        else:
            place = posixpath.join(place, step)
    return place
