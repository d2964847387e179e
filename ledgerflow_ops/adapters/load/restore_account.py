"""Reads what the account of a restore may do on its server, and tries the rights to create."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.core.restore.restore_rights import ObjectOwner, RestoreAccount

_SET_OPTION = 160000
"""From this version on a membership may lack the right to SET ROLE; before, every member has it."""
_ACCOUNT = """
    SELECT rolname::text, current_setting('server_version_num')::int, rolsuper, rolcreatedb, rolcreaterole,
        rolinherit
    FROM pg_roles WHERE rolname = current_user
"""
_DATABASE_OWNER: LiteralString = """
    SELECT o.rolname::text, o.rolsuper, pg_has_role(o.oid, 'USAGE') AND pg_has_role(o.oid, {how})
    FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba WHERE d.datname = {name}
"""
_OWNERS: LiteralString = """
    WITH mine AS (
        SELECT oid, nspname, nspowner FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ),
    owned AS (  -- the schema public is in every new database
        SELECT 'pg_namespace'::regclass AS class, oid, nspowner AS owner FROM mine WHERE nspname <> 'public'
        UNION ALL SELECT 'pg_class'::regclass, c.oid, c.relowner
        FROM pg_class c JOIN mine m ON m.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
        UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.proowner
        FROM pg_proc p JOIN mine m ON m.oid = p.pronamespace
        UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typowner
        FROM pg_type t JOIN mine m ON m.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r')
    )
    SELECT DISTINCT o.rolname::text, o.rolsuper FROM owned JOIN pg_roles o ON o.oid = owned.owner
    WHERE NOT (pg_has_role(o.oid, 'USAGE') AND pg_has_role(o.oid, {how}))
      AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = owned.class AND e.objid = owned.oid AND e.deptype = 'e')
    ORDER BY 1
"""
_SUPERUSER_ONLY = """
    WITH extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
    SELECT 'event trigger ' || evtname FROM pg_event_trigger t
    WHERE NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_event_trigger'::regclass AND objid = t.oid)
    UNION ALL SELECT 'foreign-data wrapper ' || fdwname FROM pg_foreign_data_wrapper f
    WHERE NOT EXISTS (SELECT FROM extended
                      WHERE classid = 'pg_foreign_data_wrapper'::regclass AND objid = f.oid)
    UNION ALL SELECT 'extension ' || extname FROM pg_extension
    WHERE extname IN (SELECT name FROM pg_available_extension_versions
                      GROUP BY name HAVING bool_and(superuser AND NOT trusted))
    ORDER BY 1
"""
_TRY_DATABASE = "/* ledgerflow_ops only tries whether it may */ CREATE DATABASE {} TEMPLATE template0"
_TRY_ROLE = "/* ledgerflow_ops only tries whether it may */ CREATE ROLE {}"


def read_account(connection: Connection, database: str) -> RestoreAccount:
    """Our account's attributes on the server of `connection`, and its rights on the database `database`."""
    row = connection.execute(_ACCOUNT).fetchone()
    assert row is not None
    name, version, superuser, createdb, createrole, inherit = row
    query = sql.SQL(_DATABASE_OWNER).format(how=_how(version), name=sql.Literal(database))
    owner = connection.execute(query).fetchone()
    return RestoreAccount(
        name=name,
        version=version,
        superuser=superuser,
        createdb=createdb,
        createrole=createrole,
        inherit=inherit,
        database=database,
        database_owner=ObjectOwner(owner[0], owner[1]) if owner else None,
        owns_database=owner[2] if owner else True,
    )


def read_owners(connection: Connection, account: RestoreAccount) -> tuple[ObjectOwner, ...]:
    """The owners of objects in the database of `connection` whose rights the account lacks."""
    query = sql.SQL(_OWNERS).format(how=_how(account.version))
    return tuple(ObjectOwner(name, superuser) for name, superuser in connection.execute(query))


def read_superuser_only(connection: Connection) -> tuple[str, ...]:
    """The objects in the database of `connection` that only a superuser may create."""
    return tuple(name for (name,) in connection.execute(_SUPERUSER_ONLY))


def _how(version: int) -> sql.Literal:
    return sql.Literal("SET" if version >= _SET_OPTION else "MEMBER")


def may_create_databases(connection: Connection) -> bool:
    """Whether the server lets our account create databases, tried with a name that is taken: its own.

    The server checks the right before the name (createdb in dbcommands.c), so nothing is ever created. It
    writes one error into its log. `connection` must be in autocommit mode.
    """
    name = connection.info.dbname
    try:
        connection.execute(sql.SQL(_TRY_DATABASE).format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.errors.DuplicateDatabase:
        return True
    raise AssertionError(f"a second database {name} was created")


def may_create_roles(connection: Connection, names: Sequence[str]) -> bool:
    """Whether the server lets our account create roles with these names, which do not exist; rolled back."""
    try:
        with connection.transaction(force_rollback=True):
            for name in names:
                connection.execute(sql.SQL(_TRY_ROLE).format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True
