"""Compares sequences, large objects and DDL of a database with the archive taken from it.

Sequences are not covered by snapshots, large objects belong to no table, and only a restore reads the DDL.
A digest of the tables would not notice damage to them on the way into the file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.manifest import Contents, SequenceState
from ledgerflow_ops.core.comparison.seal_comparison import Difference

_NOISE = (b"--", b"\\restrict", b"\\unrestrict", b"REFRESH MATERIALIZED VIEW ")
"""Lines that may differ between the DDL of a database and of its archive: comments with positions in the
archive, the random keys of \\restrict, and REFRESH statements, which only an archive with data has."""
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class SequenceReading:
    """A sequence's state at one instant."""

    state: SequenceState
    ascending: bool


@dataclass(frozen=True, slots=True)
class NonTableObjects:
    """The source's sequences and large objects. `objects_digest` is None where these were only counted."""

    sequences: Mapping[str, SequenceReading]
    objects: int
    objects_digest: str | None


def non_table_against_archive(
    before: NonTableObjects, after: Mapping[str, SequenceReading], contents: Contents
) -> list[Difference]:
    """The source's state before the dump, and its sequences after it, compared with the archive's stream."""
    differences = [
        Difference("sequences", f"sequence {name}: {sentence}")
        for name, sequence in sorted(before.sequences.items())
        if (sentence := _sequence_problem(sequence, after.get(name, sequence), contents.sequences.get(name)))
    ]
    archived = contents.large_objects
    if archived.count != before.objects:
        sentence = f"large objects: {before.objects} in the source, {archived.count} in the archive"
        differences.append(Difference("large objects", sentence))
    elif before.objects_digest not in (None, archived.digest):
        differences.append(Difference("large objects", "large objects: their data differs from the source"))
    return differences


def _sequence_problem(before: SequenceReading, after: SequenceReading, found: SequenceState | None) -> str:
    """What is wrong with the archive's state of a sequence; empty when it can be right.

    A sequence that did not move must be equal. One that advanced must lie between its two readings. One that
    was set back or restarted in between may have had any value.
    """
    if found is None:
        return "missing"
    if before.state == after.state:
        return "" if found == before.state else f"{before.state.value} in the source, {found.value} found"
    first, last = before.state.value, after.state.value
    onwards = last >= first if before.ascending else last <= first
    if onwards and not min(first, last) <= found.value <= max(first, last):
        return f"{first} to {last} in the source, {found.value} found"
    return ""


def ddl_against_archive(source: bytes, archive: bytes) -> list[Difference]:
    """The DDL of the source compared with that of the archive, line by line, in any order.

    The order is ignored because pg_dump sorts by dependencies, and with data there are more of them.
    """
    expected, found = _lines(source), _lines(archive)
    return [
        *_ddl_differences("missing from the archive", expected - found),
        *_ddl_differences("only in the archive", found - expected),
    ]


def _lines(ddl: bytes) -> Counter[bytes]:
    return Counter(line for line in ddl.split(b"\n") if line and not line.startswith(_NOISE))


def _ddl_differences(what: str, lines: Iterable[bytes]) -> list[Difference]:
    return [
        Difference("DDL", f"DDL {what}: {line[:_SHOWN].decode('utf-8', 'replace')}") for line in sorted(lines)
    ]
