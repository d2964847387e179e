"""Recognizes a connection pooler in front of a server, and refuses it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import psycopg

from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint

_POOLER_ERROR = re.compile(
    r"unsupported startup parameter|startup parameter.*(?:not supported|unsupported)"
    r"|RDS Proxy currently doesn.t support|prepared statement .* (?:already exists|does not exist)",
    re.IGNORECASE,
)
"""How PgBouncer, similar poolers and Amazon RDS Proxy refuse the startup option `options`."""
_DEFAULT = "5432"


def is_pooler_error(error: BaseException) -> bool:
    """Whether the error comes from a pooler that does not pass on a session's settings."""
    return bool(_POOLER_ERROR.search(str(error)))


def pooler_refusal(label: str, parameters: Mapping[str, Any], *, server_message: str = "") -> Refused:
    """The refusal, with the address of the server behind the pooler as far as it can be queried."""
    name, port = _identify_pooler(parameters)
    reason = server_message or "the settings of our sessions do not reach the server"
    user, database = (quote(str(parameters.get(key, "")), safe="") for key in ("user", "dbname"))
    account = f"{user}@" if user else ""
    host = str(parameters.get("host", "")).split(",")[0]
    direct = f"postgresql://{account}/{database}?host={host}&port={port}"
    if not host.startswith("/"):
        direct = f"postgresql://{account}{host}:{port}/{database}"
    return Refused(
        f"{label}: {name} is between us and PostgreSQL: {reason}. "
        "A backup needs sessions of its own that share a snapshot.",
        hint=Hint(f"Connect to the server directly: database_url = {direct} (with the same password)."),
    )


def _identify_pooler(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """The pooler's name, and the port of the server behind it."""
    name, port = "a connection pooler (PgBouncer or similar)", _DEFAULT
    plain_parameters = {
        key: value for key, value in parameters.items() if key not in ("options", "client_encoding")
    }
    with (
        suppress(psycopg.Error),
        psycopg.connect(**plain_parameters, autocommit=True, prepare_threshold=None) as connection,
    ):
        row = connection.execute("SELECT pg_catalog.current_setting('port')").fetchone()
        port = str(row[0]) if row else port
        with suppress(psycopg.Error):
            connection.execute("SHOW pool_version")
            name = "a connection pooler (Pgpool-II)"
    return name, port
