"""Resolves an address in one of libpq's forms, once, so that all programs connect to the same server.

psycopg, pg_dump and SQLAlchemy each bring their own libpq, whose defaults and variables may differ. Rules:
PostgreSQL manual, chapter libpq, "Connection Strings", "Environment Variables", "Connection Service File".
"""

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres import addresses
from ledgerflow_ops.core.postgres.addresses import InvalidAddress

DEFAULT_PORT = "5432"
_KEPT_VARIABLES = ("PGPASSFILE", *addresses.SERVICE_VARIABLES)
KEEPALIVES = {
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "24",
    "tcp_user_timeout": "300000",
}
"""A peer that has gone is noticed within five minutes. A shorter time would end connections to a busy server
that leaves data unread: TCP_USER_TIMEOUT also counts the time of a zero window (RFC 5482). Values in seconds,
tcp_user_timeout in milliseconds."""
_FORM = Hint(
    "Write it as postgresql://user@host:5432/database, "
    "or for a socket as postgresql://user@/database?host=/var/run/postgresql"
)
_BARE = re.compile(r"\w[\w+]*://(?:[^/?]*@[^/?]*@|[^/?]*/[^?]*@)")
"""A URL with an unescaped @ or / in its password: libpq would take the rest for the host, and show it."""
_ESCAPE = Hint("In a user's name, a password or a database's name write @ as %40, / as %2F and % as %25.")
SOCKETS = (Path("/var/run/postgresql"), Path("/run/postgresql"), Path("/tmp"))  # noqa: S108 - libpq's own
"""The folders of servers' sockets: in Debian's and Red Hat's builds, and PostgreSQL's own default."""


def resolve_address(text: str, path: str) -> dict[str, str]:
    """The libpq parameters of an address; SettingsError (exit code 2), naming the setting `path`, if it is
    invalid.

    A service is looked up in the service files. Without a host, the host is the folder of a local socket.
    """
    if _BARE.match(text):
        raise SettingsError(f"{path}: an @ or a / has another meaning at its place.", hint=_ESCAPE)
    try:
        parameters = addresses.parse_address(text)
        parameters = {
            **_service(parameters.pop("service", ""), parameters.pop("servicefile", "")),
            **parameters,
        }
        if set(parameters) - _keywords():
            raise InvalidAddress("it has a parameter that libpq does not know")
        addresses.check_ports(parameters)
    except InvalidAddress as error:
        raise SettingsError(f"{path}: not a PostgreSQL URL: {error}.", hint=_FORM) from None
    if not parameters.get("dbname"):
        raise SettingsError(f"{path}: names no database.", hint=_FORM)
    parameters = {keyword: value for keyword, value in parameters.items() if value}
    if "host" not in parameters and "hostaddr" not in parameters:
        parameters["host"] = str(_socket(parameters.get("port", DEFAULT_PORT)))
    return {"port": DEFAULT_PORT, **parameters}


def dbname_argument(database: str) -> str:
    """The value of --dbname for libpq's tools: the database and the keepalive parameters, which have no
    variables.

    All other parameters are in `pg_variables`. Everybody can see the arguments of a program, so none is
    secret.
    """
    return make_conninfo(dbname=database, **KEEPALIVES)


def os_user() -> str:
    """The user that libpq logs in as if none is named: our account; empty if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


def clear_pg_variables() -> None:
    """Remove libpq's PG* variables from our own environment, because psycopg's libpq reads them in our
    process.

    A PGHOST or PGOPTIONS left in a shell must never choose a target or change the contents of a dump.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        if name in _variables() and name not in _KEPT_VARIABLES:
            del os.environ[name]


def pg_variables(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters as the PG* variables that libpq's tools read; those without a variable are left out."""
    names = _variables()
    return {name: parameters[keyword] for name, keyword in names.items() if keyword in parameters}


@cache
def _keywords() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in Conninfo.get_defaults())


@cache
def _variables() -> dict[str, str]:
    """libpq's variables, each with its connection parameter."""
    options = Conninfo.get_defaults()
    return {option.envvar.decode(): option.keyword.decode() for option in options if option.envvar}


def _socket(port: str) -> Path:
    folders = (folder for folder in SOCKETS if (folder / f".s.PGSQL.{port}").exists())
    return next(folders, SOCKETS[0])


def _service(name: str, file: str) -> dict[str, str]:
    """The parameters of a service: from the user's service file, or else from the system's."""
    if not name:
        return {}
    for path in [Path(file)] if file else list(_service_files()):
        parameters = _section(path, name)
        if parameters is not None:
            if "service" in parameters:
                raise InvalidAddress("its service names another service")
            return parameters
    raise InvalidAddress("no service file defines its service")


def _service_files() -> Iterator[Path]:
    user_file = os.environ.get("PGSERVICEFILE")
    yield Path(user_file) if user_file else Path("~/.pg_service.conf").expanduser()
    system = os.environ.get("PGSYSCONFDIR")
    folders = [system] if system else ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"]
    yield from (Path(folder) / "pg_service.conf" for folder in folders)


def _section(file: Path, name: str) -> dict[str, str] | None:
    """A service's parameters in a file; None if the file has no such service or does not exist.

    Reads the file as parseServiceFile in libpq (fe-connect.c) does: the first of two values counts, and there
    is no quoting.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    except UnicodeDecodeError:
        raise InvalidAddress("its service file is not UTF-8") from None
    parameters: dict[str, str] | None = None
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line == f"[{name}]"
            parameters = {} if inside and parameters is None else parameters
        elif inside and line and not line.startswith("#"):
            keyword, equals, value = line.partition("=")
            if not equals:
                raise InvalidAddress("its service file has a line that is not keyword=value")
            assert parameters is not None
            parameters.setdefault(keyword, value)
    return parameters
