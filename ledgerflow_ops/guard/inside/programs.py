"""What a program that somebody would run inside a container could do to the data.

Three answers: it is on the table of what is known to destroy, it is known to only read, or it is uncertain.
A destroyer is looked for behind every wrapper (sudo, env, xargs, sh -c …); a reader must stand by itself.
"""

import re
from collections.abc import Iterator, Sequence

from ledgerflow_ops.guard.effects import (
    DataEffect,
    Effect,
    Surroundings,
    destroys,
    names,
    reads,
    uncertain,
    worst,
)
from ledgerflow_ops.guard.host_paths import is_data
from ledgerflow_ops.guard.inside import shell, sql

_DESTROYERS = {
    "dropdb": "drops the database",
    "dropuser": "drops the role",
    "pg_dropcluster": "drops the cluster",
    "initdb": "makes a new data folder",
    "pg_resetwal": "throws the write-ahead log away",
    "pg_rewind": "overwrites a data folder",
    "pgbench": "empties and fills its tables",
    "vacuumlo": "deletes large objects",
}
_DESTROYING = {
    "pg_restore": ("drops objects before it restores", r"(?s).*(?:^| )(?:--clean|-c|--create|-C)(?: |$)"),
    "redis-cli": ("empties Redis", r"(?is).*\bflush(?:all|db)\b"),
    "manage.py": (
        "empties the database by manage.py {}",
        r"(?s)(?:flush|sqlflush|reset_db|reset_schema)(?: |$)|migrate .*\bzero\b",
    ),
}
"""Program → the arguments with which it destroys, and how."""
_REMOVERS = names("rm rmdir unlink shred truncate mv tee find dd")
"""Programs that lose what their arguments name."""
_FILES = _REMOVERS - {"find"} | names("cp touch mkdir tar gzip gunzip unzip ln chmod chown sort")
"""Programs that change files alone, which are no concern of ours in a container without the data."""
_READERS = names(
    """
    ls cat head tail wc grep egrep fgrep stat du df ps top id whoami hostname uname date echo pwd true
    false sleep printenv which whereis basename dirname readlink realpath md5sum sha1sum sha256sum
    sha512sum cksum cmp diff free uptime nproc getent locale test [ seq cut tr od strings groups
    netstat ping nslookup zcat pgrep pg_isready pg_controldata pg_config pg_verifybackup exit cd : set
    """
)
"""Programs that change no files or databases, whatever their arguments."""
_DUMPS = r"(?!.*(?:^| )(?:-[^- ]*f|--f)).*"
_READING = {
    "env": r"",
    "pg_dump": _DUMPS,
    "pg_dumpall": _DUMPS,
    "find": r"(?!.*(?:^| )-(?:delete|exec|ok|f)).*",
    "redis-cli": r"(?:-[hpna] \S+ )*(?:ping|info|get|mget|keys|scan|dbsize|ttl|type|exists|hgetall)\b.*",
    "manage.py": r"|migrate .*--(?:plan|check)(?: .*)?|(?:check|showmigrations|makemigrations|sqlmigrate"
    r"|diffsettings|inspectdb|collectstatic|findstatic|compilemessages|help|version|dumpdata|show_urls"
    r"|--version|--help)(?!.* (?:-[oc]|--o|--c(?!heck(?: |$))))(?: .*)?",
}
"""Program → the arguments with which it only reads."""
_TELLS = ("--version", "--help", "-V", "-VV")
_WRAPPERS = {
    "time": 0,
    "nohup": 0,
    "nice": 0,
    "timeout": 1,
    "gosu": 1,
    "su-exec": 1,
    "docker-entrypoint.sh": 0,
}
"""Programs that start another one, and how many words of their own stand before it."""
_SHELLS = names("sh bash dash ash")
_PREFIXES = re.compile(r"python(?:3(?:\.\d+)?)?|uv|poetry|pipenv|run|exec|time|nohup|-u|-Wignore|--frozen|--")
_MANAGE = names("manage.py django-admin django-admin.py")
_HOMES = re.compile(r"(?:(?:/usr(?:/local)?)?/s?bin|/usr/lib/postgresql/\d+/bin)/")
_SERVER_OPTION = re.compile(r"(?:-c|--)?([a-z_.-]+)=.*")
_SERVER_RISKS = re.compile(
    r".*(?:command|librar|data_directory|_file|provider|conninfo|_path).*|zero_damaged_pages"
)
_DEEPEST = 8
_LONGEST = 200
"""More words than anybody types behind a program that starts another one."""


def effect(argv: Sequence[str], around: Surroundings) -> DataEffect:
    """What `argv` could do at worst; () is the container's own program. Never raises."""
    if not argv:
        return reads("starts the container's own program")
    if known := next(_losses(tuple(argv), around, _DEEPEST), ""):
        return destroys(known)
    shown = next((argv[at : at + 2] for at, word in enumerate(argv[:9]) if _name(word) == "manage.py"), ())
    unknown = " ".join(shown) or _name(argv[0]) or "something"
    return _reading(tuple(argv), around) or uncertain(f"runs {unknown}, which may change data")


def _name(word: str) -> str:
    name = word.rpartition("/")[2]
    return "manage.py" if name in _MANAGE else name


