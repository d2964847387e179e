"""Removes one expired backup, in an order that survives a crash, and finishes what a crash has left.

First of all the removal is written down; then the manifest goes into the history, and with it the backup has
ceased to be one. Whatever stops there is finished by the next rotation. A file is removed only when it is
still the one that was seen when the removal was decided.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.catalog.files import FilesState, needed_archives
from ledgerflow_ops.core.catalog.history import FileRecord, Removal, RemovalPart
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionDecision
from ledgerflow_ops.operations import catalog, removal_history
from ledgerflow_ops.operations.context import EnvironmentContext

_IN_CLOUD = -1


def begin_removal(env: EnvironmentContext, manifest: Manifest, decision: RetentionDecision) -> Removal:
    """Write down that this backup goes, and which files. Under the environment's lock."""
    ctx, name = env.ctx, BackupName.of(manifest.dump.file)
    ctx.reporter.step(Step.NOTE)
    others = [_part_in_location(at, name, manifest.digest) for at in env.locations()[1:]]
    going = Removal(
        file=name.dump,
        key=removal_history.unused_key(env, name, manifest.digest),
        digest=manifest.digest,
        day=manifest.backup_day,
        reasons=decision.reasons,
        who=ctx.run.who,
        at=ctx.clock(),
        parts=(_recorded_part(env.store, name, ""), *(part for part in others if part)),
    )
    return removal_history.record_removal(env, going)


def continue_removal(env: EnvironmentContext, going: Removal) -> Removal:
    """Remove what is left of it; the record as it stands then. Under the environment's lock."""
    if not going.retired:
        going = _retire(env, going)
    env.ctx.reporter.step(Step.FACTS)
    _retire_proof(env, going)
    removal_history.write_facts(env, going.kept_as)
    left = [rest for part in going.parts if (rest := _remove_part(env, going, part))]
    env.ctx.reporter.step(Step.SETTLE)
    return removal_history.record_removal(env, going.model_copy(update={"parts": tuple(left)}))


def is_untouched(env: EnvironmentContext, going: Removal) -> bool:
    """Whether a removal was written down and nothing of it done: its manifest is where it was."""
    return not going.retired and not _is_manifest_retired(env, going)


def was_reinstated(env: EnvironmentContext, going: Removal) -> bool:
    """Whether the backup was made one again since its removal began: somebody put its manifest back."""
    return going.retired and _digest(env, going.name) == going.digest


def _retire(env: EnvironmentContext, going: Removal) -> Removal:
    """The manifest into the history: from here on there is no such backup."""
    env.ctx.reporter.step(Step.RETIRE)
    if not _is_manifest_retired(env, going):
        env.store.move(going.name.manifest, removal_history.history_store(env), going.kept_as.manifest)
    return removal_history.record_removal(env, going.model_copy(update={"retired": True}))


def _is_manifest_retired(env: EnvironmentContext, going: Removal) -> bool:
    return removal_history.history_store(env).taken(going.kept_as.manifest)


def _digest(at: EnvironmentContext, name: BackupName) -> str:
    try:
        manifest = catalog.read_manifest(at, name)
    except LedgerError:
        return ""
    return manifest.digest if manifest else ""


def _retire_proof(env: EnvironmentContext, going: Removal) -> None:
    """The proof beside the manifest in the history, if it is of this backup and not there yet."""
    there, file = removal_history.history_store(env), going.name.proof
    if not env.store.version(file) or there.taken(going.kept_as.proof):
        return
    with suppress(BadBackup):
        if Proof.decode(env.store.record(file), file).manifest_digest == going.digest:
            env.store.move(file, there, going.kept_as.proof)


def _remove_part(env: EnvironmentContext, going: Removal, part: RemovalPart) -> RemovalPart | None:
    """Remove what can be removed of a part; what is left of it to do later, None for nothing."""
    at, steps = env, iter((Step.REMOVE, Step.REMOVE_REST))
    if part.root:
        env.ctx.reporter.step(Step.REMOVE_COPY)
        at, steps = replace(env, location=Path(part.root) / env.environment), iter(())
        found = _reachable_part(env, at, going, part)
        if found is None:
            return part
        part = found
    for seen in part.files:
        if (step := next(steps, None)) is not None:
            env.ctx.reporter.step(step)
        _delete_if_unchanged(at, seen)
    if part.archive is None:
        return None
    states = _remaining_states(at)
    if states is None or part.archive.file in needed_archives(states):
        return part.model_copy(update={"files": ()})
    _delete_if_unchanged(at, part.archive)
    return None


def _reachable_part(
    env: EnvironmentContext, at: EnvironmentContext, going: Removal, part: RemovalPart
) -> RemovalPart | None:
    """The part as it can be removed now; None while its location cannot be reached.

    A location that is not set any more, or is only read, is not ours to clean: nothing is left to do there.
    """
    if Path(part.root) not in env.ctx.settings.archive_roots:
        return RemovalPart(root=part.root)
    if not Path(part.root).is_dir():
        return None
    if at.store.there() and not at.store.writable():
        env.ctx.reporter.say(f"{at.store.location} is read-only: its copy of {going.file} stays")
        return RemovalPart(root=part.root)
    return (
        part
        if part.looked
        else _part_in_location(at, going.name, going.digest) or RemovalPart(root=part.root)
    )


def _part_in_location(at: EnvironmentContext, name: BackupName, digest: str) -> RemovalPart | None:
    """What there is of a backup in a further location; None where there is none of it."""
    assert at.location is not None
    root = at.location.parent
    if not root.is_dir():
        return RemovalPart(root=str(root), looked=False)
    if _digest(at, name) != digest:
        return None
    return _recorded_part(at.store, name, str(root))


def _recorded_part(store: BackupStore, name: BackupName, root: str) -> RemovalPart:
    """The files of a backup as they are now. In a further location the manifest goes like the rest."""
    files = [*([name.manifest] if root else []), name.dump, name.globals, name.proof, name.pin]
    seen = [found for file in files if (found := _file_record(store, file))]
    return RemovalPart(root=root, files=tuple(seen), archive=_file_record(store, name.files))


def _file_record(store: BackupStore, file: str) -> FileRecord | None:
    stat = store.stat(file)
    if stat is None:
        return None
    if not stat.here:
        return FileRecord(file=file, size=_IN_CLOUD, mtime_ns=0)
    return FileRecord(file=file, size=stat.size, mtime_ns=stat.modified_ns)


def _delete_if_unchanged(at: EnvironmentContext, seen: FileRecord) -> None:
    """Remove a file if it is still the one that was seen, or only its bytes have gone to the cloud since."""
    now = _file_record(at.store, seen.file)
    if now is None:
        return
    same = now == seen or now.size == _IN_CLOUD or seen.size == _IN_CLOUD
    if not same:
        at.ctx.reporter.say(f"{at.store.describe(seen.file)} is another file by now: it stays")
        return
    at.ctx.reporter.moved(max(seen.size, 0), None)
    at.store.delete(seen.file)


def _remaining_states(at: EnvironmentContext) -> list[FilesState | None] | None:
    """The files of every backup that stays here; None where one's manifest cannot be read now."""
    states = []
    for file in at.store.names(MANIFEST):
        try:
            manifest = catalog.read_manifest(at, BackupName.of(file))
        except LedgerError:
            manifest = None
        if manifest is None:  # damaged, or its bytes are only in the cloud
            at.ctx.reporter.say(f"{file} cannot be read: nobody knows which archives of files it needs")
            return None
        states.append(manifest.files)
    return states
