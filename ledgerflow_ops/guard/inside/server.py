"""What starting the server itself could do: only its settings matter."""

from collections.abc import Iterator, Sequence

from ledgerflow_ops.guard.inside.effects import Finding, Surroundings, changes, destroys, reads, unread, worst
from ledgerflow_ops.guard.inside.options import Unreadable
from ledgerflow_ops.guard.inside.paths import affected
from ledgerflow_ops.guard.inside.settings import setting

_PLAIN = {"-h": 1, "-i": 0, "-k": 1, "-l": 0, "-N": 1, "-p": 1, "-S": 1, "-B": 1, "-e": 0, "-d": 1}
_SHOWS = ("--describe-config", "--version", "-V", "--help", "-?")


def server(args: Sequence[str], around: Surroundings) -> Finding:
    """The program postgres with `args`."""
    if args and (args[0] in _SHOWS or args[0] == "-C"):
        return reads("shows a setting")
    try:
        return worst(list(_settings(args, around)), "starts the server")
    except Unreadable as trouble:
        return unread(f"the server would get arguments that cannot be read: {trouble}")


def _settings(args: Sequence[str], around: Surroundings) -> Iterator[Finding]:
    yield reads("starts the server")
    rest = list(reversed(args))
    while rest:
        arg = rest.pop()
        flag, attached = arg[:2], arg[2:]
        if flag in ("--", "-c"):
            yield _assignment(attached or _value(arg, rest))
        elif flag == "-D":
            yield _folder(attached or _value(arg, rest), around)
        elif arg in ("-F", "-O", "-P"):
            yield changes(f"starts the server with {arg}, which puts the data at risk")
        elif flag not in _PLAIN or (attached and not _PLAIN[flag]):
            raise Unreadable(arg)
        elif _PLAIN[flag] and not attached:
            _value(arg, rest)


def _value(arg: str, rest: list[str]) -> str:
    if not rest:
        raise Unreadable(f"{arg} without a value")
    return rest.pop()


def _assignment(text: str) -> Finding:
    name, given, value = text.partition("=")
    if not given:
        raise Unreadable(f"--{text}")
    return setting(name, value)


def _folder(path: str, around: Surroundings) -> Finding:
    folder = affected(path, around)
    if folder and path.rstrip("/").startswith(folder.rstrip("/")) and ".." not in path:
        return reads("starts the server")
    return destroys(f"starts the server on another data folder, {path}")
