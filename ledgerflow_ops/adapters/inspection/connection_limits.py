"""The connection limits of role, database and server, and how many connections others use."""

from collections.abc import Iterator

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import APPLICATION, Connection
from ledgerflow_ops.core.postgres.connection_limits import ConnectionLimit

_LIMITS = """
    WITH theirs AS (
        SELECT usesysid, datid FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()
          AND application_name IS DISTINCT FROM %s)
    SELECT r.rolname::text, r.rolsuper, r.rolconnlimit, d.datname::text, d.datconnlimit,
        (SELECT count(*) FROM theirs WHERE usesysid = r.oid),
        (SELECT count(*) FROM theirs WHERE datid = d.oid),
        (SELECT count(*) FROM theirs), current_setting('max_connections')::int,
        current_setting('superuser_reserved_connections')::int
            + coalesce(current_setting('reserved_connections', true)::int, 0)
    FROM pg_roles r, pg_database d WHERE r.rolname = session_user AND d.datname = current_database()
"""


def read_connection_limits(connection: Connection) -> Iterator[ConnectionLimit]:
    """The limits of the role, the database and the server; only the last one applies to superusers."""
    row = connection.execute(_LIMITS, [APPLICATION]).fetchone()
    assert row is not None
    (
        role,
        superuser,
        role_limit,
        database,
        database_limit,
        role_sessions,
        database_sessions,
        all_sessions,
        maximum,
        reserved,
    ) = row
    if not superuser and role_limit >= 0:
        statement = _statement_form(connection, "ALTER ROLE {} CONNECTION LIMIT", role)
        yield ConnectionLimit(f"the role {role}", role_limit, role_sessions, f"{statement} {{}};")
    if not superuser and database_limit >= 0:
        statement = _statement_form(connection, "ALTER DATABASE {} CONNECTION LIMIT", database)
        yield ConnectionLimit(
            f"the database {database}", database_limit, database_sessions, f"{statement} {{}};"
        )
    used = all_sessions if superuser else all_sessions + reserved
    advice = "ALTER SYSTEM SET max_connections = {}; then restart the server, or end sessions that are idle."
    yield ConnectionLimit("the server (max_connections)", maximum, used, advice)


def _statement_form(connection: Connection, form: str, name: str) -> str:
    """A statement about a name, with braces doubled, so that `format` can append a number."""
    text = sql.SQL(form).format(sql.Identifier(name)).as_string(connection)
    return text.replace("{", "{{").replace("}", "}}")
