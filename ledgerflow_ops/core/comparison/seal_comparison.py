"""Compares a database with its seal. Each difference is a sentence that names the object."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ledgerflow_ops.core.catalog.files import FileEntry, FileKind
from ledgerflow_ops.core.catalog.manifest import Contents, Manifest, ObjectDigest, RoleFacts, Seal
from ledgerflow_ops.core.comparison.row_sums import merge_partitions
from ledgerflow_ops.core.counts import count_of

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference from the seal; `cause` is the kind of comparison that found it."""

    cause: str
    sentence: str


def rows_against_seal(seal: Seal, contents: Contents) -> list[Difference]:
    """Row counts in the archive's stream compared with those counted in the source."""
    expected = {name: facts.rows for name, facts in seal.tables.items()}
    found = {name: table.rows for name, table in contents.tables.items() if name in expected or table.rows}
    return _mapping_differences("rows", "table", expected, found, _rows_sentence)


def source_against_archive(seal: Seal, contents: Contents) -> list[Difference]:
    """Digests read from the source (where they were taken) compared with those of the archive's stream."""
    if seal.content is None:
        return []
    found = {name: table.digest for name, table in contents.tables.items() if name in seal.content}
    return _mapping_differences(
        "contents", "table", seal.content, found, lambda n, a, b: f"{n}: its data differs from the source"
    )


def contents_equal(expected: Contents, found: Contents) -> list[Difference]:
    """The committed contents compared with those read again."""
    differences = _mapping_differences(
        "contents", "table", expected.tables, found.tables, lambda n, a, b: _table_sentence(n, a.rows, b.rows)
    )
    differences += _mapping_differences(
        "sequences",
        "sequence",
        expected.sequences,
        found.sequences,
        lambda n, a, b: f"sequence {n}: {a.value} sealed, {b.value} found",
    )
    if expected.large_objects != found.large_objects:
        counts = f"{expected.large_objects.count} sealed, {found.large_objects.count} found"
        differences.append(Difference("large objects", f"large objects differ: {counts}"))
    return differences


def _table_sentence(name: str, sealed: int, found: int) -> str:
    if sealed != found:
        return _rows_sentence(name, sealed, found)
    return f"{name}: the same number of rows ({found}), but different data"


def _rows_sentence(name: str, sealed: int, found: int) -> str:
    return f"{name}: {count_of(sealed, 'row')} sealed, {found:,} found"


def facts_equal(
    expected: Seal, found: Seal, *, same_major: bool, contents: Contents | None = None
) -> list[Difference]:
    """The seal compared with one taken of the restored database: sums, objects, sequences, extensions, roles.

    `same_major`: whether both servers are of one major version; expressions are compared only then,
    because servers of different versions print the same expression differently. `contents` are those of
    the archive: they name the partitions whose rows are compared together, under their root.
    """
    sealed, restored = (
        merge_partitions(seal.tables, contents) if contents else seal.tables for seal in (expected, found)
    )
    differences = _mapping_differences(
        "sums", "table", sealed, restored, lambda n, a, b: f"{n}: counts or sums differ"
    )
    differences += _objects(expected.objects, found.objects, same_major)
    before, after = (dict.fromkeys(seal.sequences, 0) for seal in (expected, found))
    differences += _mapping_differences("sequences", "sequence", before, after, lambda n, a, b: n)
    differences += _mapping_differences(
        "extensions",
        "extension",
        dict.fromkeys(expected.extensions, 0),
        dict.fromkeys(found.extensions, 0),
        lambda n, a, b: n,
    )
    return differences + roles_equal(expected.roles, found.roles)


_LATER = ("large object ", "comment on large object ")
"""Objects that seals of earlier versions lack, wholly or in part."""


def upgrade_seal(
    expected: Seal,
    found: Seal,
    extended: Collection[str],
    titled: Mapping[str, str],
    *,
    carried: bool,
    earlier: Collection[str] = (),
) -> Seal:
    """A seal of an earlier version, converted to what this version would have taken.

    Earlier versions counted some members of extensions (`extended`) as objects, and recorded all options of a
    column, also those that no dump carries. Where the DDL showed that the copy holds all that the dump
    `carried`, the copy's facts replace the sealed ones of columns and of the objects in `earlier`, whose text
    was taken differently. Earlier versions lack some facts of large objects. They digested definitions with
    column titles, like those in `titled`.
    """
    objects = {name: item for name, item in expected.objects.items() if name not in extended}
    same = {name for name, item in objects.items() if item.definition and item.definition == titled.get(name)}
    objects |= {
        name: objects[name].model_copy(update={"definition": found.objects[name].definition})
        for name in same & found.objects.keys()
    }
    objects = {name: item for name, item in found.objects.items() if name.startswith(_LATER)} | objects
    if carried:
        beyond = {name for name in objects if name.startswith("column ") or name in earlier}
        objects |= {name: found.objects[name] for name in beyond & found.objects.keys()}
    return expected.model_copy(update={"objects": objects})


