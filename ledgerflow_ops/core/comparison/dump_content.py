"""Reads the plain text of a dump's data as a stream, and computes what each table holds.

The text is what `pg_restore --data-only -f -` (or `pg_dump --data-only`) prints: comments, SET statements,
`COPY … FROM stdin;` blocks ended by a line `\\.`, `setval` calls and large objects. DDL is excluded on
purpose: a function's body may hold a line that looks like a COPY statement.

Source of the COPY rules: PostgreSQL's manual, COPY, "Text Format". Newlines and backslashes inside values are
escaped, so every newline ends a row and `\\.` alone on a line can only be the end of the data.

Rows that the server may place into another partition (hash partitions of an enum) are dumped partition by
partition, but loaded through the root. The COPY statement then names the root; only the comment above it
names the partition.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import xxhash

from ledgerflow_ops.core.catalog.manifest import Contents, LargeObjects, SequenceState, TableContent
from ledgerflow_ops.core.comparison.row_sums import RowSum
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, column_list, columns_in
from ledgerflow_ops.core.text_encodings import declared, decode

_END = b"\n\\.\n"
_BETWEEN = rb"(?:\s+|--[^\n]*\n|\\[^\n]*\n)*+"
_BODY = rb"(?!--|\\)((?:[^;'\"]++|'[^']*+'|\"[^\"]*+\")*+)"
_STATEMENT = re.compile(rb"(" + _BETWEEN + rb")" + _BODY + rb";\n")
_NOTHING = re.compile(_BETWEEN)
_COPY = re.compile(rb"COPY (.+) FROM stdin", re.DOTALL)
_DATA_OF = "-- Data for Name: {}; Type: TABLE DATA; Schema: {}; Owner: "
_DATA = re.compile(_DATA_OF.format("(.*)", "(.*)"))
_BREAKS = str.maketrans("\r\n", "  ")
"""pg_dump writes names into its comments with spaces in place of these."""
_SETVAL = re.compile(r"SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\)", re.DOTALL)
_LO_OPEN = re.compile(rb"SELECT pg_catalog\.lo_open\('(\d+)', \d+\)")
_LO_WRITE = re.compile(rb"SELECT pg_catalog\.lowrite\(0, '\\+x([0-9a-f]*)'\)")


class UnreadableText(ValueError):
    """The text ended inside a statement or a table's data."""


@dataclass(slots=True)
class _Table:
    name: str
    columns: str
    root: str | None
    counted: RowSum | None
    rows: int = 0
    size: int = 0
    state: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)
    fresh: bool = True

    def take(self, data: memoryview, newlines: int) -> None:
        self.rows += newlines
        self.size += len(data)
        self.state.update(data)
        if self.counted:
            self.counted.take(data)

    def content(self) -> TableContent:
        return TableContent(
            rows=self.rows,
            size=self.size,
            digest=self.state.hexdigest(),
            columns=self.columns,
            root=self.root,
        )


