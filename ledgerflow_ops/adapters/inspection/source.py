"""Reads a database's contents under one snapshot: of the source of a backup, or of a restored copy."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, LiteralString

import psycopg

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.dump import table_locks
from ledgerflow_ops.adapters.inspection import preload_libraries, standby, table_contents
from ledgerflow_ops.adapters.inspection.standby import Standby
from ledgerflow_ops.core import text_encodings
from ledgerflow_ops.core.catalog.manifest import ObjectDigest, RoleFacts, Seal, Source, TableFacts
from ledgerflow_ops.core.comparison import expressions, public_schema
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName
from ledgerflow_ops.core.postgres.session_activity import Watcher

_FACTS = """
    SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database(),
        current_setting('server_version'), current_setting('server_version_num')::int,
        pg_get_userbyid(10), pg_encoding_to_char(encoding), datcollate, datctype,
        pg_database_size(oid)
    FROM pg_database WHERE datname = current_database()
"""
_LSN = """
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text
"""
_SEQUENCES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
      AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2
"""
_ROLES = """
    SELECT r.rolname,
        concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolinherit THEN 'INHERIT' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, 'LIMIT ' || rolconnlimit),
        array(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
              WHERE m.member = r.oid ORDER BY 1)
    FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1
"""
_SHARED = """
    SELECT 'the role ' || rolname FROM pg_roles
    UNION ALL SELECT 'the database ' || datname FROM pg_database
    UNION ALL SELECT 'the tablespace ' || spcname FROM pg_tablespace
    UNION ALL SELECT 'the setting ' || unnest(setconfig) FROM pg_db_role_setting
    UNION ALL SELECT 'the comment ' || description FROM pg_shdescription
"""
_WITHOUT_ENCODING = """
    SELECT datname::text FROM pg_database
    WHERE datallowconn AND encoding = 0 AND has_database_privilege(oid, 'CONNECT') ORDER BY oid DESC LIMIT 1
"""
_EXTENSIONS = "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"

