"""Writes an environment's history into an archive location once copies were made there."""

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system.signatures import SigningKey
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import history_files, recording


def complete_history(env: EnvironmentContext, key: SigningKey) -> list[str]:
    """Our history, after the entries of operations that died are made up for."""
    with history_files.locked(env):
        recording.complete_announced(env)
        return recording.current_lines(env, key)


def anchor(env: EnvironmentContext, store: BackupStore) -> None:
    """Bring the copy of our history in an archive location up to date; `store` is the environment's there.

    A copy that was changed there is reported and left as evidence: an audit says more. While another process
    anchors, nothing is done: the watch catches up.
    LedgerError if the location cannot be reached or written.
    """
    key = history_files.signing_key(env.ctx) if history_files.has_begun(env) else None
    if key is None:
        return
    lines, chain = complete_history(env, key), history_files.copy_in(env, store)
    with history_files.anchoring(env) as alone:
        fault = history_files.write_copy(env, key, lines, chain) if alone else None
    if fault:
        env.ctx.reporter.say(f"the history in {store.location} is not ours any more: {fault.message}")
