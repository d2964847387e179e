"""The limits that a server sets on the sessions of an account, and how many others have taken."""

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


def limits(connection: Connection) -> Iterator[ConnectionLimit]:
    """What is set on the account, the database and the server; superusers are bound by the last alone."""
    row = connection.execute(_LIMITS, [APPLICATION]).fetchone()
    assert row is not None
    role, superuser, of_role, database, of_database, in_role, in_database, all_, most, reserved = row
    if not superuser and of_role >= 0:
        more = _quoted(connection, "ALTER ROLE {} CONNECTION LIMIT", role)
        yield ConnectionLimit(f"the role {role}", of_role, in_role, f"{more} {{}};")
    if not superuser and of_database >= 0:
        more = _quoted(connection, "ALTER DATABASE {} CONNECTION LIMIT", database)
        yield ConnectionLimit(f"the database {database}", of_database, in_database, f"{more} {{}};")
    taken = all_ if superuser else all_ + reserved
    raised = "ALTER SYSTEM SET max_connections = {}; then restart the server, or end sessions that are idle."
    yield ConnectionLimit("the server (max_connections)", most, taken, raised)


def _quoted(connection: Connection, form: str, name: str) -> str:
    """A statement about a name, its braces doubled for a number to be put in."""
    text = sql.SQL(form).format(sql.Identifier(name)).as_string(connection)
    return text.replace("{", "{{").replace("}", "}}")
