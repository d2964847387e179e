"""The addresses of a database and the WAL position of its server, which a clone soon does not share."""

import psycopg

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.core.catalog.identity import Observation

_SERVER = """
    SELECT d.oid::bigint, pg_is_in_recovery(),
        CASE WHEN pg_is_in_recovery() THEN NULL
             ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int END,
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text
    FROM pg_database d WHERE d.datname = current_database()
"""
"""The flushed position, not the written one: WAL that was only written may be lost in a crash."""


def observe_server(database: Database, connection: Connection) -> Observation:
    """The address, OID, timeline and LSN of the database of `connection`; only the address without rights."""
    addresses = server_addresses(database, connection)
    try:
        row = connection.execute(_SERVER).fetchone()
    except psycopg.errors.InsufficientPrivilege:  # EXECUTE was revoked from PUBLIC
        return Observation(addresses)
    assert row is not None
    oid, standby, timeline, lsn = row
    return Observation(addresses, (oid,), timeline, lsn, standby)


def server_addresses(database: Database, connection: Connection) -> tuple[str, ...]:
    """The address that answered, then the other addresses in the URL."""
    if database.inside:
        return (database.inside.container.label,)
    info, parameters = connection.info, database.parameters
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = (parameters.get("port") or "").split(",")
    named = [
        f"{host}:{ports[position] if position < len(ports) else ports[-1] or info.port}"
        for position, host in enumerate(hosts)
        if host
    ]
    return tuple(dict.fromkeys([f"{info.host}:{info.port}", *named]))
