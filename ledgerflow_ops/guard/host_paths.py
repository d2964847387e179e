"""Compares paths as text, without access to the file system: the host's, and those in a container."""

import posixpath
import re
from collections.abc import Mapping

from ledgerflow_ops.guard.effects import Surroundings

_PATTERN = re.compile(r"[*?\[{]")
_ELUSIVE = ("/proc", "/sys", "/dev")
_DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero")


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


def is_data(path: str, around: Surroundings) -> bool:
    """Whether a path in a container is in or above its protected folders; a pattern up to its first sign."""
    whole = posixpath.join(around.workdir, _PATTERN.split(path)[0])
    here = posixpath.normpath(whole)
    begun = bool(_PATTERN.search(path))
    return path not in _DEVICES and any(
        overlap(here, folder) or (begun and folder.startswith(whole)) for folder in around.data
    )


def is_away(path: str, around: Surroundings) -> bool:
    """Whether it is certainly neither: `..` may leave a link, `~`, `/proc` and devices lead anywhere."""
    unclear = ".." in path or "~" in path or "\0" in path or path.startswith(_ELUSIVE)
    harmless = path in _DEVICES or not (around.data and (unclear or is_data(path, around)))
    return path.startswith("/") and harmless
