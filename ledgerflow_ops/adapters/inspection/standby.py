"""The state of a standby: how far it has replayed, and which data it does not have."""

from dataclasses import dataclass
from datetime import datetime

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName

_POSITION = """
    SELECT pg_last_xact_replay_timestamp(), NOT pg_is_wal_replay_paused()
        AND pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL)
    WHERE pg_is_in_recovery()
"""
_UNLOGGED = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2
"""
_PRIMARY = """
    SELECT coalesce((SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver LIMIT 1), '')
    WHERE pg_is_in_recovery()
"""


@dataclass(frozen=True, slots=True)
class Standby:
    """The state of a server in recovery.

    `replayed` is the commit time of the last replayed transaction. `current`: it is connected to its primary
    and has replayed all that it received. `unlogged`: tables and sequences whose data it does not have.
    """

    replayed: datetime | None
    current: bool
    unlogged: tuple[QualifiedName, ...]

    def as_of(self, now: datetime) -> datetime:
        """The instant of its data: `now` if it is current, because an idle primary commits nothing."""
        return now if self.current or self.replayed is None else min(now, self.replayed)


def primary_address(connection: Connection) -> str | None:
    """The primary of a standby as host:port; empty if we may not read it, None if this is a primary."""
    row = connection.execute(_PRIMARY).fetchone()
    return row[0] if row else None


def read_standby(connection: Connection) -> Standby | None:
    """The state of a standby; None for a server that is not in recovery."""
    row = connection.execute(_POSITION).fetchone()
    if row is None:
        return None
    unlogged = tuple(QualifiedName(*row_) for row_ in connection.execute(_UNLOGGED))
    return Standby(row[0], row[1], unlogged)
