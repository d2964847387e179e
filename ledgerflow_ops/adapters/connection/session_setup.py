"""Checks the settings of a new session, and corrects them before anything relies on them."""

import secrets
from typing import Any

import psycopg

from ledgerflow_ops.adapters.connection import session_settings, text_codecs
from ledgerflow_ops.adapters.connection.session_settings import Purpose, ServerFacts

_MARK = "ledgerflow.session"
_SESSION_STATE = """
    SELECT s.name::text, s.setting, s.context FROM pg_catalog.pg_settings s WHERE s.name = ANY (%s::text[])
    UNION ALL SELECT ' mark', pg_catalog.current_setting(%s, true), ''
    UNION ALL SELECT ' superuser', pg_catalog.current_setting('is_superuser'), ''
    UNION ALL SELECT ' session', r.rolsuper::text, '' FROM pg_catalog.pg_roles r
    WHERE r.rolname = session_user
"""
_SET = """
    SELECT pg_catalog.set_config(n, v, false) FROM unnest(%s::text[], %s::text[]) AS wanted (n, v)
"""


class SettingsNotApplied(Exception):
    """The session did not get our startup options: a pooler between us and the server replaced them."""


def session_marker() -> tuple[str, str]:
    """A custom setting with a random value, to be added to the startup options of a session.

    Other settings may have the right value by chance; this one has it only if the options have arrived.
    """
    return _MARK, secrets.token_hex(8)


def apply_settings(
    connection: psycopg.Connection[Any], expected: str, facts: ServerFacts | None
) -> ServerFacts:
    """Set the session's encoding and the settings that were not in its startup options; returns the server's
    facts.

    `expected` is the value of the `session_marker`; SettingsNotApplied if the session has another value.
    """
    encoding = text_codecs.server_encoding(connection.pgconn)
    text_codecs.register_text_codec(connection, encoding)
    canonical = Purpose.READ.settings(facts)
    rows = connection.execute(_SESSION_STATE, [[*canonical, *session_settings.LISTED], _MARK]).fetchall()
    current = {name: (value, context) for name, value, context in rows}
    if current[" mark"][0] != expected:
        raise SettingsNotApplied
    new_facts = ServerFacts(_settable(current), encoding)
    missing = {
        name: value
        for name, value in Purpose.READ.settings(new_facts).items()
        if current.get(name, (value,))[0] != value
    }
    if "role" in new_facts.settable and current[" superuser"][0] != "on":
        connection.execute("SET ROLE NONE")  # before what only a superuser may set
    wire = text_codecs.wire_encoding(encoding)
    if (connection.pgconn.parameter_status(b"client_encoding") or b"").decode() != wire:
        missing["client_encoding"] = wire
    if missing:
        connection.execute(_SET, [list(missing), list(missing.values())])
    return new_facts


def _settable(current: dict[str, tuple[str, str]]) -> frozenset[str]:
    superuser = current.get(" session", ("false",))[0] == "true"
    named = {name for name, (_, context) in current.items() if context == "user"}
    if superuser:
        named |= {name for name, (_, context) in current.items() if context == "superuser"} | {"role"}
    return frozenset(named & set(session_settings.LISTED))
