"""An empty database beside the one that is restored into: what its server makes of an archive's DDL."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ledgerflow_ops.adapters import dropping
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.swap import Role, beside_name, new_id
from ledgerflow_ops.operations.aim import Aim
from ledgerflow_ops.operations.desk import Site


@contextmanager
def beside(site: Site, aim: Aim, create: Callable[[str], None]) -> Iterator[Database]:
    """The database as programs reach it, made and marked by `create`; it is dropped when the block ends.

    It bears the name and the mark of a restore that is not finished: what a crash leaves is swept as such.
    """
    ident = new_id(site.desk.clock(), secrets.token_hex(2))
    name = beside_name(aim.name, Role.RESTORING, ident)
    try:
        create(name)
        with aim.database.named(name).reached() as empty:
            yield empty
    finally:
        dropping.drop(aim.maintenance, name)
