"""Resolves a path with symbolic links, by a function that reads one link at a time."""

import posixpath
from collections.abc import Callable

_MOST = 40
"""The number of links that Linux follows (MAXSYMLINKS)."""

ReadLink = Callable[[str], str | None]
"""Path whose folders are no links → the target of the link at that path; empty if it is no link or does not
exist, None if that cannot be determined."""


def resolve_path(path: str, read_link: ReadLink) -> str:
    """The absolute path that `path` resolves to; empty if that cannot be determined, or for a loop."""
    place, left, links = "/", path.split("/"), 0
    while left:
        step, *left = left
        if step in ("", "."):
            continue
        if step == "..":
            place = posixpath.dirname(place)
            continue
        target = read_link(posixpath.join(place, step))
        links += bool(target)
        if target is None or links > _MOST:
            return ""
        if target:
            left = [*target.split("/"), *left]
            place = "/" if target.startswith("/") else place
        else:
            place = posixpath.join(place, step)
    return place
