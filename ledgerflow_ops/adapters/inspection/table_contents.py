"""Counts, sums and digests of tables, computed from the server's answers and COPY text."""

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
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, widen_pipes
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
    """A table with its summed columns (name → expression), its dumped columns, and the condition of dumped
    rows.

    The condition is that of pg_extension_config_dump. `size` is in bytes on the server's disk.
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
        """The same table with its columns in this order, if they are the same columns.

        An inheriting table may have another order of columns after it was restored.
        """
        return replace(self, dumped=columns) if set(columns) == set(self.dumped) else self

    def copy_statement(self) -> sql.Composed:
        """The COPY statement of pg_dump for this table, without its target."""
        columns = sql.SQL(", ").join(map(Identifier, self.dumped))
        if self.condition:
            form = "COPY (SELECT {1} FROM {0} {2})"
        else:
            form = "COPY {0} ({1})" if self.dumped else "COPY {0}"
        return sql.SQL(form).format(self.identifier, columns, Fragment(self.condition))


def table_shapes(connection: Connection) -> list[TableShape]:
    """Every table whose rows a dump contains."""
    return [
        TableShape(QualifiedName(schema, name), dict(summed), tuple(dumped), condition, size)
        for schema, name, summed, dumped, condition, size in connection.execute(_TABLES)
    ]


def count_table(connection: Connection, shape: TableShape) -> TableFacts:
    """The exact number of rows, and the exact sum of each numeric column.

    Floats are summed as numeric, because a sum of floats depends on the order of the rows.
    """
    sums = [Fragment(expression) for expression in shape.sums.values()]
    columns = sql.SQL(", ").join([sql.SQL("count(*)"), *sums])
    query = sql.SQL("SELECT {} FROM ONLY {} {}")
    row = connection.execute(query.format(columns, shape.identifier, Fragment(shape.condition))).fetchone()
    assert row is not None
    return TableFacts(rows=row[0], sums=dict(zip(shape.sums, row[1:], strict=True)))


def digest_table(connection: Connection, shape: TableShape) -> TableContent:
    """Rows, bytes and digest of the table's COPY text, which the archive's data must match."""
    text = _TableText()
    try:
        with connection.cursor().copy(shape.copy_statement() + sql.SQL(" TO STDOUT")) as rows:
            for row in rows:
                text.take(bytes(row))
    except psycopg.Error as error:
        error.add_note(shape.copy_statement().as_string(connection))
        raise
    return text.digest(shape)


def table_row_sum(connection: Connection, shape: TableShape) -> RowSum:
    """A digest of the table's rows that does not depend on their order, as in `archive.row_sums`."""
    shape = shape.ordered_as(tuple(sorted(shape.dumped)))
    sums = RowSum(shape.dumped)
    with connection.cursor().copy(shape.copy_statement() + sql.SQL(" TO STDOUT")) as rows:
        for row in rows:
            sums.take(row)
    return sums


@dataclass(frozen=True, slots=True)
class TablePipes:
    """A private folder for named pipes that a local server, run by `account`, writes COPY text into.

    The text is the same as through the connection, at half the cost, because there is no message for each
    row.
    """

    folder: Path
    account: Account | None

    def digest_table(self, connection: Connection, shape: TableShape) -> TableContent:
        """As the function `digest_table`, for a superuser."""
        text = _TableText()
        with self._reader(text) as pipe:
            connection.execute(shape.copy_statement() + sql.SQL(" TO {}").format(sql.Literal(str(pipe))))
        return text.digest(shape)

    @contextmanager
    def _reader(self, text: "_TableText") -> Iterator[Path]:
        """A named pipe that a thread reads until the block has ended."""
        pipe = self.folder / f"pipe-{threading.get_ident()}"
        os.mkfifo(pipe, 0o600)
        if self.account:
            os.chown(pipe, self.account.uid, self.account.gid)
        source = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        own_end = os.open(pipe, os.O_WRONLY)  # the reader would see the end before the server opens the pipe
        os.set_blocking(source, True)
        widen_pipes(source)
        reader = threading.Thread(target=text.drain, args=(source,), daemon=True)
        reader.start()
        try:
            yield pipe
        finally:
            os.close(own_end)
            reader.join()
            os.close(source)
            pipe.unlink()


class _TableText:
    """Counts and digests a table's COPY text as it arrives."""

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

    def digest(self, shape: TableShape) -> TableContent:
        return TableContent(
            rows=self.rows,
            size=self.size,
            digest=self.state.hexdigest(),
            columns=column_list(shape.dumped),
        )
