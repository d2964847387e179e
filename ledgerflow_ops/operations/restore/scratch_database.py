"""An empty database beside the one that is restored into, to see how its server words an archive's DDL."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.load import drop_database
from ledgerflow_ops.core.restore.database_names import DatabaseRole, new_id, sibling_name
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore.target_inspection import InspectedTarget


@contextmanager
def create_scratch_database(
    env: EnvironmentContext, inspected: InspectedTarget, create: Callable[[str], None]
) -> Iterator[Database]:
    """The database as programs reach it, created and marked by `create`, dropped when the block ends.

    It has the name and the mark of an unfinished restore, so that a sweep removes it after a crash.
    """
    ident = new_id(env.ctx.clock(), secrets.token_hex(2))
    name = sibling_name(inspected.name, DatabaseRole.RESTORING, ident)
    try:
        create(name)
        with inspected.database.named(name).reached() as empty:
            yield empty
    finally:
        drop_database.drop_database(inspected.maintenance, name)
