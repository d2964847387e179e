"""What a database's tables hold, told by the server that holds them: counts, sums, COPY text."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString

import psycopg
import xxhash
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Fragment, Identifier
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, widen
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.core.catalog.manifest import TableContent, TableFacts
from ledgerflow_ops.core.comparison.row_sums import RowSum
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, column_list

_TABLES = """
    SELECT n.nspname, c.relname,
        array(SELECT ARRAY[a.attname::text, format(
                  CASE WHEN coalesce(nullif(t.typbasetype, 0), t.oid)
                            = ANY (ARRAY['float4', 'float8', 'money']::regtype[])
                       THEN 'sum(%I::numeric)::text' ELSE 'sum(%I)::text' END, a.attname)]
              FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND coalesce(nullif(t.typbasetype, 0), t.oid) = ANY (ARRAY['int2', 'int4', 'int8', 'numeric',
                    'float4', 'float8', 'money']::regtype[])
              ORDER BY a.attnum) AS summed,
        array(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS dumped,
        coalesce(own.condition, ''), pg_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (SELECT e.extcondition[array_position(e.extconfig, c.oid)] AS condition
                       FROM pg_extension e WHERE c.oid = ANY (e.extconfig)) own ON true
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())  -- a standby has nothing of their data
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (own.condition IS NOT NULL
           OR NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
    ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table with what is summed of it and what is dumped of it: an extension may keep some rows back.

    `size` is in bytes on the server's disk.
    """

    name: QualifiedName
    sums: dict[str, str]
    dumped: tuple[str, ...]
    condition: LiteralString
    size: int

    @property
    def identifier(self) -> sql.Identifier:
        return Identifier(self.name.schema, self.name.name)

    def ordered_as(self, columns: tuple[str, ...]) -> "TableShape":
        """The same table, copied in this order of its columns, if they are its columns.

        A table that inherits gets other positions for them when it is made anew.
        """
        return replace(self, dumped=columns) if set(columns) == set(self.dumped) else self

    def copied(self) -> sql.Composed:
        """What pg_dump hands to COPY for this table."""
        columns = sql.SQL(", ").join(map(Identifier, self.dumped))
        if self.condition:
            form = "COPY (SELECT {1} FROM {0} {2})"
        else:
            form = "COPY {0} ({1})" if self.dumped else "COPY {0}"
        return sql.SQL(form).format(self.identifier, columns, Fragment(self.condition))


def shapes(connection: Connection) -> list[TableShape]:
    """Every table whose rows a dump holds."""
    return [
        TableShape(QualifiedName(schema, name), dict(summed), tuple(dumped), condition, size)
        for schema, name, summed, dumped, condition, size in connection.execute(_TABLES)
    ]


def counted(connection: Connection, shape: TableShape) -> TableFacts:
    """The exact count, and the exact sum of each numeric column. Floats are summed as numeric:

    their own sum depends on the order in which rows are met.
    """
    sums = [Fragment(expression) for expression in shape.sums.values()]
    columns = sql.SQL(", ").join([sql.SQL("count(*)"), *sums])
    query = sql.SQL("SELECT {} FROM ONLY {} {}")
    row = connection.execute(query.format(columns, shape.identifier, Fragment(shape.condition))).fetchone()
    assert row is not None
    return TableFacts(rows=row[0], sums=dict(zip(shape.sums, row[1:], strict=True)))


def content(connection: Connection, shape: TableShape) -> TableContent:
    """The table's COPY text: what the archive's stream must have for it as well."""
    taken = _Taken()
    try:
        with connection.cursor().copy(shape.copied() + sql.SQL(" TO STDOUT")) as rows:
            for row in rows:
                taken.take(bytes(row))
    except psycopg.Error as error:
        error.add_note(shape.copied().as_string(connection))
        raise
    return taken.content(shape)


def row_sum(connection: Connection, shape: TableShape) -> RowSum:
    """The table's rows in any order, as `archive.row_sums` has them."""
    shape = shape.ordered_as(tuple(sorted(shape.dumped)))
    taken = RowSum(shape.dumped)
    with connection.cursor().copy(shape.copied() + sql.SQL(" TO STDOUT")) as rows:
        for row in rows:
            taken.take(row)
    return taken


@dataclass(frozen=True, slots=True)
class Pipes:
    """A private folder for pipes that a server on this machine, run by `account`, can write into.

    The same text as through the connection, at half the cost: no message for each row.
    """

    folder: Path
    account: Account | None

    def content(self, connection: Connection, shape: TableShape) -> TableContent:
        """As `content`, for a superuser."""
        taken = _Taken()
        with self._reader(taken) as pipe:
            connection.execute(shape.copied() + sql.SQL(" TO {}").format(sql.Literal(str(pipe))))
        return taken.content(shape)

    @contextmanager
    def _reader(self, taken: "_Taken") -> Iterator[Path]:
        """A pipe that a thread reads to its end, which is when the block has ended, however it ends."""
        pipe = self.folder / f"pipe-{threading.get_ident()}"
        os.mkfifo(pipe, 0o600)
        if self.account:
            os.chown(pipe, self.account.uid, self.account.gid)
        source = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        held = os.open(pipe, os.O_WRONLY)  # without a writer of ours it would end before the server begins
        os.set_blocking(source, True)
        widen(source)
        reader = threading.Thread(target=taken.drain, args=(source,), daemon=True)
        reader.start()
        try:
            yield pipe
        finally:
            os.close(held)
            reader.join()
            os.close(source)
            pipe.unlink()


class _Taken:
    """A table's text as it comes."""

    def __init__(self) -> None:
        self.rows = self.size = 0
        self.state = xxhash.xxh3_128()

    def drain(self, source: int) -> None:
        while chunk := os.read(source, CHUNK):
            self.take(chunk)

    def take(self, chunk: bytes) -> None:
        self.rows += chunk.count(b"\n")
        self.size += len(chunk)
        self.state.update(chunk)

    def content(self, shape: TableShape) -> TableContent:
        return TableContent(
            rows=self.rows,
            size=self.size,
            digest=self.state.hexdigest(),
            columns=column_list(shape.dumped),
        )
