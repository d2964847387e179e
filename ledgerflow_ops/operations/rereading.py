"""Reads a restored copy again, whole: what its tables, sequences and large objects hold, and its seal."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from ledgerflow_ops.adapters import beside, source, tables
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.tables import Pipes, TableShape
from ledgerflow_ops.core.manifest import Contents, LargeObjects, Seal, TableContent
from ledgerflow_ops.core.tables import columns_in

_READERS = 2
"""As many as a small machine has processors: one table's text keeps one of them busy."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What a restored database says of itself."""

    contents: Contents
    seal: Seal


def reread(database: Database, expected: Contents, pipes: Pipes | None) -> Copy:
    """Read every byte of `database`, which nobody else writes to, its columns in the `expected` order.

    Through pipes where the server can write into them and we are its superuser, else through connections.
    """
    with database.connect() as connection:
        shapes = [_as_expected(shape, expected) for shape in tables.shapes(connection)]
    waiting = _Waiting(sorted(shapes, key=lambda shape: -shape.size))
    with ThreadPoolExecutor(_READERS) as pool:
        read = [pool.submit(_read, database, pipes, waiting) for _ in range(_READERS)]
        with database.connect() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            seal = source.seal(connection)
            held = beside.beside(connection, full=True)
        found = {name: content for part in read for name, content in part.result().items()}
    assert held.objects_digest is not None
    contents = Contents(
        tables=found,
        sequences={name: sequence.state for name, sequence in held.sequences.items()},
        large_objects=LargeObjects(count=held.objects, digest=held.objects_digest),
    )
    return Copy(contents, seal)


def _as_expected(shape: TableShape, expected: Contents) -> TableShape:
    committed = expected.tables.get(shape.name.key)
    return shape.ordered_as(columns_in(committed.columns)) if committed else shape


class _Waiting(Iterator[TableShape]):
    """The tables that no reader has taken yet."""

    def __init__(self, shapes: list[TableShape]) -> None:
        self._shapes, self._lock = iter(shapes), Lock()

    def __next__(self) -> TableShape:
        with self._lock:
            return next(self._shapes)


def _read(database: Database, pipes: Pipes | None, waiting: _Waiting) -> dict[str, TableContent]:
    read = pipes.content if pipes else tables.content
    with database.connect() as connection:
        return {shape.name.key: read(connection, shape) for shape in waiting}
