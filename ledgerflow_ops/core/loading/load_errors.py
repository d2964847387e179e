"""Why pg_restore could not load an archive: the machine, or a source that no server can be loaded from.

The bytes are known to be those that pg_dump wrote, and what they hold to be what the source had. What a
server then refuses, every server refuses: the source itself breaks a rule that is only asked when rows or
indexes are made anew. The texts are those of PostgreSQL's own messages (C locale); pg_restore tells no
SQLSTATE.
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
    """What is wrong with the source, in a sentence that names the object, and the SQL that finds or fixes it.

    `by_order`: whether loading the rows in another order may well succeed. `by_extension`: whether another
    version of an extension can be the reason, since what is missing is none of the source's own objects.
    """

    cause: str
    sentence: str
    fix: str
    by_order: bool = False
    by_extension: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """The first error in what pg_restore said: its message, and all that belongs to it."""

    message: str
    table: str
    text: str
    seal: Seal


def first_error(errors: str) -> str:
    """The message of the first error, without values of rows; empty where there is none."""
    match = _ERROR.search(errors) or _OTHER.search(errors)
    return match[match.lastindex or 0] if match else ""


def is_machine_error(errors: str) -> bool:
    """Whether it is this machine that cannot load the archive: it says nothing of the backup."""
    command = errors.partition("Command was: ")[2]  # the first one, which is that of the first error
    return machine_errors.is_machine_trouble(first_error(errors), command)


def diagnose(errors: str, seal: Seal) -> Diagnosis | None:
    """What in the source keeps its archives from being loaded; None where the server refused nothing."""
    match = _ERROR.search(errors)
    if match is None or is_machine_error(errors):
        return None
    rest = errors[match.end() :].split("\npg_restore: error:")[0]
    failure = _Failure(match[2], _table(match[1] or "", seal), match[2] + rest, seal)
    return next(filter(None, (recognise(failure) for recognise in _KINDS)), None) or _unknown(failure)


def _table(quoted: str, seal: Seal) -> str:
    """The table that a COPY names without its schema, as SQL names it."""
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
        set_ones = " AND ".join(f"c.{column} IS NOT NULL" for column in columns)
        equal = " AND ".join(f"p.{p} = c.{c}" for p, c in zip(parents, columns, strict=False))
        orphan = f"NOT EXISTS (SELECT FROM {reference[2]} p WHERE {equal})"
        query = _sql("SELECT * FROM", table, "c WHERE", set_ones, "AND", orphan)
    sentence = f"rows of {table} violate its foreign key {name}"
    return Diagnosis(
        "foreign key",
        sentence,
        f"These rows break it: {query} Correct or delete them. To keep them as they are, first: "
        f"{_not_valid(table, violation[2])}",
        by_order=bool(failure.table),  # an extension's tables have theirs before the rows come
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
        "The source's own index is damaged, so read without it: "
        + _sql("SET enable_indexscan = off")
        + _sql(" SET enable_indexonlyscan = off")
        + _sql(" SET enable_bitmapscan = off")
        + _sql(" SELECT", f"{columns}, count(*) FROM", table, "GROUP BY", columns, "HAVING count(*) > 1")
        + " Delete what is double; then "
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
        "It may have changed since they were written, or it reads another table",
        f"To have it loaded after the rows, and not asked of them: {_not_valid(failure.table, violation[2])}",
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
    """A function that finds something only by the search_path of those who call it: a load has none."""
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
    else:  # a dump does not hold what is altered in an extension
        fix = "It is an extension's: update that to a version which names schemas, or drop what uses it."
    return Diagnosis(
        "function",
        f"the function {function} names the {what} without its schema, and a load has an empty "
        f"search_path.{used}",
        fix,
        by_extension=not known,
    )


def _function(failure: _Failure) -> str:
    """The function that failed, with its arguments where they are known; empty where none is named."""
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
    """Whether a function was made by somebody, and not by an extension, whose own are not sealed."""
    return bool(_signatures(_bare(function), seal))


def _bare(name: str) -> str:
    """The name of `schema.name(arguments)` alone."""
    try:
        return QualifiedName.parse(name).name
    except ValueError:
        return name


def _schemas_of(what: str, seal: Seal) -> Iterable[str]:
    """The schemas that hold something called so: `inner_f(text)`, `look`, `"My"`."""
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
        f"In the source this shows the same: SET search_path = ''; REFRESH MATERIALIZED VIEW {refresh[1]}; "
        "Give its owner the rights, or correct what it calls, or drop it.",
    )


def _created_twice(failure: _Failure) -> Diagnosis | None:
    """What was taken out of an extension is dumped by itself, and made by the extension's script as well."""
    created = _CREATED.search(failure.text)
    if not (created and failure.seal.extensions and " already exists" in failure.message):
        return None
    what = f"{created[1]} {created[2]}"
    first, *others = map(quote, sorted(failure.seal.extensions))
    beside = f" (or that of these which makes it: {', '.join(others)})" if others else ""
    return Diagnosis(
        "made twice",
        f"{what} is made by an extension, and by the dump as well: it was taken out of the extension",
        f"ALTER EXTENSION {first} ADD {what};{beside}",
        by_extension=True,
    )


def _unknown(failure: _Failure) -> Diagnosis:
    used = f" while {failure.table} is loaded" if failure.table else _failing_command(failure)
    function = _function(failure)
    by = f" (in the function {function})" if function else ""
    return Diagnosis(
        "statement",
        f"the server refuses it{used}: {failure.message}{by}",
        "Correct in the source what this names; pg_dump and psql into an empty database show it as well.",
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
    """SQL that makes a constraint one that is not asked of the rows that are there."""
    literal, oid = (text.replace("'", "''") for text in (name, table))
    form = "ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s NOT VALID"
    values = "conrelid::regclass, conname, pg_get_constraintdef(oid)"
    which = f"conrelid = '{oid}'::regclass AND conname = '{literal}'"
    made = " ".join([f"SELECT format('{form}', {values})", "FROM pg_constraint WHERE", which])
    return _sql("DO $$ BEGIN EXECUTE", f"({made});", "END $$")


def _sql(*words: str) -> str:
    """A statement to be typed by a person: nothing here is ever run by us."""
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
