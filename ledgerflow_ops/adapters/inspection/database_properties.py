"""What PostgreSQL keeps of a database outside of it, and a dump does not hold: read, and set again."""

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
"""What loads libraries as a session begins, and where those without a folder lie (miscinit.c)."""
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


def properties(connection: Connection, database: str) -> DatabaseProperties:
    """The properties of `database`, asked from any database of its server."""
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


def carry_over(server: Database, name: str, wanted: DatabaseProperties, codec: str) -> str:
    """Give the database `name` these properties, but for the comment, which the swap sets.

    Their text is that of a database with the encoding of `codec`. Returns a sentence of the settings that the
    server lacks something for, which are left out.
    """
    with server.connect() as connection:
        roles = {role for (role,) in connection.execute("SELECT rolname::text FROM pg_roles")}
        own = text_encodings.codec(text_codecs.server_encoding(connection.pgconn))
    there = {text_encodings.decode(text_encodings.encode(role, own), codec) for role in roles}
    failing = [setting for setting in wanted.settings if not _can_be_loaded(server, setting)]
    kept = wanted.model_copy(update={"settings": [one for one in wanted.settings if one not in failing]})
    said = [raw_sql.rendered(one, codec) for one in _statements(sql.Identifier(name), kept, there)]
    refused = [_set(sql.Identifier(name), one).as_string() for one in failing]
    with raw_sql.speaking(server, said) as connection:
        for statement in said:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                command = statement.decode("utf-8", "replace")
                if not machine_errors.is_machine_trouble(error.diag.message_primary or "", command):
                    raise
                refused.append(command)
    return machine_errors.left_out_sentence(refused)


def _can_be_loaded(server: Database, setting: Setting) -> bool:
    """Whether sessions can begin with the libraries that a setting preloads; True for any other setting.

    SET takes whatever name it is given, and each login then ends with "could not access file". Only what this
    account may load at all is tried: a session that ends at once loads it, and nothing else is touched.
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


def comment(server: Database, name: str, text: str, codec: str) -> None:
    """Comment on a database with what is no text in its encoding."""
    form = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
    said = raw_sql.rendered(form, codec)
    with raw_sql.speaking(server, [said]) as connection:
        connection.execute(said)


def _statements(name: sql.Identifier, wanted: DatabaseProperties, roles: set[str]) -> Iterator[sql.Composed]:
    if wanted.owner in roles:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(wanted.owner))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(wanted.connection_limit))
    if wanted.template:
        yield sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(name)
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
    if wanted.owner in roles:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, sql.Identifier(wanted.owner))
    for grant in wanted.grants:
        if grant.grantee in {None, *roles}:
            yield _granted(name, grant)
    for setting in wanted.settings:
        if setting.role in {None, *roles}:
            yield _set(name, setting)
    for provider, label in wanted.labels or ():
        form = sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}")
        yield form.format(sql.Identifier(provider), name, sql.Literal(label))


def _granted(name: sql.Identifier, grant: Grant) -> sql.Composed:
    to = sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC")
    option = " WITH GRANT OPTION" if grant.grantable else ""
    form = f"GRANT {grant.privilege} ON DATABASE {{}} TO {{}}{option}"
    return sql.SQL(form).format(name, to)


def _set(name: sql.Identifier, setting: Setting) -> sql.Composed:
    value = _listed(setting.value) if setting.name in _LISTS else sql.Literal(setting.value)
    parts = [sql.Identifier(part) for part in setting.name.split(".")]
    what = sql.SQL(".").join(parts)
    if setting.role is None:
        return sql.SQL("ALTER DATABASE {} SET {} TO {}").format(name, what, value)
    role = sql.Identifier(setting.role)
    return sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(role, name, what, value)


def _listed(value: str) -> sql.Composable:
    """A list as the server keeps it, its elements quoted where they must be, as SET takes it.

    An element that is empty is kept as `""`, which SET does not take: pg_dump says it as a literal, too.
    """
    if not value.strip():
        return sql.Literal("")
    return sql.SQL(", ").join(map(sql.Literal, _elements(value)))


def _elements(value: str) -> Iterator[str]:
    for match in _ELEMENT.finditer(value):
        yield match[1] if match[2] is None else match[2].replace('""', '"')
