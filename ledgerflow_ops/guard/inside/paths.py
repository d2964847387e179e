"""Whether an action on a path would affect a protected folder."""

import re

from ledgerflow_ops.guard.inside.effects import Finding, Surroundings, destroys, reads, worst
from ledgerflow_ops.guard.inside.options import names

_PATTERN = re.compile(r"[*?\[{]|[+@!]\(")
_PLAIN = names(
    """
    / /tmp /var /var/lib /var/log /usr /etc /opt /srv /mnt
    """
)
"""Folders that are not links in any image, so `..` from them leads to the folder above."""
_DEVICES = names(
    """
    /dev/null /dev/stdout /dev/stderr /dev/tty /dev/zero /dev/full /dev/random
    """
)


def affected(path: str, around: Surroundings) -> str:
    """The protected folder that an action on `path` could affect; empty for none.

    It could if the path is the folder, or is inside or above it. It also could if the path is unclear: behind
    `~`, in /proc and devices, and where `..` may lead out of a link.
    """
    for folder in around.data:
        walked = _walked(path, folder, around)
        if walked is None or _overlap(walked, _clean(folder)):
            return folder
    return ""


def acts(what: str, paths: tuple[str, ...], around: Surroundings) -> Finding:
    """The finding for an action that destroys what is at `paths`."""
    return worst(
        (destroys(f"{what} {path}: {hit}") for path in paths if (hit := _said(path, around))),
        f"{what} {' '.join(paths) or 'nothing'}, away from the data",
    )


def written(path: str, around: Surroundings) -> Finding:
    """A file that is written."""
    hit = _said(path, around)
    return destroys(f"writes {path}: {hit}") if hit else reads(f"writes {path}, away from the data")


def _said(path: str, around: Surroundings) -> str:
    folder = affected(path, around)
    return f"the protected folder {folder} is there" if folder else ""


def _clean(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _overlap(first: str, second: str) -> bool:
    return (first.rstrip("/") + "/").startswith(second.rstrip("/") + "/") or (
        second.rstrip("/") + "/"
    ).startswith(first.rstrip("/") + "/")


def _walked(path: str, folder: str, around: Surroundings) -> str | None:
    """`path` from the root, up to the first pattern in it; None where it may lead anywhere."""
    if path.startswith("~") or "\0" in path or "\n" in path:
        return None
    whole = path if path.startswith("/") else f"{around.workdir}/{path}"
    if "/~" in whole:
        return None
    resolved = "/"
    for part in whole.split("/"):
        if _PATTERN.search(part):
            break
        if part == "..":
            if resolved not in _PLAIN and not _overlap(resolved, _clean(folder)):
                return None
            resolved = resolved.rpartition("/")[0] or "/"
        elif part not in ("", "."):
            resolved = f"{resolved.rstrip('/')}/{part}"
    return None if _elusive(resolved) else resolved


def _elusive(path: str) -> bool:
    """Paths that stand for something else."""
    if path in _DEVICES or path == "/dev/shm" or path.startswith("/dev/shm/"):  # noqa: S108
        return False
    return path.startswith(("/proc/", "/sys/", "/dev/")) or path in ("/proc", "/sys", "/dev")
