"""What the text of a compose file shows before Compose is asked, which takes longer than all else.

A file without any of the few ways out of a project, and without a name or folder of ours, reaches
nothing that is protected. Whatever is not plain is left to Compose.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator

_WAYS_OUT = re.compile(
    r"\\|network_mode(?![\"']?\s*:\s*[\"']?(?:none|bridge)\b)|external|driver_opts|extends|include|privileged"
    r"|cap_add|device|\bpid\b|volumes_from|provider|use_api_socket|\.sock\b|container:|host\.docker|gateway"
    r"|172\.17\.|pre_stop|post_start|!|/(?:dev|proc|sys|run)\b"
)
_SOURCES = re.compile(
    r"""(?:^|[\s"'\[{,-])((?:\$\{[^}]*\}|[.~/$])(?:\$\{[^}]*\}|[^\s:"',\]}])*)(?=["']?\s*:)"""
    r"""|source["']?\s*:\s*["']?((?:\$\{[^}]*\}|[^\s"',}\]])+)"""
)
_NAME = re.compile(r"^name\s*:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def plain(texts: Iterable[str], values: Iterable[str], ours: Iterable[str]) -> bool:
    """Whether compose files with these texts stay within their project.

    `values` are what variables in them could stand for; `ours` are the names that they must not contain.
    """
    text = "\n".join(texts)
    given = "\n".join((text, *(values if "$" in text else ())))
    return not _WAYS_OUT.search(text) and not any(name in given for name in ours)


def sources(texts: Iterable[str], folder: str) -> Iterator[str]:
    """The host's paths that the texts could mount; empty text for one that only Compose knows."""
    for text in texts:
        for found in _SOURCES.finditer(text):
            path = found[1] or found[2]
            yield "" if "$" in path or "~" in path else posixpath.join(folder, path)


def project_name(texts: Iterable[str], folder: str) -> str:
    """The project's name by the last file that has one, else by its folder; empty if a variable is in it."""
    written = [found[1] for text in texts for found in _NAME.finditer(text)]
    if written:
        return "" if "$" in written[-1] else written[-1]
    return re.sub(r"[^a-z0-9_-]", "", posixpath.basename(folder).lower()).lstrip("_-")
