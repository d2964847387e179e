"""What psql could do: its options, its own backslash commands, and the SQL it is given."""

import re
from collections.abc import Iterator, Sequence

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import (
    Finding,
    Surroundings,
    changes,
    destroys,
    interactive,
    reads,
    unread,
    worst,
)
from ledgerflow_ops.guard.inside.options import Parsed, Unreadable, parse
from ledgerflow_ops.guard.inside.statements import of_sql, of_tokens
from ledgerflow_ops.guard.inside.tokens import Kind, Token, tokens

OPTIONS = """
    a|echo-all A|no-align b|echo-errors c|command= csv d|dbname= e|echo-queries E|echo-hidden f|file=
    F|field-separator= h|host= H|html l|list L|log-file= n|no-readline o|output= p|port= P|pset= q|quiet
    R|record-separator= s|single-step S|single-line t|tuples-only T|table-attr= U|username= v|set= variable=
    V|version w|no-password W|password x|expanded X|no-psqlrc z|field-separator-zero 0|record-separator-zero
    1|single-transaction ?|help?
"""
_READING = re.compile(
    r"d[A-Za-z]*[S+]*|l[+]?|z[S]?|s[fv][+]?|conninfo|timing|x|a|t|H|pset|q|quit|encoding|copyright|h|help|\?"
    r"|errverbose|C|f|echo|qecho|warn|lo_list[+]?|drds|p|print|r|reset|c|connect"
)
_ARGUMENTS = re.compile(r"[^`\\|:]*")
_SPECIAL = re.compile(
    r"(?:ON_ERROR_STOP|VERBOSITY|QUIET|ECHO|ECHO_HIDDEN|FETCH_COUNT|ON_ERROR_ROLLBACK|SHOW_CONTEXT|HIDE_\w+"
    r"|[a-z_][a-z0-9_]*)(?:=.*)?",
    re.DOTALL,
)
"""Variables that change psql's output, and people's own variables; the others name files and commands."""
_VARIABLE = re.compile(r"(?<!:):(?:\{\?)?['\"]?[A-Za-z_]")


def psql(args: Sequence[str], around: Surroundings) -> Finding:
    """What psql with `args` could do at worst."""
    try:
        given = parse(args, OPTIONS)
    except Unreadable as trouble:
        return unread(f"psql would get arguments that cannot be read: {trouble}")
    return worst(_parts(given, around), "reads the list of databases")


def _parts(given: Parsed, around: Surroundings) -> Iterator[Finding]:
    yield from (_connection(text) for text in (*given.values("dbname"), *given.operands))
    yield from (_variable(text) for text in given.values("set", "variable"))
    yield from (_output(path, around) for path in given.values("output", "log-file"))
    for file in given.values("file"):
        yield destroys(f"runs what is in {file}, which is not read here")
    for text in given.values("command"):
        yield command(text, around, substituted=given.has("set", "variable"))
    if not given.has("command", "file", "list"):
        yield interactive("psql", around)


def command(text: str, around: Surroundings, *, substituted: bool = False) -> Finding:
    """What one -c could do: SQL for the server, or a single backslash command."""
    if text.startswith("\\"):
        return _backslash(text[1:], around)
    if substituted and _VARIABLE.search(text):
        return unread("puts variables into SQL, which cannot be read in advance")
    return of_sql(text)


def _connection(text: str) -> Finding:
    if "=" in text or "://" in text:
        asked = text.partition("?")[2] if "://" in text else text
        if re.search(r"options|%" if "://" in text else "options", asked):
            return destroys("connects with options of the session, which are not read here")
        if re.search(r"service|passfile|sslkey", text, re.IGNORECASE):
            return changes("connects by files that are not read here")
    return reads("connects to a database")


def _variable(text: str) -> Finding:
    if _SPECIAL.fullmatch(text):
        return reads("sets a variable of psql")
    return destroys(f"sets {text.partition('=')[0]}, by which psql runs commands or writes files")


def _output(path: str, around: Surroundings) -> Finding:
    if path.startswith("|"):
        return destroys("pipes its output to a command")
    return paths.written(path, around)


def _backslash(text: str, around: Surroundings) -> Finding:
    r"""A command such as `\dt public.*`; `text` is without its backslash."""
    name, _, arguments = text.replace("\n", " ").replace("\t", " ").partition(" ")
    if name == "copy":
        return _copy(arguments, around)
    if name == "password":
        return changes("sets a password")
    if name in ("c", "connect"):
        return _connection(arguments) if _ARGUMENTS.fullmatch(arguments) else destroys("connects elsewhere")
    if _READING.fullmatch(name) and _ARGUMENTS.fullmatch(arguments):
        return reads(f"shows what \\{name} shows")
    return destroys(f"psql's \\{name} is not known to be harmless")


def _copy(arguments: str, around: Surroundings) -> Finding:
    r"""`\copy` reads and writes files on the side of psql."""
    try:
        scanned = tokens(arguments)
    except Unreadable as trouble:
        return unread(f"\\copy cannot be read: {trouble}")
    way = max((place for place, token in enumerate(scanned) if _outside(scanned, place)), default=None)
    if way is None or way + 1 >= len(scanned) or any(token.is_mark("\\") for token in scanned):
        return unread("\\copy that cannot be read")
    end = scanned[way + 1]
    if end.is_word("program"):
        return destroys("runs a program")
    what = of_tokens([Token(Kind.WORD, "copy"), *scanned[: way + 1], Token(Kind.WORD, "stdout")])
    if scanned[way].is_word("from") or end.is_word("stdout", "pstdout"):
        return what
    if end.kind is not Kind.STRING or re.search(r"[^\w./-]", end.text):
        return unread("\\copy to a file whose name cannot be read")
    return worst((what, paths.written(end.text, around)), "")


def _outside(scanned: Sequence[Token], place: int) -> bool:
    """Whether the token at `place` is FROM or TO outside of parentheses."""
    if not scanned[place].is_word("from", "to"):
        return False
    before = scanned[:place]
    return sum(token.is_mark("(") for token in before) == sum(token.is_mark(")") for token in before)
