"""What a program that somebody would run inside a container could do to the data.

Three answers: it is on the table of what is known to destroy, it is known to only read, or it is uncertain.
A destroyer is looked for behind every wrapper (sudo, env, xargs, sh -c …); a reader must stand by itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from ledgerflow_ops.guard.inside import shell, sql
from ledgerflow_ops.guard.inside.effects import (
    Effect,
    Finding,
    Surroundings,
    destroys,
    interactive,
    names,
    reads,
    uncertain,
    worst,
)
from ledgerflow_ops.guard.inside.paths import Place, place_of

__all__ = ["Effect", "Finding", "Surroundings", "effect"]

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
_MANAGE_DESTROYS = names("flush sqlflush reset_db reset_schema")
_REDIS_DESTROYS = frozenset(("flushall", "flushdb"))
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
_MANAGE = ("manage.py", "django-admin", "django-admin.py")
_MANAGE_READS = names(
    """
    check showmigrations makemigrations sqlmigrate diffsettings inspectdb collectstatic findstatic
    compilemessages help version dumpdata show_urls --version --help
    """
)
_REDIS_READS = names("ping info get mget keys scan dbsize ttl type exists llen hget hgetall")
_SERVER_OPTION = re.compile(r"(?:-c|--)?([a-z_.-]+)=.*")
_SERVER_RISKS = re.compile(
    r".*(?:command|librar|data_directory|_file|provider|conninfo|_path).*|zero_damaged_pages"
)
_DEEPEST = 8
_LONGEST = 200
"""More words than anybody types behind a program that starts another one."""


def effect(argv: Sequence[str], around: Surroundings) -> Finding:
    """What `argv` could do at worst; () is the container's own program. Never raises."""
    if not argv:
        return reads("starts the container's own program")
    known = next(_losses(tuple(argv), around, _DEEPEST), None)
    if known:
        return destroys(known)
    return _reading(tuple(argv), around) or uncertain(
        f"runs {_name(argv[0]) or 'something'}, which may change data"
    )


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _losses(argv: tuple[str, ...], around: Surroundings, depth: int) -> Iterator[str]:
    """The known losses of a command line, wherever in it the program that causes them stands."""
    if not argv or depth < 0 or _name(argv[0]) in _READERS:
        return
    for at, word in enumerate(argv[:64]):
        name, rest = _name(word), argv[at + 1 :]
        if name in _DESTROYERS and rest not in (("--version",), ("--help",)):
            yield f"{_DESTROYERS[name]} {' '.join(text for text in rest if text[:1] != '-')[:60]}".rstrip()
        elif name == "psql":
            found = sql.psql(rest, around)
            yield from [found.why] if found.effect is Effect.DESTROYS else []
            return
        elif name == "pg_restore" and {"--clean", "-c", "--create", "-C"} & set(rest):
            yield "drops existing objects before it restores"
        elif name == "redis-cli" and _REDIS_DESTROYS & {text.lower() for text in rest}:
            yield "empties Redis"
        elif name in _MANAGE or (word in ("django", "-mdjango") and at):
            yield from _django_losses(rest, around)
        elif name in _REMOVERS and around.data:
            yield from _removed(name, rest, around)
        elif any(sign in word for sign in " ;\n\t"):
            yield from _script_losses(word, around, depth - 1)


def _django_losses(rest: Sequence[str], around: Surroundings) -> Iterator[str]:
    if rest and (rest[0] in _MANAGE_DESTROYS or (rest[0] == "migrate" and "zero" in rest)):
        yield f"empties the database by manage.py {' '.join(rest)[:60]}"
    elif rest and rest[0] == "dbshell" and "--" in rest:
        yield from _losses(("psql", *rest[rest.index("--") + 1 :]), around, 0)


def _removed(name: str, rest: Sequence[str], around: Surroundings) -> Iterator[str]:
    """The data that a program on files loses, with its arguments."""
    if name == "find" and not any(text.startswith(("-delete", "-exec")) for text in rest):
        return
    targets = [text for text in rest if not text.startswith("-")]
    if name == "dd":
        targets = [text[3:] for text in rest if text.startswith("of=")]
    for target in targets:
        if place_of(target, around) is Place.DATA:
            yield f"removes or overwrites {target}, where the protected data are"


def _script_losses(text: str, around: Surroundings, depth: int) -> Iterator[str]:
    script = shell.read(text)
    for simple in script.commands:
        yield from _losses(tuple(simple.words), around, depth)
        yield from (f"overwrites {path}" for path in simple.outputs if place_of(path, around) is Place.DATA)
    printed = (word for simple in script.commands if simple.words[:1] in (["echo"], ["printf"])
               for word in simple.words[1:])  # fmt: skip
    if script.fed and any("psql" in simple.words for simple in script.commands):
        yield from (found.why for found in map(sql.of_sql, printed) if found.effect is Effect.DESTROYS)


