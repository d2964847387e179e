"""Judges the files of a backup: reads their archives, unpacks them, compares with the manifest."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ledgerflow_ops.adapters.files import file_scanner, tarball
from ledgerflow_ops.adapters.files.extractor import Extractor
from ledgerflow_ops.adapters.files.file_scanner import Reader
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog import files
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, FilesState
from ledgerflow_ops.core.comparison.seal_comparison import Difference, files_equal
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.operations.context import EnvironmentContext

OnProgress = Callable[[int, int | None], None]


def archive_problem(env: EnvironmentContext, state: FilesState) -> str:
    """What is wrong with the archives that hold these files, read to their last byte; empty if nothing is."""
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
    found = env.store.content(facts.file, lambda done: env.ctx.reporter.moved(done, facts.size))
    if found != (facts.size, facts.sha256):
        return f"{facts.file} has changed since it was committed: its SHA-256 differs."
    return ""


def _affected_files(state: FilesState, facts: FileFacts) -> str:
    held = state.held_by(facts.file)
    return f"It holds {len(held)} file(s) of this backup: {files.some_names(held)}." if held else ""


def compare_archived_files(env: EnvironmentContext, state: FilesState) -> list[Difference]:
    """Every file read out of the archives, against the manifest; BadBackup where one cannot be unpacked."""
    differences, size = [], state.size

    def moved(done: int) -> None:
        env.ctx.reporter.moved(done, size)

    for facts, entries, others in _archives(state):
        found = tarball.digests(env.file(facts.file), entries, moved, others=others)
        for name, entry in files.by_member(entries).items():
            if name not in found:
                sentence = f"{entry.display_path}: missing from {facts.file}"
            elif found[name] != (entry.size, entry.sha256):
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
    """Make the files anew, each root in its place, which is not there yet.

    Only what the manifest names is made, and nothing through a link. BadBackup where an archive does not
    have it.
    """
    size = state.size
    with Extractor(places, lambda done: moved(done, size), durable=durable) as landing:
        landing.folders(state.entries)
        for facts, entries, others in _archives(state):
            landing.files(env.file(facts.file), entries, others=others)
        landing.links(state.entries)
        landing.finish(state.entries)


def _archives(state: FilesState) -> Iterator[tuple[FileFacts, tuple[FileEntry, ...], bool]]:
    """The archives with the files that each holds, and whether it may hold others: an earlier one may."""
    for facts in state.archives:
        yield facts, state.held_by(facts.file), facts is not state.archive


def compare_unpacked_files(state: FilesState, places: Mapping[str, Path]) -> list[Difference]:
    """What lies in these places, read again, against the manifest."""
    return files_equal(state.entries, _scan(places))


def _scan(places: Mapping[str, Path]) -> list[FileEntry]:
    roots = {str(place): root for root, place in places.items()}
    there = [str(place) for place in places.values() if os.path.lexists(place)]
    entries = []
    with Reader() as reader:
        for found in file_scanner.survey(there).found:
            sha256 = reader.read(found, lambda chunk: None) if found.kind is FileKind.FILE else ""
            entries.append(found.entry(sha256).model_copy(update={"root": roots[found.root]}))
    return entries


def drill_folders(state: FilesState, folder: Path) -> dict[str, Path]:
    """Where a drill puts each root, in a new folder of its own."""
    with translated(folder):
        folder.mkdir(mode=0o700)
    return {root: folder / str(number) for number, root in enumerate(state.roots)}