class ContentReader:
    """Takes the text in chunks of any size; memory stays at about one chunk.

    Call `feed` with each chunk and `close` at the end; `close` returns the Contents or raises UnreadableText.
    For the tables in `counted`, `sums` holds digests that do not depend on the order of rows.
    """

    def __init__(self, counted: Collection[str] = ()) -> None:
        self.sums = {name: RowSum() for name in counted}
        self._rest = b""
        self._codec = "utf-8"
        self._table: _Table | None = None
        self._tables: dict[str, TableContent] = {}
        self._sequences: dict[str, SequenceState] = {}
        self._object: str | None = None
        self._objects: dict[str, xxhash.xxh3_128] = {}

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the text."""
        data = self._rest + chunk if self._rest else chunk
        position = 0
        while True:
            moved = self._rows(data, position) if self._table else self._statement(data, position)
            if moved is None:
                break
            position = moved
        self._rest = self._keep(data, position)

    def close(self) -> Contents:
        """The contents of the whole text; UnreadableText where it ended too early."""
        if self._table:
            raise UnreadableText(f"the text ends inside the data of {self._table.name}")
        if not _NOTHING.fullmatch(self._rest):
            raise UnreadableText("the text ends inside a statement")
        return Contents(
            tables=dict(sorted(self._tables.items())),
            sequences=dict(sorted(self._sequences.items())),
            large_objects=all_objects({oid: state.hexdigest() for oid, state in self._objects.items()}),
        )

    def _rows(self, data: bytes, start: int) -> int | None:
        """Read a table's rows from `start`; the position after its end, or None if it continues."""
        table = self._table
        assert table is not None
        if table.fresh and data.startswith(_END[1:], start):
            return self._finish(start + len(_END) - 1)
        end = data.find(_END, start)
        if end < 0:
            return None
        self._take(data, start, end + 1)
        return self._finish(end + len(_END))

    def _keep(self, data: bytes, position: int) -> bytes:
        """The bytes that must wait for the next chunk.

        In a table's rows these are only a possible start of its end.
        """
        if self._table is None or len(data) - position < len(_END):
            return data[position:]
        cut = len(data) - (len(_END) - 1)
        self._take(data, position, cut)
        return data[cut:]

    def _take(self, data: bytes, start: int, end: int) -> None:
        assert self._table is not None
        self._table.take(memoryview(data)[start:end], data.count(b"\n", start, end))
        self._table.fresh = False

    def _finish(self, position: int) -> int:
        assert self._table is not None
        self._tables[self._table.name] = self._table.content()
        self._table = None
        return position

    def _statement(self, data: bytes, start: int) -> int | None:
        """Read one statement from `start`; the position after it, or None if it is incomplete."""
        match = _STATEMENT.match(data, start)
        if not match:
            return None
        statement = match[2].strip()
        if copy := _COPY.fullmatch(statement):
            self._begin(self._text(copy[1]), self._text(match[1]))
        elif statement.startswith(b"SELECT pg_catalog."):
            self._call(statement)
        else:
            self._codec = declared(statement) or self._codec
        return match.end()

    def _text(self, data: bytes) -> str:
        return decode(data, self._codec)

    def _begin(self, target: str, comments: str) -> None:
        """Begin a table's data.

        `target` is the table it is loaded into, `comments` name the table it is from.
        """
        name, text = QualifiedName.split(target)
        columns, table = columns_in(text), _nominal(name, comments)
        counted = self.sums.get(table.key)
        if counted:
            counted.columns = columns
        root = name.key if table != name else None
        self._table = _Table(table.key, column_list(columns), root, counted)

    def _call(self, statement: bytes) -> None:
        if write := _LO_WRITE.fullmatch(statement):
            assert self._object is not None
            self._objects[self._object].update(bytes.fromhex(write[1].decode()))
        elif opened := _LO_OPEN.fullmatch(statement):
            self._object = opened[1].decode()
            self._objects[self._object] = xxhash.xxh3_128()
        elif value := _SETVAL.fullmatch(self._text(statement)):
            name = QualifiedName.parse(value[1].replace("''", "'"))
            self._sequences[name.key] = SequenceState(value=int(value[2]), called=value[3] == "true")


def _nominal(target: QualifiedName, comments: str) -> QualifiedName:
    """The table whose data is loaded into `target`: itself, or one of its partitions."""
    if _DATA_OF.format(target.name.translate(_BREAKS), target.schema.translate(_BREAKS)) in comments:
        return target
    named = _DATA.findall(comments)
    return QualifiedName(named[-1][1], named[-1][0]) if named else target


def all_objects(digests: Mapping[str, str]) -> LargeObjects:
    """The number and one digest of all large objects, from the xxh3-128 of each by its OID."""
    whole = xxhash.xxh3_128()
    for oid, digest in sorted(digests.items()):
        whole.update(f"{oid} {digest}\n".encode())
    return LargeObjects(count=len(digests), digest=whole.hexdigest())
