"""Moves a backup into quarantine, and back.

A record is written first, then the manifest is moved, and from then on the file is no backup; the other files
follow. Back, the manifest is moved last. What a killed process has begun is continued by the next operation
that takes the environment's lock. Nothing is deleted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.files import FilesState, needed_archives
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.errors import LedgerError, Refused, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention import quarantine_plan
from ledgerflow_ops.core.retention.quarantine_plan import QuarantineFacts, QuarantinePlan
from ledgerflow_ops.operations import catalog, journal, quarantined
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.retention import pins


def plan(env: EnvironmentContext, file: str, confirm: str) -> QuarantinePlan:
    """What a quarantine would move, and why it would not. Nothing is touched.

    SettingsError (2) without a file, and for one that is not there: its hint names those that are.
    """
    entry = catalog.entry(env, _find(env, file), remember=False)
    name = entry.name
    in_use = locks.backups_in_use(env.ctx.settings.state_dir, env.environment)
    store = env.store
    files = (name.manifest, name.dump, name.globals, name.files, name.proof)
    facts = QuarantineFacts(
        entry=entry,
        files=[file for file in files if store.taken(file)],
        pinned=pins.pin_reason(env, name),
        user=in_use.get(name.stem, ""),
        evicted=[file for file in files if store.evicted(file)],
        needed=name.files in needed_archives(_other_states(env, name)),
    )
    return quarantine_plan.plan_quarantine(facts, confirm)


def quarantine(env: EnvironmentContext, file: str, reason: str, confirm: str) -> Quarantined:
    """Move a backup and the files beside it into quarantine, durably and on record.

    SettingsError (2) for no such file; Refused (3) where it is pinned, in use, only in the cloud, or not
    known to be bad and not confirmed by its name; Busy (3) while another operation is at work. Nothing is
    moved then.
    """
    with journal.recorded(env, "quarantine") as note:
        note |= {"file": file, "reason": reason}
        with _locked(env) as finished:
            if begun := [record for record in finished if file in (record.file, record.name.stem)]:
                note |= _fields(begun[0])
                return begun[0]
            planned = plan(env, file, confirm)
            if planned.refusal:
                raise planned.refusal
            name = planned.name
            with locks.lock_for_removal(env.ctx.settings.state_dir, env.environment, name.stem):
                env.ctx.reporter.step(Step.NOTE)
                entry = catalog.entry(env, name, remember=False)
                record = quarantined.new_record(env, entry, planned.moves, reason)
                recording.record_removal(env, Kind.QUARANTINE, record.file, reason)
                record = quarantined.move_files(env, quarantined.write_record(env, record))
            note |= _fields(record)
        return record


def undo(env: EnvironmentContext, file: str) -> Quarantined:
    """Move a backup back out of quarantine. SettingsError (2) for one that is not in it, Refused (3) where a
    file of that name has taken its place."""
    with journal.recorded(env, "quarantine undone") as note:
        note["file"] = file
        with _locked(env) as finished:
            if back := [record for record in finished if record.undo and record.file == file]:
                note |= _fields(back[0])
                return back[0]
            record = _in_quarantine(env, file)
            _require_free_names(env, record)
            env.ctx.reporter.step(Step.NOTE)
            record = quarantined.write_record(
                env, record.model_copy(update={"undo": True, "complete": False})
            )
            record = quarantined.move_files(env, record)
            note |= _fields(record)
        return record


def planned_undo(env: EnvironmentContext, file: str) -> QuarantinePlan:
    """What `undo` would move back; the same errors. Nothing is touched."""
    record = _in_quarantine(env, file)
    _require_free_names(env, record)
    return QuarantinePlan(record.name, tuple(item.kept_as for item in reversed(record.files)), ())


def _require_free_names(env: EnvironmentContext, record: Quarantined) -> None:
    """Refused (3) where another file has taken the name of one of the backup's files."""
    for taken in (item.file for item in record.files if env.store.taken(item.file)):
        raise Refused(
            f"{env.store.describe(taken)} exists: {record.file} stays in quarantine.",
            hint=Hint("Look which of the two is the right one: ", make("status")),
        )


def known_files(env: EnvironmentContext) -> list[str]:
    """The dumps of the environment, bad ones first, then the newest first."""
    entries = catalog.entries(env)
    order = sorted(entries, key=lambda entry: entry.name.stem, reverse=True)
    return [entry.name.dump for entry in sorted(order, key=lambda entry: not entry.bad)]


@contextmanager
def _locked(env: EnvironmentContext) -> Iterator[list[Quarantined]]:
    """Hold the environment's lock during the block; yields the moves that were left by a killed process, and
    are finished now."""
    ctx = env.ctx
    with locks.environment_lock(ctx.settings.state_dir, env.environment, "quarantine", ctx.clock()):
        finished = quarantined.finish_moves(env)
        leftover_sweep.sweep_before_operation(env)
        yield finished


def _find(env: EnvironmentContext, file: str) -> BackupName:
    if not file:
        hint = quarantine_plan.known_names_hint(known_files(env))
        raise SettingsError("quarantine needs FILE=.", hint=hint)
    try:
        return catalog.find(env, file)
    except SettingsError as error:
        if file in {record.file for record in quarantined.quarantined_backups(env)}:
            hint = Hint(make("quarantine", FILE=file, UNDO=1), " takes it back.")
            raise SettingsError(f"{file} is in quarantine already.", hint=hint) from None
        hint = quarantine_plan.known_names_hint(known_files(env))
        raise SettingsError(error.message, hint=hint) from None


def _in_quarantine(env: EnvironmentContext, file: str) -> Quarantined:
    """The last record of that file; SettingsError, which names the known ones, where there is none."""
    records = sorted(quarantined.quarantined_backups(env), key=lambda record: record.at)
    named = [record for record in records if file in (record.file, record.key)]
    if named:
        return named[-1]
    hint = quarantine_plan.known_names_hint([record.file for record in records], undo=True)
    text = f"There is no {file} in {env.environment}'s quarantine." if file else "UNDO=1 needs FILE=."
    raise SettingsError(text, hint=hint)


def _other_states(env: EnvironmentContext, name: BackupName) -> list[FilesState | None]:
    """The files of every other backup in the folder, as far as their manifests can be read."""
    others = [BackupName.of(file) for file in env.store.names(MANIFEST)]
    states = []
    for other in others:
        try:
            manifest = catalog.read_manifest(env, other) if other != name else None
        except LedgerError:
            continue
        states.append(manifest.files if manifest else None)
    return states


def _fields(record: Quarantined) -> dict[str, Any]:
    """The fields of its journal entry."""
    return {
        "file": record.file,
        "day": record.day,
        "state": record.state,
        "problem": record.problem,
        "reason": record.reason,
        "files": [item.kept_as if not record.undo else item.file for item in record.files],
    }
