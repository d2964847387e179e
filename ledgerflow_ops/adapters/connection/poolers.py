"""A connection pooler in front of a server, told apart from the server and refused."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import psycopg

from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint

_NO = re.compile(
    r"unsupported startup parameter|startup parameter.*(?:not supported|unsupported)"
    r"|RDS Proxy currently doesn.t support|prepared statement .* (?:already exists|does not exist)",
    re.IGNORECASE,
)
"""What PgBouncer, its relatives and Amazon's proxy say to the options that a session begins with."""
_DEFAULT = "5432"


def says_no(error: BaseException) -> bool:
    """Whether the error is that of a pooler, which does not let a session begin with settings."""
    return bool(_NO.search(str(error)))


def refused(label: str, parameters: Mapping[str, Any], *, told: str = "") -> Refused:
    """The error that says so, with the address of the server behind it as far as that can be asked."""
    name, port = _behind(parameters)
    what = told or "what a session of ours begins with does not arrive at the server"
    user, database = (quote(str(parameters.get(key, "")), safe="") for key in ("user", "dbname"))
    account = f"{user}@" if user else ""
    host = str(parameters.get("host", "")).split(",")[0]
    direct = f"postgresql://{account}/{database}?host={host}&port={port}"
    if not host.startswith("/"):
        direct = f"postgresql://{account}{host}:{port}/{database}"
    return Refused(
        f"{label}: {name} stands between us and PostgreSQL: {what}. "
        "A backup needs sessions of its own, with a snapshot that they share.",
        hint=Hint(f"Connect to the server itself: database_url = {direct} (its password as before)."),
    )


def _behind(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """What stands there, and the port of the server behind it."""
    name, port = "a connection pooler (PgBouncer or its like)", _DEFAULT
    bare = {key: value for key, value in parameters.items() if key not in ("options", "client_encoding")}
    with suppress(psycopg.Error), psycopg.connect(**bare, autocommit=True, prepare_threshold=None) as there:
        row = there.execute("SELECT pg_catalog.current_setting('port')").fetchone()
        port = str(row[0]) if row else port
        with suppress(psycopg.Error):
            there.execute("SHOW pool_version")
            name = "a connection pooler (Pgpool-II)"
    return name, port
