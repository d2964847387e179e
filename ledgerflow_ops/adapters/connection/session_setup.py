"""Looks at what a new session really is, and makes it what it should be, before anything relies on it."""

import secrets
from typing import Any

import psycopg

from ledgerflow_ops.adapters.connection import session_settings, text_codecs
from ledgerflow_ops.adapters.connection.session_settings import Known, Purpose

_MARK = "ledgerflow.session"
_LOOK = """
    SELECT s.name::text, s.setting, s.context FROM pg_catalog.pg_settings s WHERE s.name = ANY (%s::text[])
    UNION ALL SELECT ' mark', pg_catalog.current_setting(%s, true), ''
    UNION ALL SELECT ' superuser', pg_catalog.current_setting('is_superuser'), ''
    UNION ALL SELECT ' session', r.rolsuper::text, '' FROM pg_catalog.pg_roles r
    WHERE r.rolname = session_user
"""
_SET = """
    SELECT pg_catalog.set_config(n, v, false) FROM unnest(%s::text[], %s::text[]) AS wanted (n, v)
"""


class NotOurs(Exception):
    """The session has not been begun as we had asked for: something between us and the server has its own."""


def mark() -> tuple[str, str]:
    """A setting of ours with a value of its own, for the options that a session begins with.

    Values that are as they should be may be so by chance; this one is there only if the options arrived.
    """
    return _MARK, secrets.token_hex(8)


def settle(connection: psycopg.Connection[Any], expected: str, known: Known | None) -> Known:
    """Give the session its encoding and the settings it could not begin with; what the server has told.

    `expected` is the value of its mark; NotOurs where it has another one.
    """
    encoding = text_codecs.server_encoding(connection.pgconn)
    text_codecs.adapt(connection, encoding)
    wanted = Purpose.READ.settings(known)
    rows = connection.execute(_LOOK, [[*wanted, *session_settings.LISTED], _MARK]).fetchall()
    found = {name: (value, context) for name, value, context in rows}
    if found[" mark"][0] != expected:
        raise NotOurs
    settled = Known(_settable(found), encoding)
    missing = {
        name: value
        for name, value in Purpose.READ.settings(settled).items()
        if found.get(name, (value,))[0] != value
    }
    if "role" in settled.settable and found[" superuser"][0] != "on":
        connection.execute("SET ROLE NONE")  # before what only a superuser may set
    wire = text_codecs.wire(encoding)
    if (connection.pgconn.parameter_status(b"client_encoding") or b"").decode() != wire:
        missing["client_encoding"] = wire
    if missing:
        connection.execute(_SET, [list(missing), list(missing.values())])
    return settled


def _settable(found: dict[str, tuple[str, str]]) -> frozenset[str]:
    superuser = found.get(" session", ("false",))[0] == "true"
    named = {name for name, (_, context) in found.items() if context == "user"}
    if superuser:
        named |= {name for name, (_, context) in found.items() if context == "superuser"} | {"role"}
    return frozenset(named & set(session_settings.LISTED))
