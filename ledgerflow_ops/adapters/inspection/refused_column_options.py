"""The column options that an archive sets and a server refuses."""

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
    """The column options that the archive sets and the server of `database` does not know.

    Each option is tried on a temporary table, in a transaction that is rolled back.
    """
    unknown = column_options.unknown_options(archive.read_ddl(tools, file))
    if not unknown:
        return frozenset()
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(_TABLE)
        refused = set()
        for name in sorted(unknown):
            try:
                with connection.transaction():
                    connection.execute(sql.SQL(_SET).format(sql.Identifier(name)))
            except psycopg.errors.InvalidParameterValue:
                refused.add(name)
        return frozenset(refused)
