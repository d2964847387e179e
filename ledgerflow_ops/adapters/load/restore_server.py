"""The server that a restore goes to: what is there, and the few things that are changed on it."""

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
"""What our own sessions are called."""

_EVERY = 0.05
_PATIENCE = 10.0
_MAINTENANCE = ("postgres", "template1")
_SERVER = """
    SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
        current_user::text, rolsuper, rolcreatedb, rolcreaterole,
        coalesce((SELECT rolsuper OR pg_has_role(current_user, datdba, 'MEMBER')
                  FROM pg_database WHERE datname = %s), true)
    FROM pg_roles WHERE rolname = current_user
"""
_EXTENSIONS = "SELECT name FROM pg_available_extensions"
_LOCALES = """
    SELECT collcollate FROM pg_collation WHERE collcollate <> '' UNION VALUES ('C'), ('POSIX')
    UNION SELECT datcollate FROM pg_database UNION SELECT datctype FROM pg_database
"""
"""Those of its databases as well: where initdb found no `locale` program (Alpine), no others are listed."""
_OTHERS: LiteralString = """
    FROM pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
      AND coalesce(backend_type, 'client backend') NOT IN ('autovacuum worker', 'parallel worker')
"""
"""All that keeps a database from being renamed: walsenders, workers of subscriptions and of extensions too.

The server ends autovacuum itself, and a parallel worker goes with its leader.
"""
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
_BESIDE = """
    SELECT datname, shobj_description(oid, 'pg_database'),
        CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
    FROM pg_database
    WHERE shobj_description(oid, 'pg_database') LIKE '{"ledgerflow_ops"%%'
"""
_END: LiteralString = f"SELECT pg_terminate_backend(pid) {_OTHERS}"


def maintenance(database: Database) -> Database:
    """The first of the server's own databases that our account reaches; LedgerError when there is none."""
    trouble: LedgerError | None = None
    for name in _MAINTENANCE:
        try:
            with database.named(name).connect() as connection:
                return database.named(name).pinned(connection)
        except Unanswered:
            raise
        except LedgerError as error:
            trouble = trouble or error
    assert trouble is not None
    raise trouble


def quiet(database: Database) -> Database:
    """The database, reached so that nothing fires its event triggers, if our account may see to that.

    That is asked in another database of the server: the question itself would fire what fires on login.
    """
    own = database.parameters["dbname"]
    for name in sorted(_MAINTENANCE, key=own.__eq__):
        try:
            with database.named(name).connect() as connection:
                return database.quiet(connection)
        except Unanswered:
            raise
        except Denied:
            continue
        except LedgerError:
            break
    return database


def glance(database: Database) -> Database:
    """Where a look at the server alone goes: to the database, unless that would fire its login triggers."""
    found = quiet(database)
    if found is not database:
        return found
    with contextlib.suppress(LedgerError):
        other = maintenance(database)
        with other.connect() as connection:
            if login_triggers.there(connection, database.parameters["dbname"]):
                return other
    return database


def exists(connection: Connection, name: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount)


def oids(connection: Connection, *names: str) -> tuple[int, ...]:
    """The OIDs of those of these databases that are there."""
    found = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = ANY (%s)", [list(names)])
    return tuple(oid for (oid,) in found)


def server(connection: Connection, live: str) -> TargetServer:
    """The server, and what our account may do there and with the database `live`."""
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
        roles=source.roles(connection),
        extensions=frozenset(name for (name,) in connection.execute(_EXTENSIONS)),
        locales=frozenset(name for (name,) in connection.execute(_LOCALES)),
        tablespaces=tablespaces.usable(connection),
    )


def live(connection: Connection) -> LiveDatabase:
    """The database that `connection` is in."""
    row = connection.execute(_RELATIONS).fetchone()
    assert row is not None
    return LiveDatabase(source.facts(connection), row[0])


def sessions(connection: Connection, name: str) -> tuple[TargetSession, ...]:
    """Who is connected to the database `name`, ourselves left out.

    An account that is not told of other roles' sessions is told that they are there, and no more.
    """
    return tuple(
        TargetSession(user, application, since, where)
        for user, application, since, where in connection.execute(_SESSIONS, [name])
        if application != APPLICATION
    )


def prepared(connection: Connection, name: str) -> tuple[str, ...]:
    """The identifiers of the transactions that are prepared in the database `name`, the oldest first."""
    asked = "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY prepared, gid"
    return tuple(gid for (gid,) in connection.execute(asked, [name]))


def beside(connection: Connection) -> list[SiblingDatabase]:
    """Every database of the server that a mark of ours stands on."""
    marked = [(name, DatabaseMark.decode(text), size) for name, text, size in connection.execute(_BESIDE)]
    return [SiblingDatabase(name, mark, size) for name, mark, size in marked if mark]


def mark(connection: Connection, name: str, text: str | None) -> None:
    """Comment on a database."""
    form = "COMMENT ON DATABASE {} IS {}"
    connection.execute(sql.SQL(form).format(sql.Identifier(name), sql.Literal(text)))


@dataclass(frozen=True, slots=True)
class Rename:
    """One step of a swap: `old` becomes `new`, whose comment and openness are then these."""

    old: str
    new: str
    comment: str | None
    open: bool


def swap(connection: Connection, renames: Sequence[Rename], end: Callable[[], None] | None = None) -> None:
    """Carry out all renames in one transaction: nobody ever sees one without the others.

    The first rename locks its database. From then on new connections to it wait, and the server gives
    those that are there five seconds to go; `end` is called meanwhile, from a thread, to see to that.
    Nothing has to be undone when we die: the lock goes with us. LedgerError when somebody stays.
    """
    stop = Event()
    ender = Thread(target=_repeatedly, args=(end, stop), daemon=True) if end else None
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
                mark(connection, rename.new, rename.comment)
    finally:
        stop.set()
        if ender:
            ender.join(_PATIENCE)  # it may wait for a server that hangs


def end_sessions(connection: Connection, name: str) -> int:
    """End every session on the database `name`; how many there were."""
    return connection.execute(_END, [name]).rowcount


def _repeatedly(work: Callable[[], None], stop: Event) -> None:
    while not stop.wait(_EVERY):
        with contextlib.suppress(LedgerError):
            work()
