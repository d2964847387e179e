"""Why pg_restore could not load an archive: this machine lacks something, or no server can load the source.

By the time this module is asked, the archive is known to be what pg_dump wrote, and its content to equal the
source's. A statement that one server then refuses, every server refuses: the source itself breaks a rule
that PostgreSQL checks only when rows are inserted or indexes are built. The patterns match PostgreSQL's own
messages (C locale), because pg_restore reports no SQLSTATE.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.loading import machine_errors
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, quote

_ERROR = re.compile(
    r"^(?:pg_restore: error: |psql:\S+ )?(?:COPY failed for table (\".*?\"): |could not execute query: )?"
    r"ERROR:  (.*)$",
    re.MULTILINE,
)
_OTHER = re.compile(r"^pg_restore: error: (?!.*ERROR:  )(.*)$", re.MULTILINE)
_PART = r'(?:"(?:[^"]|"")+"|[^\s".(),;]+)'
_NAME = rf"{_PART}(?:\.{_PART})?"
_ALTERED = re.compile(rf"Command was: ALTER TABLE (?:ONLY )?({_NAME})\s+ADD CONSTRAINT")
_INDEXED = re.compile(rf"Command was: CREATE UNIQUE INDEX .*? ON (?:ONLY )?({_NAME}) USING", re.DOTALL)
_REFERENCE = re.compile(rf"FOREIGN KEY \((.+?)\) REFERENCES ({_NAME})\((.+?)\)")
_VIEW = re.compile(rf"Command was: REFRESH MATERIALIZED VIEW ({_NAME});")
_CREATED = re.compile(
    r"Command was: CREATE (FUNCTION|PROCEDURE|AGGREGATE|TABLE|VIEW|SEQUENCE|TYPE|DOMAIN) "
    rf"({_NAME}(?:\([^()]*\))?)"
)
_KEY = re.compile(r"DETAIL:  Key \((.*?)\)=")
_MISSING = re.compile(
    r"(function|relation|type|operator|aggregate|procedure|text search \w+|schema|collation|operator class)"
    r" (.+?) does not exist"
)
_IN_PLPGSQL = re.compile(r"PL/\w+ function (.+\)) line \d+")
_IN_SQL = re.compile(
    r'SQL function "(.+?)" (?:during|statement)|compilation of PL/\w+ function "(.+?)"|function "(.+?)"'
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with the source: a sentence that names the object, and the SQL that finds or fixes it.

    `by_order`: loading the rows in another order may succeed. `by_extension`: another version of an extension
    may be the reason, because the missing object is not one of the source's own.
    """

    cause: str
    sentence: str
    fix: str
    by_order: bool = False
    by_extension: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """The first error in pg_restore's output: its message, and `text`, the message with its details."""

    message: str
    table: str
    text: str
    seal: Seal


def first_error(errors: str) -> str:
    """The message of the first error, without values of rows; empty if there is none."""
    match = _ERROR.search(errors) or _OTHER.search(errors)
    return match[match.lastindex or 0] if match else ""


def is_machine_error(errors: str) -> bool:
    """Whether the cause lies in this machine, so that the failed load says nothing about the backup."""
    command = errors.partition("Command was: ")[2]  # the first command belongs to the first error
    return machine_errors.is_machine_trouble(first_error(errors), command)


def diagnose(errors: str, seal: Seal) -> Diagnosis | None:
    """What in the source prevents loading its archives; None if the server refused no statement."""
    match = _ERROR.search(errors)
    if match is None or is_machine_error(errors):
        return None
    rest = errors[match.end() :].split("\npg_restore: error:")[0]
    failure = _Failure(match[2], _table(match[1] or "", seal), match[2] + rest, seal)
    return next(filter(None, (recognise(failure) for recognise in _KINDS)), None) or _unknown(failure)


def _table(quoted: str, seal: Seal) -> str:
    """The table that a COPY error names, with its schema if only one sealed table has that name."""
    bare = quoted[1:-1]
    known = [key for key in seal.tables if QualifiedName.parse(key).name == bare]
    return known[0] if len(known) == 1 else quote(bare) if bare else ""


def _foreign_key(failure: _Failure) -> Diagnosis | None:
    violation = re.match(
        r'insert or update on table "(.+)" violates foreign key constraint "(.+)"', failure.message
    )
    altered, reference = _ALTERED.search(failure.text), _REFERENCE.search(failure.text)
    if not violation:
        return None
    table, name = altered[1] if altered else failure.table or quote(violation[1]), quote(violation[2])
    query = ""
    if reference:
        columns, parents = reference[1].split(", "), reference[3].split(", ")
        not_null = " AND ".join(f"c.{column} IS NOT NULL" for column in columns)
        equal = " AND ".join(f"p.{p} = c.{c}" for p, c in zip(parents, columns, strict=False))
        orphan = f"NOT EXISTS (SELECT FROM {reference[2]} p WHERE {equal})"
        query = _sql("SELECT * FROM", table, "c WHERE", not_null, "AND", orphan)
    sentence = f"rows of {table} violate its foreign key {name}"
    return Diagnosis(
        "foreign key",
        sentence,
        f"This query lists the rows: {query} Correct or delete them. To keep them as they are, first: "
        f"{_not_valid(table, violation[2])}",
        by_order=bool(failure.table),  # tables of an extension have their constraints before their rows
    )