def _losses(argv: tuple[str, ...], around: Surroundings, depth: int) -> Iterator[str]:
    """The known losses of a command line, wherever in it the program that causes them stands."""
    if not argv or depth < 0 or _name(argv[0]) in _READERS:
        return
    for at, word in enumerate(argv[:64]):
        name, rest = _name(word), argv[at + 1 :]
        name = "manage.py" if word in ("django", "-mdjango") and at else name
        arguments = " ".join(rest[:_LONGEST])
        how, pattern = _DESTROYING.get(name, ("", "(?!)"))
        if name in _DESTROYERS and arguments not in ("--version", "--help"):
            yield f"{_DESTROYERS[name]} {' '.join(text for text in rest if text[:1] != '-')[:60]}".rstrip()
        elif name == "psql" or (name == "manage.py" and rest[:1] == ("dbshell",)):
            found = sql.psql(rest[rest.index("--") + 1 if name != "psql" and "--" in rest else 0 :], around)
            yield from [found.what] if found.effect is Effect.DESTROYS else []
            return
        elif re.match(pattern, arguments):
            yield how.format(arguments[:60])
        elif name in _REMOVERS and around.data:
            yield from _removed(name, rest, around)
        elif any(sign in word for sign in " ;\n\t"):
            yield from _script_losses(word, around, depth - 1)


def _removed(name: str, rest: Sequence[str], around: Surroundings) -> Iterator[str]:
    """The data that a program on files loses, with its arguments."""
    if name == "find" and not any(text.startswith(("-delete", "-exec")) for text in rest):
        return
    for text in rest:
        target = text.removeprefix("of=") if name == "dd" else text
        if not text.startswith("-") and (name != "dd" or target != text) and is_data(target, around):
            yield f"removes or overwrites {target}, where the protected data are"


def _script_losses(text: str, around: Surroundings, depth: int) -> Iterator[str]:
    script = shell.read(text)
    for simple in script.commands:
        yield from _losses(tuple(simple.words), around, depth)
        yield from (f"overwrites {path}" for path in simple.outputs if is_data(path, around))
    if script.fed and any("psql" in simple.words for simple in script.commands):
        printed = (word for simple in script.commands if simple.words[:1] in (["echo"], ["printf"])
                   for word in simple.words[1:])  # fmt: skip
        yield from (found.what for found in map(sql.of_sql, printed) if found.effect is Effect.DESTROYS)


def _reading(argv: tuple[str, ...], around: Surroundings) -> DataEffect | None:
    """The effect of a command line that is known to only read, or to read input; None if it is not."""
    name, rest = _name(argv[0]), argv[1:]
    arguments, manages = " ".join(rest[:_LONGEST]), name == "manage.py"
    if "/" in argv[0] and not manages and not _HOMES.fullmatch(argv[0][: -len(name)]):
        return None
    if name in _WRAPPERS and len(rest) > _WRAPPERS[name] and rest[0][:1] != "-" and len(rest) < _LONGEST:
        return _reading(rest[_WRAPPERS[name] :], around)
    deletes = name == "find" and not re.search(r"(?:^| )-(?:exec|ok|f)", arguments)
    away = not around.data and (name in _FILES or deletes)
    plain = len(rest) < _LONGEST and re.fullmatch(_READING.get(name, "(?!)"), arguments)
    if away or plain or name in _READERS or (len(rest) == 1 and rest[0] in _TELLS):
        return reads(f"{name} does not change data")
    if (manages and rest == ("shell",)) or (name == "redis-cli" and not rest):
        return around.opening(f"a shell of {name}")
    if name in ("psql", "postgres"):
        return sql.psql(rest, around) if name == "psql" else server(rest)
    if name in _SHELLS:
        return _shell(rest, around)
    at = next((place for place, word in enumerate(argv) if not _PREFIXES.fullmatch(word)), len(argv))
    if at == len(argv):
        return around.opening(name)
    return _reading(argv[at:], around) if at and _name(argv[at]) == "manage.py" else None


def _shell(rest: Sequence[str], around: Surroundings) -> DataEffect:
    """sh, bash, dash and ash: a text behind -c is read, a script is not."""
    if all(re.fullmatch(r"-[il]+", word) for word in rest):
        return around.opening("a shell")
    script = shell.read(rest[1]) if len(rest) == 2 and re.fullmatch(r"-[celux]*c[eux]*", rest[0]) else None
    if not (script and script.sure):
        return uncertain("runs a script, or shell text that cannot be read for certain")
    inner = Surroundings(around.data, around.terminal, around.input or script.fed, around.workdir)
    outputs = [path for simple in script.commands for path in simple.outputs if path != "/dev/null"]
    if around.data and (outputs or any(simple.words[:1] == ["cd"] for simple in script.commands)):
        return uncertain("writes files or goes to another folder beside the data")
    return worst([effect(simple.words, inner) for simple in script.commands if simple.words], "does nothing")


def server(rest: Sequence[str]) -> DataEffect:
    """The server itself: harmless with settings that run no programs and move no data."""
    for text in () if tuple(rest[:1]) == ("-C",) else rest:
        given = _SERVER_OPTION.fullmatch(text)
        if text != "-c" and (not given or _SERVER_RISKS.fullmatch(given[1].replace("-", "_").lower())):
            return uncertain(f"starts the server with {text}")
    return reads("starts the server")
