"""What PostgreSQL keeps of a database outside of it, and a dump does not hold: read, and set again."""

from collections.abc import Iterator
from typing import Any

from psycopg import sql

from ledgerflow_ops.adapters import rawsql, tablespaces, texts
from ledgerflow_ops.adapters.postgres import Connection, Database
from ledgerflow_ops.core import encodings
from ledgerflow_ops.core.manifest import DatabaseProperties, Grant, Setting

_LISTS = frozenset(
    {
        "search_path",
        "temp_tablespaces",
        "local_preload_libraries",
        "session_preload_libraries",
        "shared_preload_libraries",
        "unix_socket_directories",
    }
)
"""Settings whose stored value is a list, quoted already (GUC_LIST_QUOTE in PostgreSQL's source)."""
_ROW = """
    SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(d.oid, 'pg_database'),
        v ->> 'datlocprovider', coalesce(v ->> 'datlocale', v ->> 'daticulocale'), v ->> 'daticurules',
        nullif(spcname, 'pg_default')
    FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace CROSS JOIN LATERAL to_jsonb(d) v
    WHERE datname = %s
"""
_GRANTS = """
    SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END,
        a.privilege_type::text, a.is_grantable
    FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba))) a
    WHERE datname = %s ORDER BY 1, 2
"""
_SETTINGS = """
    SELECT CASE WHEN setrole = 0 THEN NULL ELSE pg_get_userbyid(setrole)::text END, unnest(setconfig)
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = %s ORDER BY 1, 2
"""


def properties(connection: Connection, database: str) -> DatabaseProperties:
    """The properties of `database`, asked from any database of its server."""
    row = connection.execute(_ROW, [database]).fetchone()
    assert row is not None
    owner, limit, comment, provider, locale, rules, tablespace = row
    settings = [(role, *text.split("=", 1)) for role, text in connection.execute(_SETTINGS, [database])]
    return DatabaseProperties(
        owner=owner,
        connection_limit=limit,
        comment=comment,
        provider=provider or "c",
        locale=locale or None,
        rules=rules,
        grants=tuple(
            Grant(grantee=grantee, privilege=privilege, grantable=grantable)
            for grantee, privilege, grantable in connection.execute(_GRANTS, [database])
        ),
        settings=tuple(Setting(role=role, name=name, value=value) for role, name, value in settings),
        tablespace=tablespace,
    )


def create(
    connection: Connection, name: str, facts: tuple[str, str, str], wanted: DatabaseProperties | None
) -> None:
    """Make an empty database of that encoding, collation, character type, and the provider of `wanted`.

    It is in the tablespace of `wanted`, where the server has that.
    """
    parts: list[sql.Composable] = [
        sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    ]
    for word, value in zip(("ENCODING", "LC_COLLATE", "LC_CTYPE"), facts, strict=True):
        parts.append(sql.SQL(f"{word} {{}}").format(sql.Literal(value)))
    if wanted and wanted.provider in _PROVIDERS and wanted.locale:
        provider, word = _PROVIDERS[wanted.provider]
        parts.append(sql.SQL(f"LOCALE_PROVIDER {provider} {word} {{}}").format(sql.Literal(wanted.locale)))
        if wanted.rules:
            parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(wanted.rules)))
    if wanted and wanted.tablespace in tablespaces.usable(connection):
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(wanted.tablespace)))
    connection.execute(sql.SQL(" ").join(parts))


_PROVIDERS = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}


def carry_over(server: Database, name: str, wanted: DatabaseProperties, codec: str) -> None:
    """Give the database `name` these properties, but for the comment, which the swap sets.

    Their text is that of a database with the encoding of `codec`.
    """
    with server.connect() as connection:
        roles = {role for (role,) in connection.execute("SELECT rolname::text FROM pg_roles")}
        own = encodings.codec(texts.server_encoding(connection.pgconn))
    there = {encodings.decode(encodings.encode(role, own), codec) for role in roles}
    said = [rawsql.rendered(one, codec) for one in _statements(sql.Identifier(name), wanted, there)]
    with rawsql.speaking(server, said) as connection:
        for statement in said:
            connection.execute(statement)


def comment(server: Database, name: str, text: str, codec: str) -> None:
    """Comment on a database with what is no text in its encoding."""
    form = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
    said = rawsql.rendered(form, codec)
    with rawsql.speaking(server, [said]) as connection:
        connection.execute(said)


def _statements(name: sql.Identifier, wanted: DatabaseProperties, roles: set[str]) -> Iterator[sql.Composed]:
    if wanted.owner in roles:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(wanted.owner))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(wanted.connection_limit))
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
    for grant in wanted.grants:
        if grant.grantee in {None, *roles}:
            yield _granted(name, grant)
    for setting in wanted.settings:
        if setting.role in {None, *roles}:
            yield _set(name, setting)


def _granted(name: sql.Identifier, grant: Grant) -> sql.Composed:
    to = sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC")
    option = " WITH GRANT OPTION" if grant.grantable else ""
    form = f"GRANT {grant.privilege} ON DATABASE {{}} TO {{}}{option}"
    return sql.SQL(form).format(name, to)


def _set(name: sql.Identifier, setting: Setting) -> sql.Composed:
    value: Any = sql.SQL(setting.value) if setting.name in _LISTS else sql.Literal(setting.value)
    parts = [sql.Identifier(part) for part in setting.name.split(".")]
    what = sql.SQL(".").join(parts)
    if setting.role is None:
        return sql.SQL("ALTER DATABASE {} SET {} TO {}").format(name, what, value or sql.Literal(""))
    role = sql.Identifier(setting.role)
    return sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(role, name, what, value)
