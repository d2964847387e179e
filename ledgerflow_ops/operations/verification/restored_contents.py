"""Reads a restored copy again, whole: what its tables, sequences and large objects hold, and its seal."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeVar

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection import non_table_objects, source, table_contents
from ledgerflow_ops.adapters.inspection.source import SourceContents
from ledgerflow_ops.adapters.inspection.table_contents import Pipes, TableShape
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.core.catalog.manifest import Contents, LargeObjects, Manifest, Seal, TableContent
from ledgerflow_ops.core.comparison import expressions, public_schema, rewritten_definitions, row_sums
from ledgerflow_ops.core.comparison.row_sums import sum_tables
from ledgerflow_ops.core.comparison.seal_comparison import (
    Difference,
    as_sealed_earlier,
    contents_equal,
    facts_equal,
    upgrade_seal,
)
from ledgerflow_ops.core.postgres.qualified_names import columns_in
from ledgerflow_ops.operations.verification.restored_ddl import RestoredDdl

Value = TypeVar("Value")

_READERS = 2
"""As many as a small machine has processors: one table's text keeps one of them busy."""


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """The archive that a copy was made of, and the tools that read it."""

    tools: Tools
    file: StoredFile


@dataclass(frozen=True, slots=True)
class RestoredCopy:
    """What a restored database says of itself."""

    contents: Contents
    seal: Seal
    major: int
    look: SourceContents
    """What its catalogs say beside the seal."""

    def without(self, unheld: Iterable[str] | None) -> "RestoredCopy":
        """The copy but for the empty tables, and the sequences, whose data the dump does not hold."""
        gone = {name for name in unheld or () if not self._has_rows(name)}
        if not gone:
            return self
        contents, seal = self.contents, self.seal
        return replace(
            self,
            contents=contents.model_copy(
                update={
                    "tables": _without_names(contents.tables, gone),
                    "sequences": _without_names(contents.sequences, gone),
                }
            ),
            seal=seal.model_copy(
                update={
                    "tables": _without_names(seal.tables, gone),
                    "sequences": tuple(name for name in seal.sequences if name not in gone),
                }
            ),
        )

    def _has_rows(self, name: str) -> bool:
        return name in self.contents.tables and self.contents.tables[name].rows > 0


def _without_names(held: Mapping[str, Value], gone: set[str]) -> dict[str, Value]:
    return {name: one for name, one in held.items() if name not in gone}


def read_copy(database: Database, expected: Contents, pipes: Pipes | None) -> RestoredCopy:
    """Read every byte of `database`, which nobody else writes to, its columns in the `expected` order.

    Through pipes where the server can write into them and we are its superuser, else through connections.
    """
    with database.connect() as connection:
        shapes = [_in_expected_order(shape, expected) for shape in table_contents.shapes(connection)]
    waiting = _TableQueue(sorted(shapes, key=lambda shape: -shape.size))
    with ThreadPoolExecutor(_READERS) as pool, waiting.ended_with_us():
        read = [pool.submit(_read_tables, database, pipes, waiting) for _ in range(_READERS)]
        with database.connect() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            look, major = source.read_contents(connection), source.facts(connection).major
            held = non_table_objects.beside(connection, full=True)
        found = {name: content for part in read for name, content in part.result().items()}
    assert held.objects_digest is not None
    contents = Contents(
        tables=found,
        sequences={name: sequence.state for name, sequence in held.sequences.items()},
        large_objects=LargeObjects(count=held.objects, digest=held.objects_digest),
    )
    return RestoredCopy(contents, look.seal, major, look)


def find_differences(
    found: RestoredCopy,
    database: Database,
    manifest: Manifest,
    archived: SourceArchive,
    redumped: RestoredDdl,
) -> list[Difference]:
    """Where the copy in `database` is not what the manifest says. Roles are not looked at without any.

    A seal that an earlier version took is read as that version meant it. Rows that are there in another
    order, or in another partition below the root they are loaded through, are the same rows.
    """
    expected = manifest.contents
    contents = row_sums.with_roots(expected, found.contents)
    if groups := row_sums.reordered_groups(expected, contents):
        contents = row_sums.with_expected(expected, contents, _reordered_tables(groups, database, archived))
    seal = expected_seal(manifest, found.look, found.major, redumped)
    same_major = found.major == manifest.source.major
    differences = [*contents_equal(expected, contents), *redumped.differences]
    return differences + facts_equal(seal, found.seal, same_major=same_major, contents=expected)


def expected_seal(manifest: Manifest, copy: SourceContents, major: int, redumped: RestoredDdl) -> Seal:
    """The seal as this version takes it, as far as its dump carries it; what the copy only words otherwise,
    in the copy's words. `major` is the version of the copy's server."""
    seal, found = manifest.seal, copy.seal
    if manifest.notes is None:
        titled = {name: expressions.digest(text) for name, text in copy.definitions.items()}
        seal = upgrade_seal(seal, found, copy.extended, titled, carried=redumped.equal, earlier=copy.earlier)
    objects = as_sealed_earlier(seal.objects, found.objects, copy.earlier)
    objects = rewritten_definitions.as_loaded(objects, found.objects, copy.definitions, redumped.reworded)
    dumper = int(manifest.tool_version.split(".")[0])
    seal = seal.model_copy(update={"objects": objects})
    return public_schema.as_dumped(seal, found, copy.public, major, dumper)


def _reordered_tables(
    groups: list[frozenset[str]], database: Database, archived: SourceArchive
) -> Iterator[str]:
    """The tables of the groups whose rows are those that the archive has."""
    wanted = {name for group in groups for name in group}
    with archived.file.open() as file:
        sealed = archive.row_sums(archived.tools, file, wanted)
    with database.connect() as connection:
        shapes = [shape for shape in table_contents.shapes(connection) if shape.name.key in wanted]
        there = {shape.name.key: table_contents.row_sum(connection, shape) for shape in shapes}
    for group in groups:
        if sum_tables(sealed[name] for name in group) == sum_tables(there[name] for name in group):
            yield from group


def _in_expected_order(shape: TableShape, expected: Contents) -> TableShape:
    committed = expected.tables.get(shape.name.key)
    return shape.ordered_as(columns_in(committed.columns)) if committed else shape


class _TableQueue(Iterator[TableShape]):
    """The tables that no reader has taken yet."""

    def __init__(self, shapes: list[TableShape]) -> None:
        self._shapes, self._lock = iter(shapes), Lock()
        self._readers: list[Connection] = []
        self._ended = False

    @contextmanager
    def ended_with_us(self) -> Iterator[None]:
        """Where the block fails, the readers give up, whatever they wait for: nobody has use for it."""
        try:
            yield
        except BaseException:
            with self._lock:
                self._ended, self._shapes = True, iter(())
                for reader in self._readers:
                    reader.ending = True
            raise

    def served_by(self, reader: Connection) -> None:
        """`reader` takes tables from now on."""
        with self._lock:
            self._readers.append(reader)
            reader.ending = self._ended

    def __next__(self) -> TableShape:
        with self._lock:
            return next(self._shapes)


def _read_tables(database: Database, pipes: Pipes | None, waiting: _TableQueue) -> dict[str, TableContent]:
    read = pipes.content if pipes else table_contents.content
    with database.connect() as connection:
        waiting.served_by(connection)
        return {shape.name.key: read(connection, shape) for shape in waiting}
