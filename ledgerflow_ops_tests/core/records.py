"""Builds records for the tests of core: a complete manifest, and what stands beside it."""

from datetime import UTC, date, datetime
from typing import Any

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, FilesState
from ledgerflow_ops.core.catalog.manifest import (
    Contents,
    LargeObjects,
    Manifest,
    ObjectDigest,
    RoleFacts,
    RunFacts,
    Seal,
    SequenceState,
    Source,
    TableContent,
    TableFacts,
    TableOfContents,
)
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Proof, Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import FileFacts

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def contents(**changes: Any) -> Contents:
    """Two tables, a sequence and a large object, with `changes` in place of some of them."""
    whole = Contents(
        tables={
            "public.invoice": TableContent(rows=3, size=30, digest="a" * 32, columns="(id, total)"),
            "public.customer": TableContent(rows=0, size=0, digest="b" * 32, columns="(id)"),
        },
        sequences={"public.invoice_id_seq": SequenceState(value=3, called=True)},
        large_objects=LargeObjects(count=1, digest="c" * 32),
    )
    return whole.model_copy(update=changes)


def seal(**changes: Any) -> Seal:
    """The seal of those contents, with `changes` in place of some of its fields."""
    whole = Seal(
        tables={
            "public.invoice": TableFacts(rows=3, sums={"total": "12.50"}),
            "public.customer": TableFacts(rows=0, sums={}),
        },
        sequences=("public.invoice_id_seq",),
        objects={"table public.invoice": ObjectDigest(structure="s1", definition="d1")},
        extensions={"pg_trgm": "1.6"},
        roles={"owner": RoleFacts(attributes="LOGIN", member_of=("staff",))},
        content=None,
    )
    return whole.model_copy(update=changes)


def manifest(**changes: Any) -> Manifest:
    """A complete manifest, with `changes` in place of some of its fields."""
    whole = Manifest(
        environment=Environment.DEV,
        backup_day=date(2026, 11, 23),
        time_zone="Europe/Zurich",
        recovery_point=NOON,
        lsn="0/1A2B3C",
        started_at=NOON,
        finished_at=NOON,
        sample=False,
        dump=FileFacts(file="ledgerflow_dev_20261123_1300.dump", size=170_000, sha256="d" * 64),
        globals=FileFacts(file="ledgerflow_dev_20261123_1300.globals.sql", size=900, sha256="e" * 64),
        globals_note="",
        compression="zstd",
        tool_version="17.11",
        source=Source(
            system_identifier="7300000000000000001",
            database="bücher",
            server_version="17.11",
            server_version_num=170011,
            bootstrap_role="postgres",
            encoding="UTF8",
            collate="C",
            ctype="C",
            size=8_000_000,
        ),
        toc=TableOfContents(entries=42, digest="f" * 64),
        seal=seal(),
        contents=contents(),
        run=RunFacts(run_id="run", who="tests", why="a test"),
        durations={"dump": 0.25},
    )
    return whole.model_copy(update=changes)


def archive_facts(file: str = "x.files.tar.zst") -> FileFacts:
    """An archive of files by that name."""
    return FileFacts(file=file, size=500, sha256="a" * 64)


def file_entry(root: str, path: str, size: int, sha256: str = "") -> FileEntry:
    """A file; one of the same path has the same contents unless `sha256` says otherwise."""
    return FileEntry(
        root=root,
        path=path,
        kind=FileKind.FILE,
        size=size,
        mode=0o644,
        mtime_ns=1,
        owner=(0, 0),
        sha256=sha256 or f"sha of {path}",
        archive="x.files.tar.zst",
    )


def files_state(*files: tuple[str, str, int], archive: str = "x.files.tar.zst") -> FilesState:
    """Files (root, path, size) that lie directly in their roots, all in that archive."""
    roots = tuple(dict.fromkeys(root for root, _, _ in files))
    folders = [
        FileEntry(root=root, path="", kind=FileKind.FOLDER, mode=0o755, mtime_ns=1, owner=(0, 0))
        for root in roots
    ]
    entries = [file_entry(*file).model_copy(update={"archive": archive}) for file in files]
    return FilesState(
        roots=roots,
        begun_at=NOON,
        still_at=NOON,
        archive=archive_facts(archive),
        needs=(),
        entries=(*folders, *entries),
        notes=(),
    )


def proof(rung: Rung = Rung.VALID, verdict: Verdict = Verdict.GOOD, **changes: Any) -> Proof:
    """An examination of that manifest's dump, with `changes` in place of some of its fields."""
    whole = Proof(
        file="ledgerflow_dev_20261123_1300.dump",
        sha256="d" * 64,
        manifest_digest="1" * 64,
        verdict=verdict,
        rung=rung,
        examined_at=NOON,
        server_version="17.11",
        rto_seconds=1.5,
        durations={"restore": 1.5},
        checks=({"name": "restorable", "passed": True},),
        who="tests",
        run_id="run",
    )
    return whole.model_copy(update=changes)


def entry(
    taken: datetime = NOON,
    proven: Proof | None = None,
    *,
    size: int = 170_000,
    local: bool = True,
    problem: str = "",
    committed: bool = True,
) -> CatalogEntry:
    """A dump taken at that instant; no backup unless `committed` by a manifest."""
    written = manifest(recovery_point=taken, backup_day=taken.date()) if committed else None
    name = BackupName(f"ledgerflow_dev_{taken:%Y%m%d_%H%M}")
    return CatalogEntry(Environment.DEV, name, size, written, proven, local, problem)