def as_sealed_earlier(
    sealed: Mapping[str, ObjectDigest],
    found: Mapping[str, ObjectDigest],
    earlier: Mapping[str, ObjectDigest],
) -> dict[str, ObjectDigest]:
    """The sealed objects; where an `earlier` version took another text, the digest `found` now replaces it.

    Structure and definition are replaced separately, so that a difference in one of them stays.
    """
    objects = dict(sealed)
    for name in sealed.keys() & found.keys() & earlier.keys():
        item, now, before = sealed[name], found[name], earlier[name]
        objects[name] = ObjectDigest(
            structure=now.structure if item.structure == before.structure else item.structure,
            definition=now.definition if item.definition == before.definition else item.definition,
        )
    return objects


def sealed_counts(manifest: Manifest) -> str:
    """What a manifest's seal covers, in words: `3 tables, 12 rows, 1 sequence, …`."""
    seal = manifest.seal
    counts = [
        count_of(len(seal.tables), "table"),
        count_of(manifest.rows, "row"),
        count_of(len(seal.sequences), "sequence"),
        f"{count_of(len(seal.objects), 'object')} with owners and grants",
        count_of(len(seal.roles), "role"),
    ]
    counts += [count_of(len(manifest.files.files), "file")] if manifest.files else []
    return ", ".join(counts)


def versions_sentence(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """A sentence about extensions with another version than sealed; empty when there are none.

    A dump names an extension without its version: the server that it is restored on creates its own.
    """
    other = [
        f"{name} {version} was sealed, {found[name]} is here"
        for name, version in sorted(expected.items())
        if found.get(name, version) != version
    ]
    return f"Extensions in another version: {'; '.join(other)}." if other else ""


def files_equal(expected: Iterable[FileEntry], found: Iterable[FileEntry]) -> list[Difference]:
    """The files of a manifest compared with those unpacked: kind, mode, size, contents, target of a link."""
    wanted, unpacked = ({entry.display_path: entry for entry in entries} for entries in (expected, found))
    differences = []
    for place in sorted({*wanted, *unpacked}):
        if place not in unpacked:
            differences.append(Difference("files", f"{place}: missing"))
        elif place not in wanted:
            differences.append(Difference("files", f"{place}: not in the manifest"))
        elif sentence := _file_difference(wanted[place], unpacked[place]):
            differences.append(Difference("files", f"{place}: {sentence}"))
    return differences


def _file_difference(a: FileEntry, b: FileEntry) -> str:
    """What differs between an entry and the unpacked one; empty when nothing does."""
    if a.kind is not b.kind:
        return f"a {a.kind} in the manifest, a {b.kind} found"
    if a.size != b.size:
        return f"{a.size} bytes in the manifest, {b.size} found"
    if a.sha256 != b.sha256:
        return "its contents have changed: its SHA-256 differs"
    if a.target != b.target:
        return f"leads to {a.target} in the manifest, to {b.target} as found"
    if a.mode != b.mode and a.kind is not FileKind.LINK:  # the system chooses the mode of a link
        return f"mode {a.mode:04o} in the manifest, {b.mode:04o} found"
    return ""


def roles_equal(expected: Mapping[str, RoleFacts], found: Mapping[str, RoleFacts]) -> list[Difference]:
    """The sealed roles compared with those found; further roles on this server do not matter."""
    shared = {name: role for name, role in found.items() if name in expected}
    return _mapping_differences(
        "roles", "role", expected, shared, lambda n, a, b: f"role {n}: attributes or memberships differ"
    )


def _objects(
    expected: Mapping[str, ObjectDigest], found: Mapping[str, ObjectDigest], same_major: bool
) -> list[Difference]:
    def facts(objects: Mapping[str, ObjectDigest]) -> dict[str, tuple[str, str]]:
        return {
            name: (item.structure, item.definition if same_major else "") for name, item in objects.items()
        }

    return _mapping_differences(
        "schema",
        "",
        facts(expected),
        facts(found),
        lambda n, a, b: f"{n}: owner, grants or definition differ",
    )


def _mapping_differences(
    cause: str,
    kind: str,
    expected: Mapping[str, Value],
    found: Mapping[str, Value],
    sentence: Callable[[str, Value, Value], str],
) -> list[Difference]:
    """The differences between two mappings, in the order of their names."""
    noun = f"{kind} " if kind else ""
    differences = []
    for name in sorted({*expected, *found}):
        if name not in found:
            differences.append(Difference(cause, f"{noun}{name}: missing"))
        elif name not in expected:
            differences.append(Difference(cause, f"{noun}{name}: not in the seal"))
        elif expected[name] != found[name]:
            differences.append(Difference(cause, sentence(name, expected[name], found[name])))
    return differences
