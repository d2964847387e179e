"""Where a database is met, and how far its server has come: what a clone does not share for long."""

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
"""Flushed WAL, not written: what was only written may be gone after a crash of the same server."""


def sighting(database: Database, connection: Connection) -> Observation:
    """What can be told of the database at the end of `connection`. Rights that are missing leave it out."""
    known = addresses(database, connection)
    try:
        row = connection.execute(_SERVER).fetchone()
    except psycopg.errors.InsufficientPrivilege:  # somebody has revoked what everybody may call
        return Observation(known)
    assert row is not None
    oid, standby, timeline, lsn = row
    return Observation(known, (oid,), timeline, lsn, standby)


def addresses(database: Database, connection: Connection) -> tuple[str, ...]:
    """The address that answered, then the others that the URL names as the same database's."""
    if database.inside:
        return (database.inside.container.label,)
    info, parameters = connection.info, database.parameters
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = (parameters.get("port") or "").split(",")
    listed = [
        f"{host}:{ports[place] if place < len(ports) else ports[-1] or info.port}"
        for place, host in enumerate(hosts)
        if host
    ]
    return tuple(dict.fromkeys([f"{info.host}:{info.port}", *listed]))
