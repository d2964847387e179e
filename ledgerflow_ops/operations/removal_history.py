"""The history of an environment's backups: what rotation has taken away, and what is left of it.

The folder `history/` below the backups holds of each expired backup its manifest and its proof for a while,
its small facts for longer, and, until its removal is over, the record of that removal.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache
from itertools import chain, count

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.storage.stored_file import Version
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog import history as keeping
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.catalog.catalog import CatalogEntry, newest_first
from ledgerflow_ops.core.catalog.history import FACTS, GOING, Removal
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.operations.context import EnvironmentContext

FOLDER = "history"


def history_store(env: EnvironmentContext) -> BackupStore:
    """Where an environment's history is: beside its backups, which outlive this machine's state."""
    return env.ctx.env(env.environment).store.section(FOLDER)


def unused_key(env: EnvironmentContext, name: BackupName, digest: str) -> str:
    """A name in the history that no other backup has: its own, unless an earlier one was called the same, or
    it is this very one, brought back from an archive since."""
    there = history_store(env)
    longer = (f"{name.stem}.{digest[:8]}{f'.{number}' if number else ''}" for number in count())
    return next(
        stem
        for stem in chain([name.stem], longer)
        if not any(there.taken(stem + ending) for ending in (MANIFEST, FACTS, GOING))
    )


def record_removal(env: EnvironmentContext, going: Removal) -> Removal:
    """Write a removal down, durably, as it stands; the record of one that is over is taken away."""
    there = history_store(env)
    if going.over:
        there.delete(going.key + GOING)
    else:
        there.prepare()
        there.replace(going.key + GOING, going.encode())
    return going


def withdraw_removal(env: EnvironmentContext, going: Removal) -> None:
    """Take back a removal that was decided and never begun."""
    history_store(env).delete(going.key + GOING)


def unfinished_removals(env: EnvironmentContext) -> list[Removal]:
    """The removals that are not over, by name. One whose record cannot be read is told, and left as it is."""
    found, there = [], history_store(env)
    for file in there.names(GOING):
        try:
            found.append(Removal.decode(there.record(file), file))
        except LedgerError as error:
            env.ctx.reporter.say(f"{FOLDER}/{error.message}")
    return found


def days_to_wipe(env: EnvironmentContext, days: Iterable[date]) -> set[date]:
    """The days that have lost their last backup, and are still on Dagster's record. `days` have one."""
    present = set(days)
    return {one.day for one in unfinished_removals(env) if one.retired and not one.wiped} - present


def mark_wiped(env: EnvironmentContext, days: Iterable[date]) -> None:
    """Note that these days are wiped from Dagster's record, or need not be."""
    done = set(days)
    for one in unfinished_removals(env):
        if one.retired and one.day in done:
            record_removal(env, one.model_copy(update={"wiped": True}))


def write_facts(env: EnvironmentContext, kept_as: BackupName) -> None:
    """Write the small facts of a backup whose manifest is in the history, unless they are there."""
    there, file = history_store(env), kept_as.stem + FACTS
    found = None if there.taken(file) else _summary_of(env, kept_as)
    if found:
        there.replace(file, keeping.encode_facts(found))


def removed_backups(env: EnvironmentContext) -> list[BackupSummary]:
    """The backups that rotation has taken away, as they were, newest recovery point first.

    They are known for at least 400 days.
    """
    there = history_store(env)
    facts = {file: there.version(file) for file in there.names(FACTS)}
    found = [_read_facts(there, file, version) for file, version in facts.items() if version]
    names = [BackupName.of(file) for file in there.names(MANIFEST)]
    # Of some, a rotation that was cut off could not note the facts.
    found += [_summary_of(env, name) for name in names if name.stem + FACTS not in facts]
    return newest_first(one for one in found if one)


def prune_history(env: EnvironmentContext, since: datetime) -> list[str]:
    """Keep the history in bounds; the files removed. `since` is the newest proven recovery point."""
    there, busy = history_store(env), {one.key for one in unfinished_removals(env)}
    whole = [BackupName.of(file) for file in there.names(MANIFEST)]
    for name in whole:
        write_facts(env, name)
    dated = dict(_recovery_points(there))
    bulky = [(name.stem, dated[name.stem]) for name in whole if name.stem in dated]
    old = keeping.expired_records(bulky, since, keeping.WHOLE, keeping.KEPT_WHOLE) - busy
    ancient = keeping.expired_records([*dated.items()], since, keeping.KNOWN, keeping.KEPT_KNOWN) - busy
    removed = [file for stem in sorted(old) for file in (BackupName(stem).manifest, BackupName(stem).proof)]
    removed += [stem + FACTS for stem in sorted(ancient)]
    for file in removed:
        there.delete(file)
    return removed


def _recovery_points(there: BackupStore) -> Iterator[tuple[str, datetime]]:
    """The recovery points of those that have facts, by the name that they are kept under."""
    for file in there.names(FACTS):
        version = there.version(file)
        found = _read_facts(there, file, version) if version else None
        if found:
            yield file.removesuffix(FACTS), found.recovery_point


@lru_cache(maxsize=20_000)
def _read_facts(there: BackupStore, file: str, _version: Version) -> BackupSummary | None:
    """The facts as they were at that version of their file; None where they are not whole."""
    try:
        return keeping.decode_facts(there.record(file), file)
    except BadBackup:
        return None


def _summary_of(env: EnvironmentContext, kept_as: BackupName) -> BackupSummary | None:
    """What the manifest and the proof in the history say; None where the manifest is not whole."""
    there = history_store(env)
    try:
        manifest = Manifest.decode(there.record(kept_as.manifest), kept_as.manifest)
    except LedgerError:
        return None
    name = BackupName.of(manifest.dump.file)
    proof = _read_proof(there, kept_as, manifest) or _read_proof(
        env.store, name, manifest
    )  # it follows the manifest
    return backup_summary.summarize(CatalogEntry(env.environment, name, manifest.dump.size, manifest, proof))


def _read_proof(there: BackupStore, called: BackupName, manifest: Manifest) -> Proof | None:
    try:
        proof = Proof.decode(there.record(called.proof), called.proof)
    except LedgerError:
        return None
    return proof if proof.speaks_of(manifest.dump.sha256, manifest.digest) else None