def _unique(failure: _Failure) -> Diagnosis | None:
    violation = re.match(r'could not create unique index "(.+)"', failure.message)
    if not violation:
        return None
    place, key = _ALTERED.search(failure.text) or _INDEXED.search(failure.text), _KEY.search(failure.text)
    table, columns = place[1] if place else "the table", key[1] if key else "the key"
    return Diagnosis(
        "unique index",
        f"rows of {table} violate its unique index {quote(violation[1])}",
        "The source's own index is damaged, so search without it: "
        + _sql("SET enable_indexscan = off")
        + _sql(" SET enable_indexonlyscan = off")
        + _sql(" SET enable_bitmapscan = off")
        + _sql(" SELECT", f"{columns}, count(*) FROM", table, "GROUP BY", columns, "HAVING count(*) > 1")
        + " Delete the duplicates; then "
        + _sql("REINDEX TABLE", table),
    )


def _exclusion(failure: _Failure) -> Diagnosis | None:
    violation = re.match(r'could not create exclusion constraint "(.+)"', failure.message)
    if not violation:
        return None
    place = _ALTERED.search(failure.text)
    table = place[1] if place else "the table"
    return Diagnosis(
        "exclusion constraint",
        f"rows of {table} violate its exclusion constraint {quote(violation[1])}{_detail(failure)}",
        f"Correct one of the two rows; then REINDEX TABLE {table};",
    )


def _check(failure: _Failure) -> Diagnosis | None:
    violation = re.match(r'new row for relation "(.+)" violates check constraint "(.+)"', failure.message)
    if not violation:
        return None
    return Diagnosis(
        "check constraint",
        f"rows of {failure.table} violate its check constraint {quote(violation[2])} when they are loaded. "
        "The constraint may have changed since they were written, or it reads another table",
        f"To create the constraint without checking old rows: {_not_valid(failure.table, violation[2])}",
        by_order=True,
    )


def _domain(failure: _Failure) -> Diagnosis | None:
    violation = re.match(r'value for domain (.+) violates check constraint "(.+)"', failure.message)
    if not violation:
        return None
    domain, name = violation[1], quote(violation[2])
    return Diagnosis(
        "check constraint",
        f"values in {failure.table} violate the check constraint {name} of the domain {domain}",
        f"Correct the values, or: ALTER DOMAIN {domain} DROP CONSTRAINT {name}; and add it again NOT VALID.",
        by_order=True,
    )


def _not_null(failure: _Failure) -> Diagnosis | None:
    violation = re.match(r'null value in column "(.+)" of relation "(.+)" violates', failure.message)
    if not violation:
        return None
    column = quote(violation[1])
    return Diagnosis(
        "not null",
        f"rows of {failure.table} hold no value in {column}, which must have one",
        _sql("SELECT * FROM", failure.table, "WHERE", column, "IS NULL")
        + " Correct these rows, or: "
        + _sql("ALTER TABLE", failure.table, "ALTER COLUMN", column, "DROP NOT NULL"),
    )


def _search_path(failure: _Failure) -> Diagnosis | None:
    """A function that relies on its caller's search_path: pg_restore sets an empty one."""
    missing = _MISSING.match(failure.message)
    if not missing:
        return None
    what = f"{missing[1]} {missing[2]}"
    function = _function(failure)
    if not function:
        return None
    known = list(_schemas_of(missing[2], failure.seal))
    schemas = dict.fromkeys([*known, "public"])
    path = ", ".join([*map(quote, schemas), "pg_temp"])
    used = f" It is used where {failure.table} is loaded." if failure.table else _failing_command(failure)
    signatures = [function] if "(" in function else _signatures(function, failure.seal)
    if _is_source_function(function, failure.seal):
        fix = " ".join(f"ALTER FUNCTION {signature} SET search_path = {path};" for signature in signatures)
    else:  # a dump does not contain changes to an extension's own objects
        fix = "An extension owns it: update that to a version which names schemas, or drop what uses it."
    return Diagnosis(
        "function",
        f"the function {function} names the {what} without its schema, and a load has an empty "
        f"search_path.{used}",
        fix,
        by_extension=not known,
    )


