"""What a program that is run inside a container could do to the data."""

import re
from collections.abc import Callable, Iterator, Sequence

from ledgerflow_ops.guard.inside import files, postgres, python, redis
from ledgerflow_ops.guard.inside.effects import (
    Effect,
    Finding,
    Judge,
    Surroundings,
    destroys,
    interactive,
    opaque,
    reads,
    unread,
    worst,
)
from ledgerflow_ops.guard.inside.options import Unreadable
from ledgerflow_ops.guard.inside.psql import psql
from ledgerflow_ops.guard.inside.script import shell
from ledgerflow_ops.guard.inside.server import server
from ledgerflow_ops.guard.inside.wrappers import WRAPPERS

__all__ = ["Effect", "Finding", "Surroundings", "effect"]

_DEEPEST = 16
_MOST = 2500
_PLACES = re.compile(
    r"(?:/usr(?:/local)?)?/s?bin|/usr/lib/postgresql/\d+/bin|/usr/pgsql-\d+/bin|/usr/local/pgsql/bin"
    r"|/opt/[\w./-]*bin|(?:/[\w.-]+)*/\.?venv/bin|\.?venv/bin"
)
_ANYWHERE = ("manage.py", "docker-entrypoint.sh")
_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_SHELLS = ("sh", "bash", "dash", "ash", "-sh", "-bash")
_OTHER_SHELLS = ("zsh", "fish", "ksh", "csh", "tcsh", "ipython", "bpython", "irb", "perl", "ruby", "node")
_TELLS = ("--version", "--help", "-V", "-?")


def effect(argv: Sequence[str], around: Surroundings) -> Finding:
    """What `argv` could do at worst; () is the container's own program. Never raises."""
    return _judge(tuple(argv), around, 0, iter(range(_MOST)))


def _judge(argv: tuple[str, ...], around: Surroundings, depth: int, left: Iterator[int]) -> Finding:
    """`depth` and `left` bound the work that nested texts can cause."""
    if not argv:
        return reads("starts the server" if around.data else "starts the container's own program")
    if depth > _DEEPEST or next(left, None) is None:
        return destroys("is wrapped too often to be read")
    if any("\0" in arg for arg in argv):
        return destroys("holds a NUL character")

    def judge(inner: Sequence[str], inside: Surroundings) -> Finding:
        return _judge(tuple(inner), inside, depth + 1, left)

    folder, _, name = argv[0].rpartition("/")
    try:
        finding = _named(name, argv[1:], around, judge)
    except Unreadable as trouble:
        finding = unread(f"{name} would get arguments that cannot be read: {trouble}")
    if folder and name not in _ANYWHERE and (".." in folder or not _PLACES.fullmatch(folder)):
        return worst(
            [finding, opaque(f"runs {argv[0]}, which may not be the program of that name", around)], ""
        )
    return finding


def _named(name: str, args: tuple[str, ...], around: Surroundings, judge: Judge) -> Finding:
    """By the last part of the program's path."""
    if name in files.HARMLESS:
        return reads(f"{name} does not change data")
    if program := _PROGRAMS.get(name):
        if len(args) == 1 and args[0] in _TELLS:
            return reads(f"{name} prints information about itself")
        return program(args, around)
    if wrapper := _WRAPPERS.get(name):
        return wrapper(args, around, judge)
    if name in _SHELLS:
        return shell(args, around, judge)
    if _PYTHON.fullmatch(name):
        return python.python(args, around, judge)
    if name.startswith("-") and around.data:
        return server((name, *args), around)
    if name in ("eval", ".", "source"):
        return destroys(f"{name} runs text that is not read here")
    if name in _OTHER_SHELLS and not args:
        return interactive(name, around)
    return opaque(f"runs {name or 'nothing that has a name'}, which is not known here", around)


_PROGRAMS: dict[str, Callable[[Sequence[str], Surroundings], Finding]] = {
    **files.PROGRAMS,
    **postgres.PROGRAMS,
    "psql": psql,
    "postgres": server,
    "postmaster": server,
    "redis-cli": redis.client,
}
_WRAPPERS: dict[str, Callable[[Sequence[str], Surroundings, Judge], Finding]] = {
    **WRAPPERS,
    **python.PROGRAMS,
}
