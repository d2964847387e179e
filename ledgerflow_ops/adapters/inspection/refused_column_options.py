"""Which options of columns a server refuses, that an archive sets."""

from pathlib import Path

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.comparison import column_options

_TABLE = "CREATE TEMPORARY TABLE ledgerflow_probe (a integer)"
_SET = "ALTER TABLE pg_temp.ledgerflow_probe ALTER COLUMN a SET ({} = 1)"


def refused_options(tools: Tools, file: Path, database: Database) -> frozenset[str]:
    """The options that the archive sets for columns and the server of `database` does not know.

    The server is asked by trying, in a transaction that is taken back.
    """
    asked = column_options.unknown_options(archive.ddl(tools, file))
    if not asked:
        return frozenset()
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(_TABLE)
        refused = set()
        for name in sorted(asked):
            try:
                with connection.transaction():
                    connection.execute(sql.SQL(_SET).format(sql.Identifier(name)))
            except psycopg.errors.InvalidParameterValue:
                refused.add(name)
        return frozenset(refused)