def _function(failure: _Failure) -> str:
    """The function that failed, with its argument types if they are known; empty if none is named."""
    context = failure.text.partition("CONTEXT:")[2]
    if called := _IN_PLPGSQL.search(context):
        if "." in called[1].partition("(")[0]:
            return called[1]
        name = called[1].partition("(")[0]
    elif called := _IN_SQL.search(context):
        name = next(name for name in called.groups() if name)
    else:
        return ""
    known = _signatures(name, failure.seal)
    return known[0] if len(known) == 1 else quote(name)


def _signatures(name: str, seal: Seal) -> list[str]:
    """The functions of this name, as ALTER FUNCTION takes them."""
    known = (key.removeprefix("routine ") for key in seal.objects if key.startswith("routine "))
    return [signature for signature in known if _bare(signature) == _unquoted(name)]


def _is_source_function(function: str, seal: Seal) -> bool:
    """Whether the function is the source's own. An extension's functions are not in the seal."""
    return bool(_signatures(_bare(function), seal))


def _bare(name: str) -> str:
    """The bare name in `schema.name(arguments)`."""
    try:
        return QualifiedName.parse(name).name
    except ValueError:
        return name


def _schemas_of(what: str, seal: Seal) -> Iterable[str]:
    """The schemas with an object of that name, given as in an error: `inner_f(text)`, `look`, `"My"`."""
    wanted = _unquoted(what.partition("(")[0].strip())
    for key in (*(f"table {name}" for name in seal.tables), *seal.objects):
        try:
            qualified = QualifiedName.parse(key.partition(" ")[2])
        except ValueError:
            continue
        if qualified.name == wanted:
            yield qualified.schema


def _unquoted(name: str) -> str:
    return name[1:-1] if name.startswith('"') and name.endswith('"') else name


def _view(failure: _Failure) -> Diagnosis | None:
    refresh = _VIEW.search(failure.text)
    if not refresh:
        return None
    return Diagnosis(
        "materialized view",
        f"the materialized view {refresh[1]} cannot be filled: {failure.message}",
        f"In the source this fails too: SET search_path = ''; REFRESH MATERIALIZED VIEW {refresh[1]}; "
        "Give its owner the rights, or correct what it calls, or drop it.",
    )


def _created_twice(failure: _Failure) -> Diagnosis | None:
    """An object dropped from an extension (ALTER EXTENSION … DROP): dump and extension both create it."""
    created = _CREATED.search(failure.text)
    if not (created and failure.seal.extensions and " already exists" in failure.message):
        return None
    what = f"{created[1]} {created[2]}"
    first, *others = map(quote, sorted(failure.seal.extensions))
    alternatives = f" (or whichever of these creates it: {', '.join(others)})" if others else ""
    return Diagnosis(
        "made twice",
        f"{what} is created by an extension and by the dump: it was removed from the extension",
        f"ALTER EXTENSION {first} ADD {what};{alternatives}",
        by_extension=True,
    )


def _unknown(failure: _Failure) -> Diagnosis:
    used = f" while {failure.table} is loaded" if failure.table else _failing_command(failure)
    function = _function(failure)
    by = f" (in the function {function})" if function else ""
    return Diagnosis(
        "statement",
        f"the server refuses it{used}: {failure.message}{by}",
        "Correct in the source what the error names; pg_dump and psql into an empty database show it too.",
        by_order=bool(failure.table and function),
        by_extension=True,
    )


def _failing_command(failure: _Failure) -> str:
    command = failure.text.partition("Command was: ")[2].strip().partition("\n\n")[0]
    return f" It fails in: {' '.join(command.split())[:200]}" if command else ""


def _detail(failure: _Failure) -> str:
    detail = re.search(r"DETAIL:  (.*)", failure.text)
    return f" ({detail[1].rstrip('.')})" if detail else ""


def _not_valid(table: str, name: str) -> str:
    """SQL that replaces a constraint by the same one NOT VALID, which PostgreSQL adds after the rows."""
    literal, oid = (text.replace("'", "''") for text in (name, table))
    form = "ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s NOT VALID"
    values = "conrelid::regclass, conname, pg_get_constraintdef(oid)"
    which = f"conrelid = '{oid}'::regclass AND conname = '{literal}'"
    statement = " ".join([f"SELECT format('{form}', {values})", "FROM pg_constraint WHERE", which])
    return _sql("DO $$ BEGIN EXECUTE", f"({statement});", "END $$")


def _sql(*words: str) -> str:
    """A statement for a person to type; this program never runs it."""
    return " ".join(words) + ";"


_KINDS: tuple[Callable[[_Failure], Diagnosis | None], ...] = (
    _search_path,
    _view,
    _foreign_key,
    _unique,
    _exclusion,
    _check,
    _domain,
    _not_null,
    _created_twice,
)
