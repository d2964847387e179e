"""Reads sequences, which no snapshot covers, and large objects."""

from collections.abc import Iterator

import xxhash
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.connection.text_codecs import Identifier
from ledgerflow_ops.core.catalog.manifest import SequenceState
from ledgerflow_ops.core.comparison.dump_content import all_objects
from ledgerflow_ops.core.comparison.non_table_objects import NonTableObjects, SequenceReading
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName

_SEQUENCES = """
    SELECT n.nspname, c.relname, s.seqincrement > 0
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
      AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
      AND pg_relation_filenode(c.oid) IS NOT NULL  -- one that has been dropped since the snapshot was taken
      AND (EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig))
           OR NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
    ORDER BY 1, 2
"""
"""A dump contains the state of an extension's sequences that hold user data, such as those of pg_cron."""
_OBJECTS = "SELECT oid FROM pg_largeobject_metadata"
_CHUNK = 1024 * 1024
_AT_ONCE = 200
"""Sequences in one statement: the server parses a UNION recursively."""


def read_non_table_objects(connection: Connection, *, full: bool) -> NonTableObjects:
    """Sequences and large objects now. `full`: every byte of the large objects is read."""
    return NonTableObjects(read_sequences(connection), *read_large_objects(connection, full=full))


def read_large_objects(connection: Connection, *, full: bool) -> tuple[int, str | None]:
    """The number of large objects and, with `full`, the digest of all their data."""
    oids = [oid for (oid,) in connection.execute(_OBJECTS)]
    if not full:
        return len(oids), None
    return len(oids), all_objects({str(oid): _digest(connection, oid) for oid in oids}).digest


def read_sequences(connection: Connection) -> dict[str, SequenceReading]:
    """The state of every sequence at this instant, whatever snapshot the connection has."""
    sequences = [
        (QualifiedName(schema, name), ascending) for schema, name, ascending in connection.execute(_SEQUENCES)
    ]
    return {
        name.key: SequenceReading(SequenceState(value=value, called=called), ascending)
        for start in range(0, len(sequences), _AT_ONCE)
        for (name, ascending), (value, called) in zip(
            sequences[start : start + _AT_ONCE],
            _states(connection, [name for name, _ in sequences[start : start + _AT_ONCE]]),
            strict=True,
        )
    }


def _states(connection: Connection, names: list[QualifiedName]) -> Iterator[tuple[int, bool]]:
    form = sql.SQL("SELECT {}, last_value, is_called FROM {}")
    selects = [form.format(number, Identifier(n.schema, n.name)) for number, n in enumerate(names)]
    for _, value, called in connection.execute(sql.SQL(" UNION ALL ").join(selects) + sql.SQL(" ORDER BY 1")):
        yield value, called


def _digest(connection: Connection, oid: int) -> str:
    state, position = xxhash.xxh3_128(), 0
    with connection.cursor(binary=True) as cursor:
        while True:
            row = cursor.execute("SELECT lo_get(%s::oid, %s, %s)", [oid, position, _CHUNK]).fetchone()
            assert row is not None
            state.update(row[0])
            position += len(row[0])
            if len(row[0]) < _CHUNK:
                return state.hexdigest()
