"""What the account that takes a backup may not read, and what pg_dump would silently leave out for it.

The server's privilege functions are called for each object, so the result can be reported before a dump and
after one that failed. PostgreSQL's rules: pg_dump locks every table (SELECT on the table, USAGE on its
schema), reads every sequence and every large object, and runs with row_security = off.
"""

from dataclasses import dataclass
from typing import LiteralString

from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.core.postgres.missing_rights import MissingRight, OmittedObject

_OWN_GRANTS = 180000
"""From this version on the server has the function has_largeobject_privilege."""
_OBJECTS = """
    WITH mine AS (
        SELECT oid, nspname, nspowner FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ),
    dumped AS (
        SELECT c.oid, c.relkind, c.relowner, c.relname, m.oid AS schema, m.nspname
        FROM pg_class c JOIN mine m ON m.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
          AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                            AND NOT EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))
    )
    SELECT 1, 'schema', quote_ident(nspname), pg_get_userbyid(nspowner)::text,
        format('GRANT USAGE ON SCHEMA %I TO %I;', nspname, current_user)
    FROM mine WHERE NOT has_schema_privilege(oid, 'USAGE')
      AND EXISTS (SELECT FROM dumped d WHERE d.schema = mine.oid)
    UNION ALL
    SELECT 2, 'table', format('%I.%I', nspname, relname), pg_get_userbyid(relowner)::text,
        format('GRANT SELECT ON TABLE %I.%I TO %I;', nspname, relname, current_user)
    FROM dumped WHERE relkind <> 'S' AND NOT has_table_privilege(oid, 'SELECT')
    UNION ALL
    SELECT 3, 'sequence', format('%I.%I', nspname, relname), pg_get_userbyid(relowner)::text,
        format('GRANT SELECT ON SEQUENCE %I.%I TO %I;', nspname, relname, current_user)
    FROM dumped WHERE CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(oid, 'SELECT') END
    UNION ALL
    SELECT 4, 'row security', format('%I.%I', nspname, relname), pg_get_userbyid(relowner)::text,
        format('ALTER ROLE %I BYPASSRLS;', current_user)
    FROM dumped WHERE relkind <> 'S' AND row_security_active(oid)
    ORDER BY 1, 3
"""
_LARGE: LiteralString = """
    SELECT 5, 'large object', l.oid::text, pg_get_userbyid(l.lomowner)::text,
        format('GRANT SELECT ON LARGE OBJECT %s TO %I;', l.oid, current_user)
    FROM pg_largeobject_metadata l
    WHERE current_setting('lo_compat_privileges') = 'off'
      AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
      AND NOT pg_has_role(l.lomowner, 'USAGE')
      AND NOT EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.privilege_type = 'SELECT'
                      AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
    ORDER BY l.oid
"""
_LARGE_BY_SERVER: LiteralString = """
    SELECT 5, 'large object', l.oid::text, pg_get_userbyid(l.lomowner)::text,
        format('GRANT SELECT ON LARGE OBJECT %s TO %I;', l.oid, current_user)
    FROM pg_largeobject_metadata l
    WHERE current_setting('lo_compat_privileges') = 'off' AND NOT has_largeobject_privilege(l.oid, 'SELECT')
    ORDER BY l.oid
"""
_SUBSCRIPTIONS = """
    SELECT s.subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database() ORDER BY 1
"""
_MAPPINGS = """
    SELECT m.srvname::text, m.usename::text, format('%I on server %I', m.usename, m.srvname),
        -- What pg_user_mappings shows of the options: its own condition, read from its definition.
        NOT ((m.umuser <> 0 AND m.usename = current_user
                AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')))
             OR (m.umuser = 0 AND pg_has_role(s.srvowner, 'USAGE'))
             OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
    FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid ORDER BY 1, 2
"""
_OPTIONS = """
    SELECT s.srvname::text, coalesce(pg_get_userbyid(nullif(m.umuser, 0))::text, 'public')
    FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
    WHERE m.umoptions IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class BackupAccount:
    """The account that takes the backup, and the server's version number."""

    name: str
    quoted: str
    superuser: bool
    version: int


def read_account(connection: Connection) -> BackupAccount:
    """Our account, as the server reports it."""
    row = connection.execute(
        "SELECT current_user::text, quote_ident(current_user), rolsuper,"
        " current_setting('server_version_num')::int"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None
    return BackupAccount(*row)


def find_missing_rights(connection: Connection) -> list[MissingRight]:
    """Every object that a dump reads and the account may not, with the statement that grants the right."""
    if (account := read_account(connection)).superuser:
        return []
    large = _LARGE_BY_SERVER if account.version >= _OWN_GRANTS else _LARGE
    rows = [*connection.execute(_OBJECTS), *connection.execute(large)]
    return [
        MissingRight(kind, name, owner, statement, account.quoted) for _, kind, name, owner, statement in rows
    ]


def subscriptions(connection: Connection) -> list[str]:
    """The names of the database's subscriptions, which every account may read."""
    return [name for (name,) in connection.execute(_SUBSCRIPTIONS)]


def find_omitted_objects(connection: Connection) -> list[OmittedObject]:
    """The objects that pg_dump silently leaves out for this account."""
    account = read_account(connection)
    if account.superuser:
        return []
    omitted = [OmittedObject("subscription", name, account.quoted) for name in subscriptions(connection)]
    return omitted + [
        OmittedObject("options of user mapping", name, account.quoted)
        for name in _hidden_mappings(connection)
    ]


def _hidden_mappings(connection: Connection) -> list[str]:
    """User mappings whose options the view hides from us, and which may have options.

    An account that may read the table itself (pg_read_all_data) can exclude those without options.
    """
    hidden = [(server, user, name) for server, user, name, dark in connection.execute(_MAPPINGS) if dark]
    row = connection.execute("SELECT has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT')").fetchone()
    if hidden and row is not None and row[0]:
        having = {tuple(mapping) for mapping in connection.execute(_OPTIONS)}
        hidden = [mapping for mapping in hidden if mapping[:2] in having]
    return [name for _, _, name in hidden]


def user_mappings(connection: Connection) -> list[tuple[str, str]]:
    """The server and the user of every user mapping of the database."""
    return [(server, user) for server, user, *_ in connection.execute(_MAPPINGS) if user]
