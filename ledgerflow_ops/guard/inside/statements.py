"""The effects that SQL text could have on the data, by its statements."""

from collections.abc import Callable, Iterator, Sequence

from ledgerflow_ops.guard.inside import functions
from ledgerflow_ops.guard.inside.definitions import alter, create
from ledgerflow_ops.guard.inside.effects import Finding, changes, destroys, reads, unread, worst
from ledgerflow_ops.guard.inside.options import Unreadable, names
from ledgerflow_ops.guard.inside.settings import setting
from ledgerflow_ops.guard.inside.tokens import Kind, Token, tokens

Statement = Sequence[Token]
_DEEPEST = 20
_MOST = 200
_WRITES = ("insert", "update", "delete", "merge")
_SESSION = names(
    """
    show begin start commit end savepoint release abort reset discard deallocate lock checkpoint
    listen unlisten notify fetch move close execute declare
    """
)
_ORDINARY = {
    "grant": "grants",
    "revoke": "revokes",
    "comment": "sets a comment",
    "security": "sets a label",
    "vacuum": "vacuums",
    "analyze": "takes statistics",
    "analyse": "takes statistics",
    "reindex": "rebuilds indexes",
    "refresh": "refreshes a view",
    "cluster": "rewrites a table in another order",
    "import": "makes foreign tables",
    "reassign": "hands objects to another owner",
}


def of_sql(text: str) -> Finding:
    """What `text`, sent to the server as it is, could do at worst. Never raises."""
    if text.lstrip().startswith("\\"):
        return destroys("contains psql's own commands")
    try:
        scanned = tokens(text)
    except Unreadable as trouble:
        return unread(f"cannot be read: {trouble}")
    if any(token.is_mark("\\") for token in scanned):
        scanned = _separated(scanned)
    return of_tokens(scanned)


def of_tokens(scanned: Sequence[Token]) -> Finding:
    """The worst finding for the statements, which semicolons separate."""
    findings = [_statement(statement, 0) for statement in _parted(scanned) if statement]
    return worst(findings, "does nothing")


def _separated(scanned: list[Token]) -> list[Token]:
    r"""With `\;` read as a semicolon; any other backslash stays and makes its statement unknown."""
    kept = []
    for token, after in zip(scanned, [*scanned[1:], None], strict=True):
        if not token.is_mark("\\"):
            kept.append(token)
        elif after is None or not after.is_mark(";"):
            kept += [Token(Kind.MARK, ";"), token]
    return kept


def _parted(scanned: Sequence[Token]) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token in scanned:
        if token.is_mark(";"):
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def _statement(statement: Statement, depth: int) -> Finding:
    """The worst of the statement itself, of those inside it, and of the functions that it calls."""
    if depth > _DEEPEST or sum(token.is_word(*_WRITES) for token in statement) > _MOST:
        return destroys("is nested too deeply to be read")
    if statement[0].is_word("explain"):
        return _explain(statement, depth)
    inside = [_own(statement, depth), *_nested(statement, depth), *functions.calls(statement)]
    return worst(inside, "")


def _own(statement: Statement, depth: int) -> Finding:
    first = statement[0]
    if first.is_mark("("):
        return _query(statement)
    if first.kind is not Kind.WORD:
        return destroys(f"begins with {first.text!r}, which is not a known statement")
    if first.text in ("prepare", "rollback", "commit") and len(statement) > 1:
        return _prepared(statement, depth)
    if first.text in _SESSION or first.text in ("rollback", "set"):
        return _session(statement)
    if first.text in _ORDINARY:
        return changes(_ORDINARY[first.text])
    known = _KNOWN.get(first.text)
    return known(statement) if known else destroys(f"{first.text.upper()} is not a known statement")


def _nested(statement: Statement, depth: int) -> Iterator[Finding]:
    """Statements that write, in parentheses: WITH gone AS (DELETE …) SELECT …"""
    for place, token in enumerate(statement[1:], start=1):
        if token.is_word(*_WRITES) and statement[place - 1].is_mark("("):
            yield _writes(statement[place : _end(statement, place)])
        elif token.is_word("with") and statement[place - 1].is_mark("(") and depth < _DEEPEST:
            yield _query(statement[place : _end(statement, place)])


def _end(statement: Statement, place: int) -> int:
    """The index of the token that closes the parenthesis at `place`."""
    depth = 1
    for at in range(place, len(statement)):
        depth += statement[at].is_mark("(") - statement[at].is_mark(")")
        if depth == 0:
            return at
    return len(statement)


def _outer(statement: Statement) -> list[Token]:
    """The tokens outside of parentheses."""
    kept, depth = [], 0
    for token in statement:
        depth -= token.is_mark(")")
        if depth <= 0 and not token.is_mark(")"):
            kept.append(token)
        depth += token.is_mark("(")
    return kept


