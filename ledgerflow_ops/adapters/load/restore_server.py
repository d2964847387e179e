"""Inspects the target server of a restore, and swaps and marks its databases."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import LiteralString

from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import login_triggers, source, tablespaces
from ledgerflow_ops.core.errors import Denied, LedgerError, Unanswered
from ledgerflow_ops.core.restore.database_names import DatabaseMark, SiblingDatabase
from ledgerflow_ops.core.restore.restore_target import LiveDatabase, TargetServer, TargetSession

APPLICATION = "ledgerflow_ops"
"""The application_name of our sessions."""

_EVERY = 0.05
_PATIENCE = 10.0
_MAINTENANCE = ("postgres", "template1")
_SERVER = """
    SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
        current_user::text, rolsuper, rolcreatedb, rolcreaterole,
        coalesce((SELECT rolsuper OR pg_has_role(current_user, datdba, 'USAGE')
                  FROM pg_database WHERE datname = %s), true)
    FROM pg_roles WHERE rolname = current_user
"""
_EXTENSIONS = "SELECT name FROM pg_available_extensions"
_LOCALES = """
    SELECT collcollate FROM pg_collation WHERE collcollate <> '' UNION VALUES ('C'), ('POSIX')
    UNION SELECT datcollate FROM pg_database UNION SELECT datctype FROM pg_database
"""
"""The locales of its databases are included: initdb without a `locale` program (Alpine) lists no others."""
_OTHERS: LiteralString = """
    FROM pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
      AND coalesce(backend_type, 'client backend') NOT IN ('autovacuum worker', 'parallel worker')
"""
"""All sessions that prevent a rename of the database, including walsenders and workers of subscriptions and
extensions. The server ends autovacuum workers itself, and a parallel worker ends with its leader."""
_SESSIONS: LiteralString = f"""
    SELECT coalesce(usename, '?'),
        coalesce(nullif(application_name, ''), nullif(backend_type, 'client backend'), ''), backend_start,
        coalesce(client_hostname, host(client_addr), 'this machine')
    {_OTHERS} ORDER BY backend_start
"""
_RELATIONS = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_MARKED = """
    SELECT datname, shobj_description(oid, 'pg_database'),
        CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
    FROM pg_database
    WHERE shobj_description(oid, 'pg_database') LIKE '{"ledgerflow_ops"%%'
