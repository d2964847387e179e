"""Reads the records of a section beside the backups: removals in progress, backups in quarantine."""

from collections.abc import Callable
from typing import TypeVar

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.context import EnvironmentContext

Record = TypeVar("Record")


def readable_records(
    env: EnvironmentContext,
    section: str,
    store: BackupStore,
    ending: str,
    decode: Callable[[bytes, str], Record],
) -> list[Record]:
    """The records with that ending in `store`, by name. One that cannot be read is reported and stays."""
    records = []
    for file in store.names(ending):
        try:
            records.append(decode(store.record(file), file))
        except LedgerError as error:
            env.ctx.reporter.say(f"{section}/{error.message}")
    return records
