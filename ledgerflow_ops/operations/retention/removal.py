"""Removes one expired backup, in an order that survives a crash, and finishes interrupted removals.

First a record of the removal is written. Then the manifest is moved into the history, and from then on the
backup no longer exists. The next rotation finishes what a crash interrupts. A file is deleted only if it is
unchanged since the removal was decided.
"""

from collections.abc import Iterator
from contextlib import suppress

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.files import FilesState, needed_archives
from ledgerflow_ops.core.catalog.history import FileRecord, Removal, RemovalPart
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, Busy, LedgerError
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionDecision
from ledgerflow_ops.operations import catalog, removal_history
from ledgerflow_ops.operations.archive.location_retention import following_locations
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording

_IN_CLOUD = -1


def begin_removal(env: EnvironmentContext, manifest: Manifest, decision: RetentionDecision) -> Removal:
    """Record that this backup will be removed, and its files. Requires the environment's lock."""
    ctx, name = env.ctx, BackupName.of(manifest.dump.file)
    ctx.reporter.step(Step.NOTE)
    recording.record_removal(env, Kind.ROTATION, name.dump, "; ".join(decision.reasons))
    copies = [_part_in_location(at, name, manifest.digest) for at in following_locations(env)]
    removal = Removal(
        file=name.dump,
        key=removal_history.unused_key(env, name, manifest.digest),
        digest=manifest.digest,
        day=manifest.backup_day,
        reasons=decision.reasons,
        who=ctx.run.who,
        at=ctx.clock(),
        parts=(recorded_part(env.store, name, ""), *(part for part in copies if part)),
    )
    return removal_history.record_removal(env, removal)


def continue_removal(env: EnvironmentContext, removal: Removal) -> Removal:
    """Remove what is left of a backup; returns the updated record. Requires the environment's lock."""
    if not removal.retired:
        removal = _retire(env, removal)
    env.ctx.reporter.step(Step.FACTS)
    _retire_proof(env, removal)
    removal_history.write_facts(env, removal.kept_as)
    left = [rest for part in removal.parts if (rest := _remove_part(env, removal, part))]
    env.ctx.reporter.step(Step.SETTLE)
    return removal_history.record_removal(env, removal.model_copy(update={"parts": tuple(left)}))


def is_untouched(env: EnvironmentContext, removal: Removal) -> bool:
    """Whether a removal was recorded but not begun: its manifest is still in the folder."""
    return not removal.retired and not _is_manifest_retired(env, removal)


def was_reinstated(env: EnvironmentContext, removal: Removal) -> bool:
    """Whether somebody has put the backup's manifest back since its removal began."""
    return removal.retired and _digest(env, removal.name) == removal.digest


def _retire(env: EnvironmentContext, removal: Removal) -> Removal:
    """Move the manifest into the history. From then on the backup no longer exists."""
    env.ctx.reporter.step(Step.RETIRE)
    if not _is_manifest_retired(env, removal):
        env.store.move(removal.name.manifest, removal_history.history_store(env), removal.kept_as.manifest)
    return removal_history.record_removal(env, removal.model_copy(update={"retired": True}))


def _is_manifest_retired(env: EnvironmentContext, removal: Removal) -> bool:
    return removal_history.history_store(env).taken(removal.kept_as.manifest)


def _digest(at: EnvironmentContext, name: BackupName) -> str:
    try:
        manifest = catalog.read_manifest(at, name)
    except LedgerError:
        return ""
    return manifest.digest if manifest else ""


def _retire_proof(env: EnvironmentContext, removal: Removal) -> None:
    """Move the proof into the history, if it is about this backup and not there yet."""
    history, file = removal_history.history_store(env), removal.name.proof
    if not env.store.version(file) or history.taken(removal.kept_as.proof):
        return
    with suppress(BadBackup):
        if Proof.decode(env.store.record(file), file).manifest_digest == removal.digest:
            env.store.move(file, history, removal.kept_as.proof)


