"""Paths, and whether one lies in another: words only, nobody looks at a disk."""

import posixpath
from collections.abc import Mapping


def host_places(options: Mapping[str, str]) -> tuple[str, ...]:
    """The host's folders that a volume's driver options make it another name for.

    A bind has its folder as the device; an overlay writes into two that stand among its mount options.
    """
    parts = [text.partition("=") for text in options.get("o", "").split(",")]
    written = [value for name, _, value in parts if name in ("upperdir", "workdir")]
    return tuple(path for path in (options.get("device", ""), *written) if path.startswith("/"))


def overlap(one: str, other: str) -> bool:
    """Whether one path is the other, or lies in it."""
    return within(one, other) or within(other, one)


def within(inner: str, outer: str) -> bool:
    """Whether a path is in a folder, or is it."""
    a, b = _clean(inner), _clean(outer)
    return a == b or a.startswith(b.rstrip("/") + "/")


def _clean(path: str) -> str:
    """A path without `..` and doubled slashes: POSIX keeps two at the beginning, no system does."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
