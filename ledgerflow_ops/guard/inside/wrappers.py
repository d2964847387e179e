"""Programs that start another one, which is judged in their place."""

import shlex
from collections.abc import Callable, Sequence

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import (
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
from ledgerflow_ops.guard.inside.environment import NAMES, variable
from ledgerflow_ops.guard.inside.files import HARMLESS
from ledgerflow_ops.guard.inside.options import Parsed, Unreadable, parse

Wrapper = Callable[[Sequence[str], Surroundings, Judge], Finding]

_OPTIONS = {
    "nice": "n|adjustment=",
    "ionice": "c|class= n|classdata= t|ignore",
    "nohup": "",
    "timeout": "s|signal= k|kill-after= f|foreground p|preserve-status v|verbose",
    "setsid": "c|ctty f|fork w|wait",
    "stdbuf": "i|input= o|output= e|error=",
    "chronic": "",
    "exec": "c l a=",
    "builtin": "",
    "tini": "v g s w p= e= l",
    "dumb-init": "c|single-child v|verbose r|rewrite=",
    "catatonit": "g P",
    "gosu": "",
    "su-exec": "",
    "setpriv": """no-new-privs reuid= regid= ruid= euid= rgid= egid= init-groups clear-groups keep-groups
        groups= inh-caps= ambient-caps= bounding-set= reset-env""",
}
_OWN_OPERANDS = {"timeout": 1, "gosu": 1, "su-exec": 1}
_SU = """
    c|command= session-command= s|shell= l|login m p|preserve-environment g|group= G|supp-group= P|pty f|fast
"""
_SUDO = "u|user= g|group= n|non-interactive E|preserve-env? H|set-home i|login s|shell S|stdin k b|background"
_ENV = "i|ignore-environment 0|null u|unset= C|chdir= S|split-string= v|debug a|argv0="
_SHELLS = ("sh", "bash", "dash", "ash")


def plain(name: str) -> Wrapper:
    """A program whose operands are a command line, behind its own options."""

    def wrapper(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
        if name == "nice" and args and args[0][:1] == "-" and args[0].lstrip("-").isdigit():
            args = args[1:]
        given = parse(args, _OPTIONS[name], permute=False)
        rest = given.operands[_OWN_OPERANDS.get(name, 0) :]
        return judge(rest, around) if rest else reads(f"{name} of nothing")

    return wrapper


def _env(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, _ENV, permute=False)
    rest = list(given.operands)
    for text in reversed(given.values("split-string")):
        if any(sign in text for sign in "\\$#`"):
            raise Unreadable("what env -S is to split")
        rest = [*_split(text), *rest]
    if given.has("split-string"):
        return judge(("env", *rest), around)
    for folder in given.values("chdir"):
        around = _moved(around, folder)
    findings: list[Finding] = []
    if rest and rest[0] == "-":
        rest.pop(0)
    while rest and "=" in rest[0]:
        findings.append(variable(rest.pop(0), around))
    findings.append(judge(rest, around) if rest else reads("shows the environment"))
    return worst(findings, "")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as trouble:
        raise Unreadable(f"{trouble}") from None


def _moved(around: Surroundings, folder: str) -> Surroundings:
    start = folder if folder.startswith("/") else f"{around.workdir}/{folder}"
    return Surroundings(around.data, around.terminal, around.input, start)


def _time(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, "a|append f|format= o|output= p|portability q|quiet v|verbose", permute=False)
    findings = [paths.written(path, around) for path in given.values("output")]
    return worst([*findings, judge(given.operands, around) if given.operands else reads("times nothing")], "")


def _command(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, "p v V", permute=False)
    if given.has("v", "V") or not given.operands:
        return reads("shows where a program is")
    return judge(given.operands, around)


def _sudo(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, _SUDO, permute=False)
    rest = list(given.operands)
    findings = []
    while rest and NAMES.fullmatch(rest[0].partition("=")[0]) and "=" in rest[0]:
        findings.append(variable(rest.pop(0), around))
    if given.has("login"):
        around = _moved(around, "~")
    findings.append(judge(rest, around) if rest else interactive("a shell", around))
    return worst(findings, "")


def _su(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, _SU)
    operands = list(given.operands)
    if operands and operands[0] == "-":
        operands.pop(0)
        around = _moved(around, "~")
    return _as_shell(given, operands[1:], around, judge)


def _as_shell(given: Parsed, rest: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """What `su` makes its shell run."""
    shells = given.values("shell")
    if any(shell.rpartition("/")[2] not in _SHELLS for shell in shells):
        return opaque(f"runs {shells[-1]} in place of a shell", around)
    if given.has("login"):
        around = _moved(around, "~")
    texts = given.values("command", "session-command")
    if not texts:
        return judge(("sh", *rest), around)
    return worst([judge(("sh", "-c", text, *rest), around) for text in texts], "")


def _runuser(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    first = parse(args, f"{_SU} u|user=", permute=False)
    if not first.has("user"):
        return _su(args, around, judge)
    if first.has("command", "session-command"):
        return _as_shell(first, first.operands, around, judge)
    return judge(first.operands, around) if first.operands else reads("runuser of nothing")


def _chroot(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    given = parse(args, "userspec= groups= skip-chdir", permute=False)
    if around.data and given.operands[:1] != ("/",):
        return destroys("runs under another root, where paths mean something else")
    return judge(given.operands[1:] or ("sh",), around)


def _entrypoint(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """The PostgreSQL image's own: it starts what it is given, by default the server."""
    if args and args[0].startswith("-"):
        return judge(("postgres", *args), around)
    return judge(args, around)


def _busybox(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    if not args or args[0] in ("--list", "--list-full", "--help"):
        return reads("lists its programs")
    return judge(args, around)


def _xargs(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """Its arguments come from standard input: only what is harmless with any may run."""
    given = parse(
        args, "0|null r|no-run-if-empty t|verbose n|max-args= P|max-procs= L= d|delimiter=", permute=False
    )
    inner = given.operands or ("echo",)
    if inner[0] in HARMLESS:
        return judge(inner, around)
    return unread(f"runs {inner[0]} with arguments from standard input, which cannot be judged in advance")


def _find(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """Reads, unless its arguments delete, write, or run something on the files that match."""
    acts = [arg for arg in args if arg.startswith(("-delete", "-exec", "-ok", "-fprint", "-fls"))]
    if not acts:
        return reads("lists files")
    if around.data:
        return destroys(f"find {acts[0]} acts on files that are not known in advance")
    findings = [reads("removes files, away from the data")]
    for place, arg in enumerate(args):
        if arg.startswith(("-exec", "-ok")):
            rest = args[place + 1 :]
            end = next((at for at, word in enumerate(rest) if word in (";", "+")), len(rest))
            findings.append(destroys("runs what it finds") if "{}" in rest[:1] else judge(rest[:end], around))
    return worst(findings, "")


WRAPPERS: dict[str, Wrapper] = {
    **{name: plain(name) for name in _OPTIONS},
    "docker-init": plain("tini"),
    "env": _env,
    "time": _time,
    "command": _command,
    "sudo": _sudo,
    "su": _su,
    "runuser": _runuser,
    "chroot": _chroot,
    "docker-entrypoint.sh": _entrypoint,
    "busybox": _busybox,
    "xargs": _xargs,
    "find": _find,
}
