"""The history of an environment's backups: those that rotation has removed, and removals in progress.

The folder `history/` below the backups keeps an expired backup's manifest and proof for a while, a few facts
for longer, and the record of its removal until that is complete.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache
from itertools import chain, count

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.storage.stored_file import Version
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog import history as history_rules
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import CatalogEntry, newest_first
from ledgerflow_ops.core.catalog.history import FACTS, GOING, Removal
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.sealed_records import readable_records

FOLDER = "history"


def history_store(env: EnvironmentContext) -> BackupStore:
    """The store of an environment's history. It is beside the backups, which outlive this machine's state."""
    return env.ctx.env(env.environment).store.section(FOLDER)


def unused_key(env: EnvironmentContext, name: BackupName, digest: str) -> str:
    """A name that is unused in the history: the backup's own, or that with its digest and a number.

    The own name is in use where an earlier backup had it, or where this one was removed before.
    """
    history = history_store(env)
    longer = (f"{name.stem}.{digest[:8]}{f'.{number}' if number else ''}" for number in count())
    return next(
        stem
        for stem in chain([name.stem], longer)
        if not any(history.taken(stem + ending) for ending in (MANIFEST, FACTS, GOING))
    )


def record_removal(env: EnvironmentContext, removal: Removal) -> Removal:
    """Write the record of a removal durably; delete it once the removal is complete."""
    history = history_store(env)
    if removal.over:
        history.delete(removal.key + GOING)
    else:
        history.prepare()
        history.replace(removal.key + GOING, removal.encode())
    return removal


def withdraw_removal(env: EnvironmentContext, removal: Removal) -> None:
    """Delete the record of a removal that was never begun."""
    history_store(env).delete(removal.key + GOING)


def unfinished_removals(env: EnvironmentContext) -> list[Removal]:
    """The removals that are not complete, by name. A record that cannot be read is reported and stays."""
    return readable_records(env, FOLDER, history_store(env), GOING, Removal.decode)


def days_to_wipe(env: EnvironmentContext, days: Iterable[date]) -> set[date]:
    """The days without any backup left that Dagster still records. `days` are those that have a backup."""
    present = set(days)
    return {
        removal.day for removal in unfinished_removals(env) if removal.retired and not removal.wiped
    } - present


def mark_wiped(env: EnvironmentContext, days: Iterable[date]) -> None:
    """Record that these days are wiped from Dagster's storage, or need not be."""
    wiped_days = set(days)
    for removal in unfinished_removals(env):
        if removal.retired and removal.day in wiped_days:
            record_removal(env, removal.model_copy(update={"wiped": True}))


def write_facts(env: EnvironmentContext, kept_as: BackupName) -> None:
    """Write the facts of a backup whose manifest is in the history, unless they exist."""
    history, file = history_store(env), kept_as.stem + FACTS
    summary = None if history.taken(file) else _summary_of(env, kept_as)
    if summary:
        history.replace(file, history_rules.encode_facts(summary))


def removed_backups(env: EnvironmentContext) -> list[BackupSummary]:
    """The backups that rotation has removed, newest recovery point first. They are known for 400 days."""
    history = history_store(env)
    facts = {file: history.version(file) for file in history.names(FACTS)}
    removed = [_read_facts(history, file, version) for file, version in facts.items() if version]
    names = [BackupName.of(file) for file in history.names(MANIFEST)]
    # An interrupted rotation may not have written the facts of some.
    removed += [_summary_of(env, name) for name in names if name.stem + FACTS not in facts]
    return newest_first(summary for summary in removed if summary)


def prune_history(env: EnvironmentContext, since: datetime) -> list[str]:
    """Delete old history; returns the deleted files. Age counts from `since`, the newest proven recovery
    point."""
    history, busy = history_store(env), {removal.key for removal in unfinished_removals(env)}
    whole = [BackupName.of(file) for file in history.names(MANIFEST)]
    for name in whole:
        write_facts(env, name)
    dated = dict(_recovery_points(history))
    whole_records = [(name.stem, dated[name.stem]) for name in whole if name.stem in dated]
    old = (
        history_rules.expired_records(whole_records, since, history_rules.WHOLE, history_rules.KEPT_WHOLE)
        - busy
    )
    ancient = (
        history_rules.expired_records([*dated.items()], since, history_rules.KNOWN, history_rules.KEPT_KNOWN)
        - busy
    )
    removed = [file for stem in sorted(old) for file in (BackupName(stem).manifest, BackupName(stem).proof)]
    removed += [stem + FACTS for stem in sorted(ancient)]
    for file in removed:
        history.delete(file)
    return removed


def _recovery_points(history: BackupStore) -> Iterator[tuple[str, datetime]]:
    """The name in the history and the recovery point of each backup that has facts."""
    for file in history.names(FACTS):
        version = history.version(file)
        summary = _read_facts(history, file, version) if version else None
        if summary:
            yield file.removesuffix(FACTS), summary.recovery_point


@lru_cache(maxsize=20_000)
def _read_facts(history: BackupStore, file: str, _version: Version) -> BackupSummary | None:
    """The facts at that version of their file; None where they are damaged."""
    try:
        return history_rules.decode_facts(history.record(file), file)
    except BadBackup:
        return None


def _summary_of(env: EnvironmentContext, kept_as: BackupName) -> BackupSummary | None:
    """The summary from the manifest and the proof in the history; None where the manifest is damaged."""
    history = history_store(env)
    try:
        manifest = Manifest.decode(history.record(kept_as.manifest), kept_as.manifest)
    except LedgerError:
        return None
    name = BackupName.of(manifest.dump.file)
    proof = _read_proof(history, kept_as, manifest) or _read_proof(
        env.store, name, manifest
    )  # it follows the manifest
    return backup_summary.summarize(CatalogEntry(env.environment, name, manifest.dump.size, manifest, proof))


def _read_proof(store: BackupStore, kept_as: BackupName, manifest: Manifest) -> Proof | None:
    try:
        proof = Proof.decode(store.record(kept_as.proof), kept_as.proof)
    except LedgerError:
        return None
    return proof if proof.speaks_of(manifest.dump.sha256, manifest.digest) else None
