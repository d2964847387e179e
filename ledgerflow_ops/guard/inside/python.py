"""What Python could do, and Django's manage.py."""

import re
from collections.abc import Callable, Sequence

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import (
    Finding,
    Judge,
    Surroundings,
    changes,
    destroys,
    interactive,
    opaque,
    reads,
    worst,
)
from ledgerflow_ops.guard.inside.functions import FATAL_WORDS
from ledgerflow_ops.guard.inside.options import Unreadable, names

_FLAGS = "bBdEiIOPqRsSuvx"
_READS = names(
    """
    check showmigrations makemigrations sqlmigrate diffsettings inspectdb collectstatic findstatic
    compilemessages makemessages sendtestemail help version startapp startproject dumpdata runserver
    show_urls list_model_info validate_templates print_settings sqldiff sqlsequencereset
    graph_models
    """
)
_CHANGES = {
    "loaddata": "loads rows",
    "createsuperuser": "adds a user",
    "changepassword": "changes a user",
    "clearsessions": "removes sessions that have expired",
    "createcachetable": "creates a table",
    "test": "creates and drops a test database beside the real one",
    "testserver": "creates and drops a test database beside the real one",
}
_SEATS = ("shell", "shell_plus", "dbshell")
_ACTS = re.compile(
    rf"{FATAL_WORDS.pattern}|cursor|raw|execute|subprocess|os\.|system|popen|exec|eval", re.IGNORECASE
)
_RUNNERS = {"poetry": "run", "uv": "run", "pipenv": "run", "pdm": "run", "rye": "run", "hatch": "run"}
_RUNNER_FLAGS = ("--no-sync", "--frozen", "--locked", "--offline", "-q", "--quiet", "--no-dev", "--")
_PIP_READS = ("list", "show", "freeze", "check", "--version", "help", "-V", "inspect")
_MODULES_READ = ("json.tool", "site", "sysconfig", "platform", "this", "zipfile")


def code(text: str, around: Surroundings) -> Finding:
    """A Python program. It is not parsed, only searched for words that suggest loss of data."""
    if match := _ACTS.search(text):
        return destroys(f"runs Python that contains {match[0]!r}")
    return opaque("runs Python, which is not read here", around)


def python(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """The interpreter: its flags are followed by -c, -m, a file or nothing."""
    rest = list(args)
    stays = False
    while rest and rest[0].startswith("-") and rest[0] != "-":
        flag = rest.pop(0)
        if flag in ("--version", "-V", "--help", "-h", "-VV"):
            return reads("prints its version")
        letters = flag[1:].lstrip(_FLAGS)
        stays = stays or "i" in flag[1 : len(flag) - len(letters)]
        if letters[:1] in ("c", "m"):
            value = letters[1:] or (rest.pop(0) if rest else "")
            inner = code(value, around) if letters[0] == "c" else _module(value, rest, around, judge)
            return worst([inner, interactive("Python", around)], "") if stays else inner
        if letters[:1] in ("W", "X"):
            rest = rest if letters[1:] else rest[1:]
        elif letters:
            raise Unreadable(f"the option {flag}")
    inner = _file(rest, around, judge)
    return worst([inner, interactive("Python", around)], "") if stays else inner


def _file(rest: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    if not rest or rest[0] == "-":
        return interactive("Python", around)
    name = rest[0].rpartition("/")[2]
    if name in ("manage.py", "django-admin", "django-admin.py"):
        return django(rest[1:], around, judge)
    if match := FATAL_WORDS.search(name):
        return destroys(f"runs {rest[0]}, whose name contains {match[0]!r}")
    return opaque(f"runs {rest[0]}, which is not read here", around)


def _module(name: str, args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    if name == "django":
        return django(args, around, judge)
    if name == "pip":
        return pip(args, around, judge)
    if name in _MODULES_READ and not around.data:
        return reads(f"runs {name}")
    return opaque(f"runs the module {name}, which is not read here", around)


def pip(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    del judge
    if args and args[0] in _PIP_READS:
        return reads("lists the installed packages")
    return opaque("runs pip, and code of packages", around)


def django(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """manage.py and django-admin: what a management command could do."""
    if not args or args[0] in ("--version", "--help", "-h"):
        return reads("lists the commands")
    name, rest = args[0], args[1:]
    if name in _SEATS:
        return _seat(name, rest, around, judge)
    if name == "migrate":
        return _migrate(rest)
    if name in _READS:
        return _reading(name, rest, around)
    if name in _CHANGES:
        return changes(f"manage.py {name} {_CHANGES[name]}")
    if name == "sqlflush" or any(FATAL_WORDS.search(arg) for arg in args):
        return destroys(f"manage.py {' '.join(args)}: its name suggests that it loses data")
    return opaque(f"manage.py {name} is not known here", around)


def _seat(name: str, rest: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    if name == "dbshell":
        arguments = rest[rest.index("--") + 1 :] if "--" in rest else ()
        return judge(("psql", *arguments), around)
    if rest:
        return worst([code(" ".join(rest), around), interactive("a Python shell", around)], "")
    return interactive("a Python shell of the application", around)


def _migrate(rest: Sequence[str]) -> Finding:
    if "--plan" in rest or "--check" in rest:
        return reads("shows what migrate would do")
    if "zero" in rest:
        return destroys("migrates back to nothing: the tables of the application are dropped")
    return changes("migrates the schema, possibly backwards")


def _reading(name: str, rest: Sequence[str], around: Surroundings) -> Finding:
    if name == "collectstatic" and any(arg in ("-c",) or arg.startswith("--c") for arg in rest):
        return opaque("empties the folder of static files", around)
    outputs = [arg.partition("=")[2] or following for arg, following in _pairs(rest) if arg.startswith("--o")]
    outputs += [arg[2:] or following for arg, following in _pairs(rest) if re.match(r"-o", arg)]
    return worst((paths.written(path, around) for path in outputs), f"manage.py {name} does not change data")


def _pairs(rest: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(rest, [*rest[1:], ""], strict=False))


def _runner(name: str) -> Callable[[Sequence[str], Surroundings, Judge], Finding]:
    def runner(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
        rest = list(args)
        if not rest or rest.pop(0) != _RUNNERS[name]:
            return opaque(f"runs {name}", around)
        while rest and rest[0] in _RUNNER_FLAGS:
            rest.pop(0)
        if rest and rest[0].startswith("-"):
            raise Unreadable(f"the option {rest[0]}")
        if rest and rest[0].endswith(".py"):
            rest.insert(0, "python")
        return judge(rest, around) if rest else reads("lists what can be run")

    return runner


PROGRAMS: dict[str, Callable[[Sequence[str], Surroundings, Judge], Finding]] = {
    **{name: _runner(name) for name in _RUNNERS},
    "pip": pip,
    "pip3": pip,
    "manage.py": django,
    "django-admin": django,
    "django-admin.py": django,
}
