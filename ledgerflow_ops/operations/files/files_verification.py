"""Verifies the files of a backup: reads their archives, unpacks them, compares them with the manifest."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ledgerflow_ops.adapters.files import file_scanner, tarball
from ledgerflow_ops.adapters.files.extractor import Extractor
from ledgerflow_ops.adapters.files.file_scanner import FileReader
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog import files
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, FilesState
from ledgerflow_ops.core.comparison.seal_comparison import Difference, files_equal
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.operations.context import EnvironmentContext

OnProgress = Callable[[int, int | None], None]


def archive_problem(env: EnvironmentContext, state: FilesState) -> str:
    """What is wrong with the archives of these files, every byte read; empty if nothing is.

    CannotJudge (5) where one is only in the cloud.
    """
    for facts in state.archives:
        if env.store.evicted(facts.file):
            raise CannotJudge(
                f"{facts.file} is not local: its bytes are only in the cloud. It is neither lost nor judged.",
                hint=env.store.how_to_fetch(facts.file),
            )
        if difference := _problem_of(env, facts):
            return f"{difference} {_affected_files(state, facts)}".rstrip()
    return ""


def _problem_of(env: EnvironmentContext, facts: FileFacts) -> str:
    size = env.store.size(facts.file)
    if size is None:
        return f"{facts.file} is gone."
    if size != facts.size:
        return f"{facts.file} has {size} bytes; {facts.size} were committed."
    content = env.store.content(facts.file, lambda done: env.ctx.reporter.moved(done, facts.size))
    if content != (facts.size, facts.sha256):
        return f"{facts.file} has changed since it was committed: its SHA-256 differs."
    return ""


def _affected_files(state: FilesState, facts: FileFacts) -> str:
    affected = state.held_by(facts.file)
    if not affected:
        return ""
    return f"It holds {count_of(len(affected), 'file')} of this backup: {files.some_names(affected)}."


def compare_archived_files(env: EnvironmentContext, state: FilesState) -> list[Difference]:
    """Compare every file in the archives with the manifest; BadBackup where one cannot be unpacked."""
    differences, size = [], state.size

    def moved(done: int) -> None:
        env.ctx.reporter.moved(done, size)

    for facts, entries, may_hold_others in _archives(state):
        digests = tarball.digest_files(env.file(facts.file), entries, moved, allow_others=may_hold_others)
        for name, entry in files.by_member(entries).items():
            if name not in digests:
                sentence = f"{entry.display_path}: missing from {facts.file}"
            elif digests[name] != (entry.size, entry.sha256):
                sentence = f"{entry.display_path}: its contents in {facts.file} have changed"
            else:
                continue
            differences.append(Difference("files", sentence))
    return differences


def unpack_files(
    env: EnvironmentContext,
    state: FilesState,
    places: Mapping[str, Path],
    moved: OnProgress,
    *,
    durable: bool,
) -> None:
    """Unpack the files, each root into its place, which does not exist yet.

    Only what the manifest names is created, and nothing through a symbolic link. BadBackup where an archive
    lacks a file.
    """
    size = state.size
    with Extractor(places, lambda done: moved(done, size), durable=durable) as extractor:
        extractor.folders(state.entries)
        for facts, entries, may_hold_others in _archives(state):
            extractor.files(env.file(facts.file), entries, allow_others=may_hold_others)
        extractor.links(state.entries)
        extractor.finish(state.entries)


def _archives(state: FilesState) -> Iterator[tuple[FileFacts, tuple[FileEntry, ...], bool]]:
    """The archives, each with its files of this backup, and whether it may hold others (earlier ones may)."""
    for facts in state.archives:
        yield facts, state.held_by(facts.file), facts is not state.archive


def compare_unpacked_files(state: FilesState, places: Mapping[str, Path]) -> list[Difference]:
    """Compare the files in these places, read again, with the manifest."""
    return files_equal(state.entries, _scan(places))


def _scan(places: Mapping[str, Path]) -> list[FileEntry]:
    roots = {str(place): root for root, place in places.items()}
    present = [str(place) for place in places.values() if os.path.lexists(place)]
    entries = []
    with FileReader() as reader:
        for scanned in file_scanner.scan_roots(present).entries:
            sha256 = reader.read(scanned, lambda chunk: None) if scanned.kind is FileKind.FILE else ""
            entries.append(scanned.entry(sha256).model_copy(update={"root": roots[scanned.root]}))
    return entries


def drill_folders(state: FilesState, folder: Path) -> dict[str, Path]:
    """The place of each root in a new folder of a drill."""
    with translated(folder):
        folder.mkdir(mode=0o700)
    return {root: folder / str(number) for number, root in enumerate(state.roots)}