"""
_END: LiteralString = f"SELECT pg_terminate_backend(pid) {_OTHERS}"


def maintenance_database(database: Database) -> Database:
    """The first of the databases postgres and template1 that our account can connect to; LedgerError without
    one. The given database comes last, because no session on it can rename or drop it.
    """
    trouble: LedgerError | None = None
    for name in sorted(_MAINTENANCE, key=database.parameters["dbname"].__eq__):
        try:
            with database.named(name).connect() as connection:
                return database.named(name).pinned_to(connection)
        except Unanswered:
            raise
        except LedgerError as error:
            trouble = trouble or error
    assert trouble is not None
    raise trouble


def without_event_triggers(database: Database) -> Database:
    """The database with event triggers off, if our account may turn them off.

    This is queried in another database of the server, because a login to this one would fire its login
    triggers.
    """
    own_name = database.parameters["dbname"]
    for name in sorted(_MAINTENANCE, key=own_name.__eq__):
        try:
            with database.named(name).connect() as connection:
                return database.without_event_triggers_if_allowed(connection)
        except Unanswered:
            raise
        except Denied:
            continue
        except LedgerError:
            break
    return database


def inspection_database(database: Database) -> Database:
    """The database from which to inspect the server: another one if this one has login triggers to fire."""
    without_triggers = without_event_triggers(database)
    if without_triggers is not database:
        return without_triggers
    with contextlib.suppress(LedgerError):
        other = maintenance_database(database)
        with other.connect() as connection:
            if login_triggers.has_login_triggers(connection, database.parameters["dbname"]):
                return other
    return database


def database_exists(connection: Connection, name: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount)


def database_oids(connection: Connection, *names: str) -> tuple[int, ...]:
    """The OIDs of these databases; missing ones are left out."""
    rows = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = ANY (%s)", [list(names)])
    return tuple(oid for (oid,) in rows)


def inspect_server(connection: Connection, live: str) -> TargetServer:
    """The server, and the rights of our account there and on the database `live`."""
    row = connection.execute(_SERVER, [live]).fetchone()
    assert row is not None
    version, major, account, superuser, createdb, createrole, owns_live = row
    return TargetServer(
        version=version,
        major=major,
        account=account,
        superuser=superuser,
        createdb=createdb,
        createrole=createrole,
        owns_live=owns_live,
        roles=source.read_roles(connection),
        extensions=frozenset(name for (name,) in connection.execute(_EXTENSIONS)),
        locales=frozenset(name for (name,) in connection.execute(_LOCALES)),
        tablespaces=tablespaces.usable_tablespaces(connection),
    )


def inspect_live_database(connection: Connection) -> LiveDatabase:
    """The database of `connection`."""
    row = connection.execute(_RELATIONS).fetchone()
    assert row is not None
    return LiveDatabase(source.read_source_facts(connection), row[0])


def other_sessions(connection: Connection, name: str) -> tuple[TargetSession, ...]:
    """The sessions on the database `name`, without our own.

    For an account without pg_read_all_stats the details of other roles' sessions are empty.
    """
    return tuple(
        TargetSession(user, application, since, where)
        for user, application, since, where in connection.execute(_SESSIONS, [name])
        if application != APPLICATION
    )


def prepared_transactions(connection: Connection, name: str) -> tuple[str, ...]:
    """The identifiers of the prepared transactions of the database `name`, the oldest first."""
    query = "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY prepared, gid"
    return tuple(gid for (gid,) in connection.execute(query, [name]))


def marked_databases(connection: Connection) -> list[SiblingDatabase]:
    """Every database of the server whose comment is a mark of ours."""
    marked = [(name, DatabaseMark.decode(text), size) for name, text, size in connection.execute(_MARKED)]
    return [SiblingDatabase(name, mark, size) for name, mark, size in marked if mark]


def set_database_comment(connection: Connection, name: str, text: str | None) -> None:
    """Set or remove the comment of a database."""
    form = "COMMENT ON DATABASE {} IS {}"
    connection.execute(sql.SQL(form).format(sql.Identifier(name), sql.Literal(text)))


@dataclass(frozen=True, slots=True)
class DatabaseRename:
    """One step of a swap: `old` is renamed to `new`, and gets this comment and ALLOW_CONNECTIONS."""

    old: str
    new: str
    comment: str | None
    open: bool


def swap_databases(
    connection: Connection, renames: Sequence[DatabaseRename], end: Callable[[], None] | None = None
) -> None:
    """Carry out all renames in one transaction: they become visible together.

    The first rename locks its database. From then on new connections to it wait, and the server waits five
    seconds for existing sessions to end (CountOtherDBBackends in procarray.c); `end` is called repeatedly in
    a thread meanwhile to end them. If we die, the transaction is rolled back. InUse if a session remains.
    """
    stop = Event()
    ender = Thread(target=_repeat_until, args=(end, stop), daemon=True) if end else None
    if ender:
        ender.start()
    try:
        with connection.transaction():
            for rename in renames:
                names = sql.Identifier(rename.old), sql.Identifier(rename.new)
                connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
            for rename in renames:
                allow = "ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}"
                connection.execute(
                    sql.SQL(allow).format(sql.Identifier(rename.new), sql.Literal(rename.open))
                )
                set_database_comment(connection, rename.new, rename.comment)
    finally:
        stop.set()
        if ender:
            ender.join(_PATIENCE)  # the server may hang


def end_sessions(connection: Connection, name: str) -> int:
    """End every session on the database `name`; returns their number."""
    return connection.execute(_END, [name]).rowcount


def _repeat_until(work: Callable[[], None], stop: Event) -> None:
    while not stop.wait(_EVERY):
        with contextlib.suppress(LedgerError):
            work()
