"""Removes what killed operations have left: drills' servers, half-written files, uncommitted dumps.

What a killed restore has left on the server is removed by `restore_leftovers`.
"""

from collections.abc import Iterator

from ledgerflow_ops.adapters.cluster import scratch_cluster, server_home
from ledgerflow_ops.core.catalog import quarantine, unfinished_backup
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.unfinished_backup import PlacedFile, UnfinishedBackup
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.operations import quarantined, removal_history
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext


def sweep_drills(ctx: OperationContext) -> list[str]:
    """End the servers of killed drills and delete their copies of a database; returns the drills' keys.

    It is quick where there are none. A failure is reported, and does not stop the calling operation.
    """
    try:
        place = server_home.find_server_home(ctx.settings.state_dir)
        swept = scratch_cluster.sweep_dead_clusters(place) if place else []
    except (LedgerError, OSError) as error:
        ctx.reporter.say(f"what killed drills have left could not be removed: {error}")
        return []
    for key in swept:
        ctx.reporter.say(f"swept drill {key}: its server, which a killed drill had left, and its data")
    return swept


def sweep_folder(env: EnvironmentContext) -> list[str]:
    """Remove what killed operations have left in the folder. Requires the environment's lock."""
    swept = [*env.store.sweep(), *_sweep_uncommitted(env)]
    swept += [f"{removal_history.FOLDER}/{name}" for name in removal_history.history_store(env).sweep()]
    swept += [f"{quarantine.FOLDER}/{name}" for name in quarantined.quarantine_store(env).sweep()]
    for name in swept:
        env.ctx.reporter.say(f"swept {name}: left half-written by an interrupted run")
    return swept


def finish_quarantines(env: EnvironmentContext) -> None:
    """Finish what a killed quarantine has begun. A failure is reported, and does not stop the operation."""
    try:
        for record in quarantined.finish_moves(env):
            where = "back into the folder" if record.undo else "into quarantine"
            env.ctx.reporter.say(f"moved {record.file} {where}: an interrupted run had begun it")
    except LedgerError as error:
        env.ctx.reporter.say(f"an interrupted quarantine could not be finished: {error.message}")


def sweep_before_operation(env: EnvironmentContext) -> None:
    """Sweep drills and folder, for an operation that has just taken the environment's lock."""
    sweep_drills(env.ctx)
    if env.store.exists():
        sweep_folder(env)
        finish_quarantines(env)


def _sweep_uncommitted(env: EnvironmentContext) -> Iterator[str]:
    """Remove the files of backups that were never committed, if they are unchanged.

    A dump that somebody else has put into the folder has no record of placement, and stays.
    """
    for file in unfinished_records(env):
        try:
            record = UnfinishedBackup.decode(env.store.record(file), file)
        except BadBackup as error:
            env.ctx.reporter.say(f"{error.message} What it names stays.")
            record = None
        if record and not env.store.taken(BackupName(record.stem).manifest):
            for placed in reversed(record.placed):
                if _is_unchanged(env, placed):
                    env.store.delete(placed.file)
                    yield placed.file
        env.store.delete(file)


def unfinished_records(env: EnvironmentContext) -> list[str]:
    """The records of unfinished backups in the folder."""
    return env.store.names(unfinished_backup.ENDING, hidden=True)


def _is_unchanged(env: EnvironmentContext, placed: PlacedFile) -> bool:
    stat = env.store.stat(placed.file)
    return stat is not None and stat.here and (stat.identity, stat.size) == (placed.inode, placed.size)
