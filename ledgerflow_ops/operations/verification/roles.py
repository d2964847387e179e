"""Creates the roles of a backup on a server, from its roles file, or by name and attributes from its seal."""

from collections.abc import Collection, Iterable

import psycopg

from ledgerflow_ops.adapters.connection import raw_sql
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.inspection import role_statements
from ledgerflow_ops.core import hints, text_encodings
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.loading import machine_errors
from ledgerflow_ops.core.postgres import roles_script
from ledgerflow_ops.operations.context import EnvironmentContext

_BACKUP_HINT = hints.Hint("Take another backup: ", hints.make("backup"))


def create_all_roles(server: Database, env: EnvironmentContext, manifest: Manifest) -> str:
    """Create all roles but the bootstrap superuser; returns a sentence about what could not be set here.

    BadBackup (4) when the roles file cannot be read or does not run.
    """
    first = manifest.source.bootstrap_role
    if manifest.globals is None:
        return _execute(server, _sealed_statements(manifest, set(manifest.seal.roles) - {first}))
    script, codec = _script(env, manifest.globals.file, manifest.source.encoding)
    try:
        statements = roles_script.replayable(script, first)
    except roles_script.UnreadableScript as error:
        raise BadBackup(f"The roles file cannot be read: {error}.", hint=_BACKUP_HINT) from None
    return _execute(server, _encoded(statements, codec), from_file=True)


def create_roles(
    server: Database, env: EnvironmentContext, manifest: Manifest, names: Collection[str]
) -> str:
    """Create the missing roles `names`; returns a sentence about what could not be set here."""
    if manifest.globals is None:
        return _execute(server, _sealed_statements(manifest, names))
    script, codec = _script(env, manifest.globals.file, manifest.source.encoding)
    return _execute(server, _encoded(roles_script.statements_about(script, names), codec))


def _script(env: EnvironmentContext, file: str, encoding: str) -> tuple[str, str]:
    """The roles file as text, and the codec that encodes it again."""
    data = env.file(file).read()
    return roles_script.decode_script(data, encoding), roles_script.codec_of(data, encoding)


def _encoded(statements: Iterable[str], codec: str) -> list[bytes]:
    return [text_encodings.encode(statement, codec) for statement in statements]


def _sealed_statements(manifest: Manifest, names: Collection[str]) -> list[bytes]:
    wanted = {name: role for name, role in manifest.seal.roles.items() if name in names}
    codec = text_encodings.codec(manifest.source.encoding)
    return [
        raw_sql.render_bytes(statement, codec) for statement in role_statements.create_role_statements(wanted)
    ]


def _execute(server: Database, statements: list[bytes], *, from_file: bool = False) -> str:
    """Execute them; returns a sentence about those skipped because this machine lacks a locale or library."""
    if not statements:
        return ""
    refused: list[str] = []
    with raw_sql.raw_session(server, statements) as connection:
        for statement in statements:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                message, text = error.diag.message_primary or "", statement.decode("utf-8", "replace")
                if machine_errors.is_machine_trouble(message, text):
                    refused.append(text)
                elif from_file:
                    raise BadBackup(f"The roles file does not run: {message}", hint=_BACKUP_HINT) from None
                else:
                    raise
    return machine_errors.left_out_sentence(refused)
