"""Reads and restores the properties of a database that are stored outside of it, and not in a dump."""

import re
from collections.abc import Iterator

import psycopg
from psycopg import sql

from ledgerflow_ops.adapters.connection import raw_sql, text_codecs
from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import tablespaces
from ledgerflow_ops.core import text_encodings
from ledgerflow_ops.core.catalog.manifest import DatabaseProperties, Grant, Setting
from ledgerflow_ops.core.loading import machine_errors

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
_PRELOADS = {"session_preload_libraries": "", "local_preload_libraries": "$libdir/plugins/"}
"""The settings that load libraries when a session begins, and the folder of a bare name (miscinit.c)."""
_ELEMENT = re.compile(r'\s*("((?:[^"]|"")*)"|[^,"]+?)\s*(?:,|$)')
_ROW = """
    SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(d.oid, 'pg_database'),
        v ->> 'datlocprovider', coalesce(v ->> 'datlocale', v ->> 'daticulocale'), v ->> 'daticurules',
        nullif(spcname, 'pg_default'), nullif(datistemplate, false)
    FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace CROSS JOIN LATERAL to_jsonb(d) v
    WHERE datname = %s
"""
_GRANTS = """
    SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END,
        a.privilege_type::text, a.is_grantable
    FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, n)
    WHERE datname = %s ORDER BY n
"""
_SETTINGS = """
    SELECT CASE WHEN setrole = 0 THEN NULL ELSE pg_get_userbyid(setrole)::text END AS role, setting
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    CROSS JOIN LATERAL unnest(setconfig) WITH ORDINALITY u(setting, n) WHERE datname = %s ORDER BY role, n
"""
_LABELS = """
    SELECT l.provider, l.label FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid
    WHERE l.classoid = 'pg_database'::regclass AND d.datname = %s ORDER BY 1
"""


def read_properties(connection: Connection, database: str) -> DatabaseProperties:
    """The properties of `database`, read from any database of its server."""
    row = connection.execute(_ROW, [database]).fetchone()
    assert row is not None
    owner, limit, comment, provider, locale, rules, tablespace, template = row
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
        template=template,
        labels=tuple(connection.execute(_LABELS, [database]).fetchall()) or None,
    )


def create_database(
    connection: Connection, name: str, facts: tuple[str, str, str], properties: DatabaseProperties | None
) -> None:
    """Create an empty database; `facts` are its encoding, LC_COLLATE and LC_CTYPE.

    The locale provider and the tablespace are those of `properties`; a tablespace that the server does not
    have is left out.
    """
    parts: list[sql.Composable] = [
        sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    ]
    for word, value in zip(("ENCODING", "LC_COLLATE", "LC_CTYPE"), facts, strict=True):
        parts.append(sql.SQL(f"{word} {{}}").format(sql.Literal(value)))
    if properties and properties.provider in _PROVIDERS and properties.locale:
        provider, word = _PROVIDERS[properties.provider]
        parts.append(
            sql.SQL(f"LOCALE_PROVIDER {provider} {word} {{}}").format(sql.Literal(properties.locale))
        )
        if properties.rules:
            parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(properties.rules)))
    if properties and properties.tablespace in tablespaces.usable_tablespaces(connection):
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(properties.tablespace)))
    connection.execute(sql.SQL(" ").join(parts))


_PROVIDERS = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}


def apply_properties(server: Database, name: str, properties: DatabaseProperties, codec: str) -> str:
    """Give the database `name` these properties, except for the comment, which the swap sets.

    Their text has the encoding of `codec`. Settings for which the server lacks something (a library) are left
    out; returns a sentence about them, or an empty string.
    """
    with server.connect() as connection:
        roles = {role for (role,) in connection.execute("SELECT rolname::text FROM pg_roles")}
        server_codec = text_encodings.codec(text_codecs.server_encoding(connection.pgconn))
    known_roles = {text_encodings.decode(text_encodings.encode(role, server_codec), codec) for role in roles}
    unloadable = [setting for setting in properties.settings if not _can_be_loaded(server, setting)]
    loadable = properties.model_copy(
        update={"settings": [setting for setting in properties.settings if setting not in unloadable]}
    )
    composed = _statements(sql.Identifier(name), loadable, known_roles)
    statements = [raw_sql.render_bytes(statement, codec) for statement in composed]
    refused = [_set_statement(sql.Identifier(name), setting).as_string() for setting in unloadable]
    with raw_sql.raw_session(server, statements) as connection:
        for statement in statements:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                command = statement.decode("utf-8", "replace")
                if not machine_errors.is_machine_trouble(error.diag.message_primary or "", command):
                    raise
                refused.append(command)
    return machine_errors.left_out_sentence(refused)


def _can_be_loaded(server: Database, setting: Setting) -> bool:
    """Whether a session can load the libraries that a setting preloads; True for any other setting.

    SET accepts any name, but then every login fails with "could not access file". Libraries are tried by LOAD
    in a session of their own; one that this account may not load is accepted unchecked.
    """
    if (below := _PRELOADS.get(setting.name)) is None:
        return True
    with server.connect() as connection:
        for library in _elements(setting.value):
            file = library if "/" in library else below + library
            try:
                connection.execute(sql.SQL("LOAD {}").format(sql.Literal(file)))
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error:
                return False
    return True


def comment_on_database(server: Database, name: str, text: str, codec: str) -> None:
    """Set the comment of a database, also if it is not valid text in its encoding."""
    form = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
    statement = raw_sql.render_bytes(form, codec)
    with raw_sql.raw_session(server, [statement]) as connection:
        connection.execute(statement)


def _statements(
    name: sql.Identifier, properties: DatabaseProperties, roles: set[str]
) -> Iterator[sql.Composed]:
    if properties.owner in roles:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(properties.owner))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
        name, sql.Literal(properties.connection_limit)
    )
    if properties.template:
        yield sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(name)
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
    if properties.owner in roles:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, sql.Identifier(properties.owner))
    for grant in properties.grants:
        if grant.grantee in {None, *roles}:
            yield _grant_statement(name, grant)
    for setting in properties.settings:
        if setting.role in {None, *roles}:
            yield _set_statement(name, setting)
    for provider, label in properties.labels or ():
        form = sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}")
        yield form.format(sql.Identifier(provider), name, sql.Literal(label))


def _grant_statement(name: sql.Identifier, grant: Grant) -> sql.Composed:
    to = sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC")
    option = " WITH GRANT OPTION" if grant.grantable else ""
    form = f"GRANT {grant.privilege} ON DATABASE {{}} TO {{}}{option}"
    return sql.SQL(form).format(name, to)


def _set_statement(name: sql.Identifier, setting: Setting) -> sql.Composed:
    value = _list_value(setting.value) if setting.name in _LISTS else sql.Literal(setting.value)
    parts = [sql.Identifier(part) for part in setting.name.split(".")]
    setting_name = sql.SQL(".").join(parts)
    if setting.role is None:
        return sql.SQL("ALTER DATABASE {} SET {} TO {}").format(name, setting_name, value)
    role = sql.Identifier(setting.role)
    return sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(role, name, setting_name, value)


def _list_value(value: str) -> sql.Composable:
    """A list setting in the form in which the server stores it, converted to the form that SET accepts.

    An empty element is stored as `""`, which SET does not accept: pg_dump writes it as a literal, too.
    """
    if not value.strip():
        return sql.Literal("")
    return sql.SQL(", ").join(map(sql.Literal, _elements(value)))


def _elements(value: str) -> Iterator[str]:
    for match in _ELEMENT.finditer(value):
        yield match[1] if match[2] is None else match[2].replace('""', '"')