def _query(statement: Statement) -> Finding:
    """A query; after WITH it may be one that writes."""
    if statement[0].is_word("with"):
        outer = _outer(statement)
        for place, token in enumerate(outer):
            if token.is_word(*_WRITES) and not outer[place - 1].is_word("for", "key"):
                return _writes(outer[place:])
    if any(token.is_word("into") for token in statement):
        return changes("makes a table of what it selects")
    return reads("only reads")


def _writes(statement: Statement) -> Finding:
    first, outer = statement[0].text, _outer(statement)
    target = next((token.text for token in statement[1:] if not token.is_word("into", "only", "from")), "?")
    if first == "delete":
        return destroys(f"deletes rows of {target}")
    if target.startswith("pg_"):
        return destroys(f"writes into the server's own {target}")
    if first == "update":
        return _update(outer, target)
    if first == "merge" and any(token.is_word("delete") for token in statement):
        return destroys(f"deletes rows of {target}")
    return changes(f"writes into {target}")


def _update(outer: Statement, target: str) -> Finding:
    where = next((place for place, token in enumerate(outer) if token.is_word("where")), None)
    if where is None:
        return destroys(f"overwrites every row of {target}")
    rest = [token.text for token in outer[where + 1 :]]
    if rest in (["true"], ["1", "=", "1"], []):
        return destroys(f"overwrites every row of {target}")
    return changes(f"changes rows of {target}")


def _explain(statement: Statement, depth: int) -> Finding:
    """EXPLAIN executes nothing; EXPLAIN ANALYZE executes the statement."""
    if len(statement) > 2 and statement[1].is_mark("(") and not _opens_query(statement[2]):
        end = _end(statement, 2)
        options, inner = statement[2:end], statement[end + 1 :]
    else:
        skip = 1
        while skip < len(statement) and statement[skip].is_word("analyze", "analyse", "verbose"):
            skip += 1
        options, inner = statement[1:skip], statement[skip:]
    if not inner:
        return destroys("EXPLAIN of nothing")
    # Option names may be quoted, so a quoted one counts as well.
    if any(token.text.lower() in ("analyze", "analyse") for token in options):
        return _statement(inner, depth + 1)
    return reads("explains without running")


def _opens_query(token: Token) -> bool:
    return token.is_mark("(") or token.is_word("select", "with", "values", "table")


def _session(statement: Statement) -> Finding:
    first = statement[0].text
    if first == "set":
        return _set(statement[1:])
    return reads(f"{first.upper()} does not change data")


def _set(rest: Statement) -> Finding:
    words = [token.text for token in rest if not token.is_word("session", "local")]
    if not words:
        return destroys("SET of nothing")
    value = "".join(words[2:]) if len(words) > 2 else ""
    scanned = setting(words[0], value)
    return scanned if scanned.effect else reads(f"sets {words[0]} for this session")


def _prepared(statement: Statement, depth: int) -> Finding:
    """PREPARE … AS statement, and two-phase commits."""
    first, words = statement[0].text, [token.text for token in statement]
    if first == "prepare" and words[1] != "transaction":
        body = next((place for place, token in enumerate(statement) if token.is_word("as")), None)
        rest = statement[body + 1 :] if body else ()
        return _statement(rest, depth + 1) if rest else destroys("PREPARE without a statement")
    if words[1] == "prepared":
        return (destroys if first == "rollback" else changes)("ends a prepared transaction")
    return reads(f"{first.upper()} does not change data")


def _copy(statement: Statement) -> Finding:
    outer = _outer(statement)
    way = next((place for place, token in enumerate(outer) if token.is_word("to", "from")), None)
    if way is None or way + 1 >= len(outer):
        return destroys("COPY that is neither FROM nor TO")
    end = outer[way + 1]
    if end.is_word("program"):
        return destroys("runs a program on the server")
    if outer[way].is_word("from"):
        return changes("copies rows in")
    return (
        reads("copies rows out")
        if end.is_word("stdout", "stdin")
        else destroys("writes a file on the server")
    )


_KNOWN: dict[str, Callable[[Statement], Finding]] = {
    **dict.fromkeys(("select", "values", "table", "with"), _query),
    **dict.fromkeys(_WRITES, _writes),
    "truncate": lambda statement: destroys(f"empties {_last(statement)}"),
    "drop": lambda statement: destroys(f"drops {_last(statement)}"),
    "create": create,
    "alter": alter,
    "copy": _copy,
    "do": lambda statement: destroys("runs code of a procedural language, which is not read here"),
    "call": lambda statement: destroys("calls a procedure, whose body is unknown"),
    "load": lambda statement: destroys("loads a library into the server"),
}


def _last(statement: Statement) -> str:
    return " ".join(token.text for token in statement[1:6])