def _remove_part(env: EnvironmentContext, removal: Removal, part: RemovalPart) -> RemovalPart | None:
    """Remove what can be removed of a part; returns what is left for later, None for nothing."""
    if not part.root:
        return remove_files(env, part, iter((Step.REMOVE, Step.REMOVE_REST)))
    env.ctx.reporter.step(Step.REMOVE_COPY)
    at = next((at for at in following_locations(env) if at.store.home == part.root), None)
    if at is None:  # no longer configured, or it has a retention of its own now
        return None
    state_dir, name = env.ctx.settings.state_dir, at.archive.name if at.archive else ""
    try:
        with locks.location_lock(state_dir, env.environment, name, "rotate", env.ctx.clock()):
            reachable = _reachable_part(env, at, removal, part)
            return part if reachable is None else remove_files(at, reachable, iter(()))
    except Busy:  # a copy is being made there, which may need an archive of files
        return part


def remove_files(at: EnvironmentContext, part: RemovalPart, steps: Iterator[Step]) -> RemovalPart | None:
    """Remove the files of a part in its location; returns what is left for later, None for nothing."""
    for record in part.files:
        if (step := next(steps, None)) is not None:
            at.ctx.reporter.step(step)
        _delete_if_unchanged(at, record)
    if part.archive is None:
        return None
    states = _remaining_states(at)
    if states is None or part.archive.file in needed_archives(states):
        return part.model_copy(update={"files": ()})
    _delete_if_unchanged(at, part.archive)
    return None


def _reachable_part(
    env: EnvironmentContext, at: EnvironmentContext, removal: Removal, part: RemovalPart
) -> RemovalPart | None:
    """The part as it can be removed now; None while its location cannot be reached.

    A location that is read-only is left alone: the part is then empty.
    """
    if not at.store.reachable():
        return None
    if at.store.exists() and not at.store.writable():
        env.ctx.reporter.say(f"{at.store.location} is read-only: its copy of {removal.file} stays")
        return RemovalPart(root=part.root)
    return (
        part
        if part.looked
        else _part_in_location(at, removal.name, removal.digest) or RemovalPart(root=part.root)
    )


def _part_in_location(at: EnvironmentContext, name: BackupName, digest: str) -> RemovalPart | None:
    """The part of a backup in a further location; None where there is nothing of it."""
    root = at.store.home
    if not at.store.reachable():
        return RemovalPart(root=root, looked=False)
    if _digest(at, name) != digest:
        return None
    return recorded_part(at.store, name, root)


def recorded_part(store: BackupStore, name: BackupName, root: str) -> RemovalPart:
    """The files of a backup as they are now. In a further location, `root`, the manifest is one of them."""
    files = [*([name.manifest] if root else []), name.dump, name.globals, name.proof, name.pin]
    records = [record for file in files if (record := _file_record(store, file))]
    return RemovalPart(root=root, files=tuple(records), archive=_file_record(store, name.files))


def _file_record(store: BackupStore, file: str) -> FileRecord | None:
    stat = store.stat(file)
    if stat is None:
        return None
    if not stat.here:
        return FileRecord(file=file, size=_IN_CLOUD, mtime_ns=0)
    return FileRecord(file=file, size=stat.size, mtime_ns=stat.modified_ns)


def _delete_if_unchanged(at: EnvironmentContext, record: FileRecord) -> None:
    """Delete a file if it is unchanged, or was only moved to or from the cloud since it was recorded."""
    current = _file_record(at.store, record.file)
    if current is None:
        return
    same = current == record or current.size == _IN_CLOUD or record.size == _IN_CLOUD
    if not same:
        at.ctx.reporter.say(f"{at.store.describe(record.file)} has changed meanwhile: it stays")
        return
    at.ctx.reporter.moved(max(record.size, 0), None)
    at.store.delete(record.file)


def _remaining_states(at: EnvironmentContext) -> list[FilesState | None] | None:
    """The files of every backup that remains here; None where one's manifest cannot be read now."""
    states = []
    for file in at.store.names(MANIFEST):
        try:
            manifest = catalog.read_manifest(at, BackupName.of(file))
        except LedgerError:
            manifest = None
        if manifest is None:  # damaged, or its bytes are only in the cloud
            at.ctx.reporter.say(f"{file} cannot be read: the archives of files that it needs are not known")
            return None
        states.append(manifest.files)
    return states
