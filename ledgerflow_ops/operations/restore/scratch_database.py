"""An empty database beside the one that is restored into: what its server makes of an archive's DDL."""

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
    env: EnvironmentContext, aim: InspectedTarget, create: Callable[[str], None]
) -> Iterator[Database]:
    """The database as programs reach it, made and marked by `create`; it is dropped when the block ends.

    It bears the name and the mark of a restore that is not finished: what a crash leaves is swept as such.
    """
    ident = new_id(env.ctx.clock(), secrets.token_hex(2))
    name = sibling_name(aim.name, DatabaseRole.RESTORING, ident)
    try:
        create(name)
        with aim.database.named(name).reached() as empty:
            yield empty
    finally:
        drop_database.drop(aim.maintenance, name)
