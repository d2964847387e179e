"""Creates the sample in an empty database."""

from ledgerflow_ops.sample import scripts

# With 49 transactions each they hold 1,666, as many as the real database.
_STATEMENTS = 34


def install(connection: scripts.Connection) -> None:
    """Create the sample in the empty database that `connection`, a superuser's, leads to.

    Everything happens in one transaction of its own, so the connection must not be inside one;
    autocommit is switched on meanwhile and then restored. Two installs have equal contents, whatever the
    clock, the locale and the session's settings. The roles belong to the whole cluster. Missing ones are
    created, also when several databases of a cluster are installed at the same time.
    """
    with scripts.autocommit(connection), scripts.transaction(connection):
        scripts.run(connection, "roles.sql")
        scripts.run(connection, "schema.sql")
        scripts.run(connection, "seed.sql")
        scripts.add_statements(connection, 1, _STATEMENTS)
        scripts.run(connection, "settle.sql")
