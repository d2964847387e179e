"""Compares paths as text, without access to the file system."""

import posixpath
from collections.abc import Mapping


def host_places(options: Mapping[str, str]) -> tuple[str, ...]:
    """The host's folders that a volume with these driver options uses.

    A bind has its folder as the device; an overlay writes into two that its mount options name.
    """
    parts = [text.partition("=") for text in options.get("o", "").split(",")]
    written = [value for name, _, value in parts if name in ("upperdir", "workdir")]
    return tuple(path for path in (options.get("device", ""), *written) if path.startswith("/"))


def overlap(first: str, second: str) -> bool:
    """Whether the paths are equal or one contains the other."""
    return within(first, second) or within(second, first)


def within(inner: str, outer: str) -> bool:
    """Whether a path is a folder or inside it."""
    a, b = _clean(inner), _clean(outer)
    return a == b or a.startswith(b.rstrip("/") + "/")


def _clean(path: str) -> str:
    """A path without `..` and double slashes. normpath keeps two leading ones, which POSIX allows."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
