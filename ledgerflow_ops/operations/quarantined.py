"""The quarantine of an environment: the backups that were moved aside, and moves in progress.

The folder `quarantine/` below the backups holds their files, each with a record. Nothing in it is a backup,
and nothing removes it: a person does, or moves it back.
"""

from collections.abc import Iterator
from itertools import chain, count

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.catalog import backup_summary, naming
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import OURS, BackupName
from ledgerflow_ops.core.catalog.quarantine import ENDING, FOLDER, Quarantined, QuarantinedFile
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.history.entry import Kind
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.sealed_records import readable_records


def quarantine_store(env: EnvironmentContext) -> BackupStore:
    """The store of an environment's quarantine."""
    return env.store.section(FOLDER)


def quarantined_backups(env: EnvironmentContext) -> list[Quarantined]:
    """The backups in quarantine, by file; also those whose files are being moved. A record that cannot be
    read is reported and stays.
    """
    return readable_records(env, FOLDER, quarantine_store(env), ENDING, Quarantined.decode)


def is_quarantined(env: EnvironmentContext, name: BackupName) -> bool:
    """Whether a backup of that name lies in the quarantine: the name would be taken when it is put back."""
    return quarantine_store(env).taken(name.stem + ENDING)


def unused_key(env: EnvironmentContext, name: BackupName) -> str:
    """A name that is unused in the quarantine: the backup's own, or that with a number."""
    store = quarantine_store(env)
    numbered = (f"{name.stem}.{number}" for number in count(2))
    return next(
        stem
        for stem in chain([name.stem], numbered)
        if not any(store.taken(stem + ending) for ending in (*OURS, ENDING))
    )


def write_record(env: EnvironmentContext, record: Quarantined) -> Quarantined:
    """Write a record durably; returns it."""
    store = quarantine_store(env)
    store.prepare()
    store.replace(record.key + ENDING, record.encode())
    return record


def finish_moves(env: EnvironmentContext) -> list[Quarantined]:
    """Continue the moves that were begun, in whichever direction; returns their records as they are then.

    Requires the environment's lock.
    """
    if not quarantine_store(env).exists():
        return []
    return [move_files(env, record) for record in quarantined_backups(env) if not record.complete]


def move_files(env: EnvironmentContext, record: Quarantined) -> Quarantined:
    """Move what is left to move, and settle the record; returns it. Requires the environment's lock."""
    inside = quarantine_store(env)
    if record.undo:
        for file in reversed(record.files):
            env.ctx.reporter.step(Step.PUT_IN_PLACE)
            _move(inside, file.kept_as, env.store, file.file)
        recording.record_removal(env, Kind.UNDO, record.file, record.reason)
        env.ctx.reporter.step(Step.SETTLE)
        inside.delete(record.key + ENDING)
        return record
    for file in record.files:
        env.ctx.reporter.step(Step.SET_ASIDE)
        _move(env.store, file.file, inside, file.kept_as)
    env.ctx.reporter.step(Step.SETTLE)
    return write_record(env, record.model_copy(update={"complete": True}))


def _move(source: BackupStore, name: str, target: BackupStore, as_name: str) -> None:
    """Move a file, unless it has been moved. A store that cannot rename may have left it in both places."""
    if not source.taken(name):
        return
    if not target.taken(as_name):
        source.move(name, target, as_name)
    elif source.content(name) == target.content(as_name):
        source.delete(name)
    else:
        raise Refused(
            f"{target.describe(as_name)} and {source.describe(name)} differ.",
            hint=Hint("Check which of the two files is the right one, and rename the other."),
        )


def quarantined_summaries(env: EnvironmentContext) -> Iterator[BackupSummary]:
    """The summaries of the backups in quarantine, as bad ones; without those whose manifest is damaged.

    They were taken: the schedule was kept on their days.
    """
    store = quarantine_store(env)
    for record in quarantined_backups(env):
        kept_as = next((file.kept_as for file in record.files if file.file == record.name.manifest), "")
        try:
            manifest = Manifest.decode(store.record(kept_as), kept_as) if kept_as else None
        except LedgerError:
            continue
        if manifest is not None:
            entry = CatalogEntry(
                env.environment,
                record.name,
                manifest.dump.size,
                manifest,
                None,
                problem="it is in quarantine",
            )
            if summary := backup_summary.summarize(entry):
                yield summary


def new_record(
    env: EnvironmentContext, entry: CatalogEntry, files: tuple[str, ...], reason: str
) -> Quarantined:
    """The record of a quarantine that is about to begin."""
    key, claimed = unused_key(env, entry.name), naming.claimed_instant(entry.name)
    kept = tuple(
        QuarantinedFile(file=file, kept_as=key + file.removeprefix(entry.name.stem)) for file in files
    )
    return Quarantined(
        file=entry.name.dump,
        key=key,
        day=entry.day or (claimed.date() if claimed else None),
        recovery_point=entry.recovery_point
        or (claimed.replace(tzinfo=env.settings.zone) if claimed else None),
        state=entry.state,
        bad=entry.bad,
        problem=entry.problem or _proof_problem(entry),
        reason=reason,
        who=env.ctx.run.who,
        at=env.ctx.clock(),
        files=kept,
    )


def _proof_problem(entry: CatalogEntry) -> str:
    if not entry.bad or entry.proof is None:
        return ""
    failed = [check for check in entry.proof.checks if not check.get("passed", True)]
    return str(failed[0].get("message", "")) if failed else "its proof says so"
