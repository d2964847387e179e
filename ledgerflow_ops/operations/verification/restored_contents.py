"""Reads a restored copy completely: its tables, sequences and large objects, and its seal."""

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
from ledgerflow_ops.adapters.inspection.table_contents import TablePipes, TableShape
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
"""As many as a small machine has processors: reading one table keeps one busy."""


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """The archive that a copy was restored from, and the tools that read it."""

    tools: Tools
    file: StoredFile


@dataclass(frozen=True, slots=True)
class RestoredCopy:
    """The contents and the seal of a restored database. `major` is its server's version."""

    contents: Contents
    seal: Seal
    major: int
    catalogs: SourceContents
    """What its catalogs hold beyond the seal."""

    def without(self, unheld: Iterable[str] | None) -> "RestoredCopy":
        """The copy without `unheld` tables and sequences (the dump omits their data) that are empty."""
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


def _without_names(items: Mapping[str, Value], names: set[str]) -> dict[str, Value]:
    return {name: item for name, item in items.items() if name not in names}


def read_copy(database: Database, expected: Contents, pipes: TablePipes | None) -> RestoredCopy:
    """Read every byte of `database`, to which nobody else writes, with columns in the `expected` order.

    `pipes` are used where the server can write into them and we are its superuser, else connections.
    """
    with database.connect() as connection:
        shapes = [_in_expected_order(shape, expected) for shape in table_contents.table_shapes(connection)]
    waiting = _TableQueue(sorted(shapes, key=lambda shape: -shape.size))
    with ThreadPoolExecutor(_READERS) as pool, waiting.stopped_on_failure():
        readers = [pool.submit(_read_tables, database, pipes, waiting) for _ in range(_READERS)]
        with database.connect() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            catalogs, major = source.read_contents(connection), source.read_source_facts(connection).major
            non_table = non_table_objects.read_non_table_objects(connection, full=True)
        tables = {name: content for part in readers for name, content in part.result().items()}
    assert non_table.objects_digest is not None
    contents = Contents(
        tables=tables,
        sequences={name: sequence.state for name, sequence in non_table.sequences.items()},
        large_objects=LargeObjects(count=non_table.objects, digest=non_table.objects_digest),
    )
    return RestoredCopy(contents, catalogs.seal, major, catalogs)


def find_differences(
    copy: RestoredCopy,
    database: Database,
    manifest: Manifest,
    archived: SourceArchive,
    redumped: RestoredDdl,
) -> list[Difference]:
    """How the copy in `database` differs from the manifest. Roles are compared only where the seal has any.

    A seal from an earlier version of this program is read by that version's rules. Rows in a different order,
    or in a different partition below the root through which they are loaded, are equal.
    """
    expected = manifest.contents
    contents = row_sums.with_roots(expected, copy.contents)
    if groups := row_sums.reordered_groups(expected, contents):
        contents = row_sums.with_expected(expected, contents, _reordered_tables(groups, database, archived))
    seal = expected_seal(manifest, copy.catalogs, copy.major, redumped)
    same_major = copy.major == manifest.source.major
    differences = [*contents_equal(expected, contents), *redumped.differences]
    return differences + facts_equal(seal, copy.seal, same_major=same_major, contents=expected)


def expected_seal(manifest: Manifest, copy: SourceContents, major: int, redumped: RestoredDdl) -> Seal:
    """The manifest's seal as this version would take it of the copy.

    It has what the dump carries, and the copy's wording where a definition is only worded differently.
    `major` is the version of the copy's server.
    """
    seal, copy_seal = manifest.seal, copy.seal
    if manifest.notes is None:
        titled = {name: expressions.digest(text) for name, text in copy.definitions.items()}
        seal = upgrade_seal(
            seal, copy_seal, copy.extended, titled, carried=redumped.equal, earlier=copy.earlier
        )
    objects = as_sealed_earlier(seal.objects, copy_seal.objects, copy.earlier)
    objects = rewritten_definitions.as_loaded(objects, copy_seal.objects, copy.definitions, redumped.reworded)
    dumper = int(manifest.tool_version.split(".")[0])
    seal = seal.model_copy(update={"objects": objects})
    return public_schema.as_dumped(seal, copy_seal, copy.public, major, dumper)


def _reordered_tables(
    groups: list[frozenset[str]], database: Database, archived: SourceArchive
) -> Iterator[str]:
    """The tables of the groups whose rows, in any order, are those of the archive."""
    wanted = {name for group in groups for name in group}
    with archived.file.open() as file:
        sealed = archive.row_sums(archived.tools, file, wanted)
    with database.connect() as connection:
        shapes = [shape for shape in table_contents.table_shapes(connection) if shape.name.key in wanted]
        restored = {shape.name.key: table_contents.table_row_sum(connection, shape) for shape in shapes}
    for group in groups:
        if sum_tables(sealed[name] for name in group) == sum_tables(restored[name] for name in group):
            yield from group


def _in_expected_order(shape: TableShape, expected: Contents) -> TableShape:
    committed = expected.tables.get(shape.name.key)
    return shape.ordered_as(columns_in(committed.columns)) if committed else shape


class _TableQueue(Iterator[TableShape]):
    """The tables that no reader has taken yet, for several threads."""

    def __init__(self, shapes: list[TableShape]) -> None:
        self._shapes, self._lock = iter(shapes), Lock()
        self._readers: list[Connection] = []
        self._ended = False

    @contextmanager
    def stopped_on_failure(self) -> Iterator[None]:
        """If the block fails, stop the readers, whatever they wait for."""
        try:
            yield
        except BaseException:
            with self._lock:
                self._ended, self._shapes = True, iter(())
                for reader in self._readers:
                    reader.ending = True
            raise

    def register(self, reader: Connection) -> None:
        """`reader` takes tables from now on."""
        with self._lock:
            self._readers.append(reader)
            reader.ending = self._ended

    def __next__(self) -> TableShape:
        with self._lock:
            return next(self._shapes)


def _read_tables(
    database: Database, pipes: TablePipes | None, waiting: _TableQueue
) -> dict[str, TableContent]:
    read = pipes.digest_table if pipes else table_contents.digest_table
    with database.connect() as connection:
        waiting.register(connection)
        return {shape.name.key: read(connection, shape) for shape in waiting}
