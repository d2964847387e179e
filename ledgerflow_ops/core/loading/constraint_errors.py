"""Rows that violate a constraint when they are loaded: the source itself breaks a rule.

PostgreSQL checks it only when rows are inserted or indexes are built.
"""

import re
from collections.abc import Callable

from ledgerflow_ops.core.loading.load_failure import SQL_NAME, Diagnosis, LoadFailure, sql_statement
from ledgerflow_ops.core.postgres.qualified_names import quote

_ALTERED = re.compile(rf"Command was: ALTER TABLE (?:ONLY )?({SQL_NAME})\s+ADD CONSTRAINT")
_INDEXED = re.compile(rf"Command was: CREATE UNIQUE INDEX .*? ON (?:ONLY )?({SQL_NAME}) USING", re.DOTALL)
_REFERENCE = re.compile(rf"FOREIGN KEY \((.+?)\) REFERENCES ({SQL_NAME})\((.+?)\)")
_KEY = re.compile(r"DETAIL:  Key \((.*?)\)=")


def _foreign_key(failure: LoadFailure) -> Diagnosis | None:
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
        query = sql_statement("SELECT * FROM", table, "c WHERE", not_null, "AND", orphan)
    sentence = f"rows of {table} violate its foreign key {name}"
    return Diagnosis(
        "foreign key",
        sentence,
        f"This query lists the rows: {query} Correct or delete them. To keep them as they are, first: "
        f"{_not_valid(table, violation[2])}",
        by_order=bool(failure.table),  # tables of an extension have their constraints before their rows
    )


def _unique(failure: LoadFailure) -> Diagnosis | None:
    violation = re.match(r'could not create unique index "(.+)"', failure.message)
    if not violation:
        return None
    place, key = _ALTERED.search(failure.text) or _INDEXED.search(failure.text), _KEY.search(failure.text)
    table, columns = place[1] if place else "the table", key[1] if key else "the key"
    return Diagnosis(
        "unique index",
        f"rows of {table} violate its unique index {quote(violation[1])}",
        "The source's own index is damaged, so search without it: "
        + sql_statement("SET enable_indexscan = off")
        + sql_statement(" SET enable_indexonlyscan = off")
        + sql_statement(" SET enable_bitmapscan = off")
        + sql_statement(
            " SELECT", f"{columns}, count(*) FROM", table, "GROUP BY", columns, "HAVING count(*) > 1"
        )
        + " Delete the duplicates; then "
        + sql_statement("REINDEX TABLE", table),
    )


def _exclusion(failure: LoadFailure) -> Diagnosis | None:
    violation = re.match(r'could not create exclusion constraint "(.+)"', failure.message)
    if not violation:
        return None
    place = _ALTERED.search(failure.text)
    table = place[1] if place else "the table"
    return Diagnosis(
        "exclusion constraint",
        f"rows of {table} violate its exclusion constraint {quote(violation[1])}{failure.detail}",
        f"Correct one of the two rows; then REINDEX TABLE {table};",
    )


def _check(failure: LoadFailure) -> Diagnosis | None:
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


def _domain(failure: LoadFailure) -> Diagnosis | None:
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


def _not_null(failure: LoadFailure) -> Diagnosis | None:
    violation = re.match(r'null value in column "(.+)" of relation "(.+)" violates', failure.message)
    if not violation:
        return None
    column = quote(violation[1])
    return Diagnosis(
        "not null",
        f"rows of {failure.table} hold no value in {column}, which must have one",
        sql_statement("SELECT * FROM", failure.table, "WHERE", column, "IS NULL")
        + " Correct these rows, or: "
        + sql_statement("ALTER TABLE", failure.table, "ALTER COLUMN", column, "DROP NOT NULL"),
    )


def _not_valid(table: str, name: str) -> str:
    """SQL that replaces a constraint by the same one NOT VALID, which PostgreSQL adds after the rows."""
    literal, oid = (text.replace("'", "''") for text in (name, table))
    form = "ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s NOT VALID"
    values = "conrelid::regclass, conname, pg_get_constraintdef(oid)"
    which = f"conrelid = '{oid}'::regclass AND conname = '{literal}'"
    statement = " ".join([f"SELECT format('{form}', {values})", "FROM pg_constraint WHERE", which])
    return sql_statement("DO $$ BEGIN EXECUTE", f"({statement});", "END $$")


CONSTRAINTS: tuple[Callable[[LoadFailure], Diagnosis | None], ...] = (
    _foreign_key,
    _unique,
    _exclusion,
    _check,
    _domain,
    _not_null,
)
"""Each recognises one kind of violated constraint."""