Moved = Callable[[int, int], object]
Inventory = list[tuple[str, str, str | None, str]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open read-only transaction whose snapshot can be shared with pg_dump.

    `recovery_point` (UTC) and `lsn` were read before the snapshot was taken: it contains everything that had
    been committed by then. On a standby, `lsn` is the position that it had replayed.
    """

    connection: Connection
    snapshot_id: str
    recovery_point: datetime
    lsn: str
    source: Source
    standby: Standby | None = None


@contextmanager
def snapshot(database: Database, locks: Callable[[Connection], Watcher] | None = None) -> Iterator[Snapshot]:
    """Open a snapshot of `database` for the block, with a lock on every table that it sees.

    `locks` makes the watcher of waits for other sessions' locks. Unsettled if a table was dropped before it
    was locked.
    """
    with database.connect() as connection:
        facts = read_source_facts(connection)
        standby_state = standby.read_standby(connection)
        lsn, recovery_point = _one_row(connection, f"SELECT ({_LSN}), clock_timestamp()")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        (snapshot_id,) = _one_row(connection, "SELECT pg_export_snapshot()")
        table_locks.lock_tables(connection, database.limits.lock, locks(connection) if locks else None)
        yield Snapshot(connection, snapshot_id, recovery_point, lsn, facts, standby_state)
        with contextlib.suppress(psycopg.Error):  # everything has been read: an error no longer matters
            connection.execute("ROLLBACK")


def read_source_facts(connection: Connection) -> Source:
    """The identity, version and locale of the database and its server."""
    return Source(**dict(zip(Source.model_fields, _one_row(connection, _FACTS), strict=True)))


@dataclass(frozen=True, slots=True)
class SourceContents:
    """A database's seal, notes on what a dump does not contain, and the libraries that the server preloads.

    For seals of earlier versions: `extended` are names of extension members that they sealed as objects,
    `earlier` digests of objects whose text they took in another form. `definitions` has the definitions as
    the server writes them.
    """

    seal: Seal
    notes: tuple[str, ...]
    extended: frozenset[str]
    earlier: Mapping[str, ObjectDigest]
    definitions: Mapping[str, str]
    preloaded: tuple[str, ...] | None
    public: str
    """The structure of the schema public, as in the inventory; empty if there is no such schema."""


def _unreported(_done: int, _total: int) -> None:
    """Takes the progress where nobody follows it."""


def read_seal(connection: Connection, *, full: bool = False) -> Seal:
    """The seal of the database now; `full` also digests the data of every table."""
    return read_contents(connection, full=full).seal


def read_contents(
    connection: Connection, *, full: bool = False, rows: Inventory | None = None, moved: Moved = _unreported
) -> SourceContents:
    """The seal with everything in SourceContents. `rows` is the inventory, if it has been read already.

    `moved` is told, after each table, how many bytes of all tables have been read, as on the server's disk.
    """
    rows = read_inventory(connection) if rows is None else rows
    return SourceContents(
        _seal(connection, _digests(rows, "object"), moved, full=full),
        tuple(name for name, _, _, sort in rows if sort == "note"),
        frozenset(name for name, _, _, sort in rows if sort == "extended"),
        _digests(rows, "earlier"),
        {name: definition for name, _, definition, sort in rows if definition and sort == "object"},
        preload_libraries.preloaded_libraries(connection),
        next((structure for name, structure, _, _ in rows if name == public_schema.NAME), ""),
    )


def read_inventory(connection: Connection) -> Inventory:
    """Every object of the schema: name, structure, definition, and the sort of row (inventory.sql)."""
    return connection.execute(_inventory_query()).fetchall()


def _seal(connection: Connection, objects: dict[str, ObjectDigest], moved: Moved, *, full: bool) -> Seal:
    shapes = table_contents.table_shapes(connection)
    digests, tables, done = dict[str, str](), dict[str, TableFacts](), 0
    total = sum(shape.size for shape in shapes)
    for shape in shapes:
        if full:
            digests[shape.name.key] = table_contents.digest_table(connection, shape).digest
        tables[shape.name.key] = table_contents.count_table(connection, shape)
        done += shape.size
        moved(done, total)
    return Seal(
        tables=tables,
        sequences=tuple(QualifiedName(*row).key for row in connection.execute(_SEQUENCES)),
        objects=objects,
        extensions=dict(connection.execute(_EXTENSIONS).fetchall()),
        roles=read_roles(connection),
        content=digests if full else None,
    )


def read_roles(connection: Connection) -> dict[str, RoleFacts]:
    """Every role of the cluster except the built-in ones."""
    return {
        name: RoleFacts(attributes=attributes, member_of=tuple(member_of))
        for name, attributes, member_of in connection.execute(_ROLES)
    }


def find_undecodable_name(connection: Connection) -> str | None:
    """The first shared name, comment or setting that is not valid in this database's encoding; else None."""
    return next((name for (name,) in connection.execute(_SHARED) if not text_encodings.is_text(name)), None)


def find_database_without_encoding(connection: Connection) -> str | None:
    """A database of the server with the encoding SQL_ASCII that our account may enter; else None."""
    row = connection.execute(_WITHOUT_ENCODING).fetchone()
    return str(row[0]) if row else None


def _digests(rows: Inventory, sort_wanted: str) -> dict[str, ObjectDigest]:
    return {
        name: ObjectDigest(
            structure=expressions.fingerprint(structure),
            definition=expressions.digest(expressions.untitled(definition or "")),
        )
        for name, structure, definition, sort in rows
        if sort == sort_wanted
    }


@cache
def _inventory_query() -> LiteralString:
    return resources.files("ledgerflow_ops.adapters.inspection").joinpath("inventory.sql").read_text()


def _one_row(connection: Connection, query: LiteralString) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)
