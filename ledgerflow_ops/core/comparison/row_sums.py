"""Compares the rows of tables in any order, also those of partitions that a load may have moved.

A table is a set of rows: an equal digest of its text proves that it is equal, but a different one does not
prove that it differs. Then the number of rows and the sum of a hash of each decide.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

import xxhash

from ledgerflow_ops.core.catalog.manifest import Contents, TableContent, TableFacts

_WHOLE = 1 << 128
_EXACT = Context(prec=200_000, traps=[])
"""PostgreSQL's numeric has up to 131072 digits before the point and 16383 after it."""


@dataclass(slots=True)
class RowSum:
    """The number of rows of a COPY text and the sum of their xxh3-128 hashes, modulo 2**128.

    `columns` are those of the text, unquoted. Each row is hashed with its values in the order of column
    names.
    """

    columns: Sequence[str] = ()
    rows: int = 0
    total: int = 0
    rest: list[bytes] = field(default_factory=list, repr=False)

    def take(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes of the text."""
        *lines, begun = bytes(data).split(b"\n")
        if lines:
            lines[0], self.rest = b"".join([*self.rest, lines[0]]), []
        if begun:
            self.rest.append(begun)
        order = sorted(range(len(self.columns)), key=lambda place: self.columns[place])
        if order != list(range(len(order))):
            lines = [_ordered(line, order) for line in lines]
        self.rows += len(lines)
        self.total = (self.total + sum(map(xxhash.xxh3_128_intdigest, lines))) % _WHOLE


def sum_tables(sums: Iterable[RowSum]) -> tuple[int, int]:
    """The number of rows of several tables, and the sum over them."""
    taken = list(sums)
    return sum(table.rows for table in taken), sum(table.total for table in taken) % _WHOLE


def _ordered(line: bytes, order: Sequence[int]) -> bytes:
    """A row with its values in another order. In COPY text a tab only ever separates values."""
    values = line.split(b"\t")
    return b"\t".join([values[place] for place in order])


def reordered_groups(expected: Contents, found: Contents) -> list[frozenset[str]]:
    """The groups of tables that differ, but whose rows may be equal in another order.

    A group is one table with the expected number of rows and bytes, or the partitions that are loaded through
    one root, of which any differs.
    """
    groups: dict[str, set[str]] = {}
    for name, table in expected.tables.items():
        groups.setdefault(f"root {table.root}" if table.root else name, set()).add(name)
    return [
        frozenset(names) for names in groups.values() if _is_reordered(names, expected.tables, found.tables)
    ]


def _is_reordered(
    names: set[str], expected: Mapping[str, TableContent], found: Mapping[str, TableContent]
) -> bool:
    if not found.keys() >= names or all(_plain(expected[name]) == _plain(found[name]) for name in names):
        return False
    sizes = [
        sum(getattr(side[name], what) for name in names) for side in (expected, found) for what in _SIZES
    ]
    return sizes[:2] == sizes[2:]


_SIZES = ("rows", "size")


def _plain(table: TableContent) -> TableContent:
    return table.model_copy(update={"root": None})


def with_roots(expected: Contents, found: Contents) -> Contents:
    """`found`, which was read from tables, with the roots through which the archive loads them.

    A load through the root may put every row back into its partition, and then nothing else differs.
    """
    roots = {name: table.root for name, table in expected.tables.items() if table.root}
    tables = {
        name: table.model_copy(update={"root": roots.get(name)}) for name, table in found.tables.items()
    }
    return found.model_copy(update={"tables": tables})


def with_expected(expected: Contents, found: Contents, names: Iterable[str]) -> Contents:
    """`found` with the expected contents of these tables, whose rows were shown to be equal."""
    equal = {name: expected.tables[name] for name in names}
    return found.model_copy(update={"tables": {**found.tables, **equal}})


def merge_partitions(tables: Mapping[str, TableFacts], contents: Contents) -> dict[str, TableFacts]:
    """Counts and sums; those of partitions loaded through one root are added up under the root's name."""
    roots = {name: table.root for name, table in contents.tables.items() if table.root}
    merged: dict[str, TableFacts] = {}
    for name, facts in tables.items():
        key = f"{roots[name]} (all partitions)" if name in roots else name
        merged[key] = _merge_facts([merged[key], facts] if key in merged else [facts], exact=name in roots)
    return merged


def _merge_facts(facts: Sequence[TableFacts], *, exact: bool) -> TableFacts:
    """The facts of several tables added up.

    Trailing zeros of sums are removed, since they depend on the rows.
    """
    if not exact:
        return facts[0]
    columns = dict.fromkeys(column for table in facts for column in table.sums)
    return TableFacts(
        rows=sum(table.rows for table in facts),
        sums={column: _sum([table.sums.get(column) for table in facts]) for column in sorted(columns)},
    )


def _sum(values: Iterable[str | None]) -> str | None:
    known = list(_decimals(values))
    if not known:
        return None
    total = known[0]
    for value in known[1:]:
        total = _EXACT.add(total, value)
    return str(_EXACT.normalize(total))


def _decimals(values: Iterable[str | None]) -> Iterator[Decimal]:
    return (Decimal(value) for value in values if value is not None)