def _reading(argv: tuple[str, ...], around: Surroundings) -> Finding | None:
    """The finding for a command line that is known to only read; None if it is not."""
    name, rest = _name(argv[0]), argv[1:]
    if argv[0] != name and not re.fullmatch(
        r"(?:/usr(?:/local)?)?/s?bin|/usr/lib/postgresql/\d+/bin", argv[0][: -len(name) - 1]
    ):
        return None
    if name in _WRAPPERS and len(rest) > _WRAPPERS[name] and rest[0][:1] != "-" and len(rest) < _LONGEST:
        return _reading(rest[_WRAPPERS[name] :], around)
    away = name in _FILES and not around.data
    if away or name in _READERS or argv == ("env",) or (len(rest) == 1 and rest[0] in _TELLS):
        return reads(f"{name} does not change data")
    if rule := _RULES.get(name):
        return rule(rest, around)
    return _shell(rest, around) if name in _SHELLS else _behind(argv, around)


def _behind(argv: tuple[str, ...], around: Surroundings) -> Finding | None:
    """`manage.py …` behind the interpreter and what starts it."""
    at = next((place for place, word in enumerate(argv) if not _PREFIXES.fullmatch(word)), len(argv))
    rest = argv[at:]
    if rest and _name(rest[0]) in _MANAGE:
        return _django(rest[1:], around)
    if at == len(argv):
        return interactive(_name(argv[0]), around)
    return None


def _django(rest: Sequence[str], around: Surroundings) -> Finding:
    options = [text for text in rest[1:] if text.startswith(("-o", "--o", "-c", "--c"))]
    if rest[:1] == ("shell",) and len(rest) == 1:
        return interactive("a Python shell of the application", around)
    if not rest or (rest[0] in _MANAGE_READS and all(text in ("--check",) for text in options)):
        return reads("manage.py does not change data")
    if rest[0] == "migrate" and {"--plan", "--check"} & set(rest):
        return reads("shows what migrate would do")
    return uncertain(f"runs manage.py {rest[0]}")


def _shell(rest: Sequence[str], around: Surroundings) -> Finding:
    """sh, bash, dash and ash: a text behind -c is read, a script is not."""
    letters = rest[0][1:] if rest and re.fullmatch(r"-[celux]*c[eux]*", rest[0]) else ""
    if not letters:
        if all(re.fullmatch(r"-[il]+", word) for word in rest):
            return interactive("a shell", around)
        return uncertain("runs a script")
    if len(rest) != 2:
        return uncertain("runs shell text with arguments")
    script = shell.read(rest[1])
    if not script.sure:
        return uncertain("runs shell text that cannot be read for certain")
    inner = Surroundings(around.data, around.terminal, around.input or script.fed, around.workdir)
    findings = [effect(simple.words, inner) for simple in script.commands if simple.words]
    outputs = [path for simple in script.commands for path in simple.outputs if path != "/dev/null"]
    moved = any(simple.words[:1] == ["cd"] for simple in script.commands)
    if around.data and (outputs or moved):
        return uncertain("writes files or goes to another folder beside the data")
    return worst(findings, "does nothing")


def _find(rest: Sequence[str], around: Surroundings) -> Finding:
    acts = [text for text in rest if text.startswith(("-delete", "-exec", "-ok", "-f"))]
    safe = not acts or (not around.data and set(acts) == {"-delete"})
    return reads("lists files") if safe else uncertain("runs find on files that may be the data")


def _dump(rest: Sequence[str], around: Surroundings) -> Finding:
    """pg_dump and pg_dumpall read, and write the file that they are given."""
    written = [text for text in rest if re.match(r"-[^-]*f|--f", text)]
    paths = [text[text.index("/") :] for text in rest if "/" in text]
    if written and (not paths or any(place_of(path, around) is not Place.AWAY for path in paths)):
        return uncertain("writes a file where the data may be")
    return reads("dumps, and does not change data")


def server(rest: Sequence[str], around: Surroundings) -> Finding:
    """The server itself: harmless with settings that run no programs and move no data."""
    del around
    for text in () if rest[:1] in (["-C"], ("-C",)) else rest:
        given = _SERVER_OPTION.fullmatch(text)
        if text != "-c" and (not given or _SERVER_RISKS.fullmatch(given[1].replace("-", "_").lower())):
            return uncertain(f"starts the server with {text}")
    return reads("starts the server")


def _redis(rest: Sequence[str], around: Surroundings) -> Finding:
    words = [text.lower() for text in rest]
    while words[:1] and words[0] in ("-h", "-p", "-n", "-a"):
        words = words[2:]
    if not words:
        return interactive("redis-cli", around)
    return reads("asks Redis") if words[0] in _REDIS_READS else uncertain("changes Redis")


_RULES: dict[str, Callable[[Sequence[str], Surroundings], Finding]] = {
    **dict.fromkeys(_MANAGE, _django),
    "find": _find,
    "psql": sql.psql,
    "pg_dump": _dump,
    "pg_dumpall": _dump,
    "postgres": server,
    "redis-cli": _redis,
}
