"""Where an address leads: libpq's own forms resolved here, once, so that all of its users go to one place.

psycopg, pg_dump and SQLAlchemy bring a libpq each, with other defaults and other variables in mind.
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
_KEPT = ("PGPASSFILE", *addresses.SERVICE_VARIABLES)
ALIVE = {
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "24",
    "tcp_user_timeout": "300000",
}
"""A peer that is gone is noticed within five minutes. Not sooner: the same time is how long a server that is
only busy may leave what it is sent unread (TCP_USER_TIMEOUT counts a closed window as well)."""
_FORM = Hint(
    "Write it as postgresql://user@host:5432/database, "
    "or for a socket as postgresql://user@/database?host=/var/run/postgresql"
)
_BARE = re.compile(r"\w[\w+]*://(?:[^/?]*@[^/?]*@|[^/?]*/[^?]*@)")
"""A URL with a bare @ or / in its password: libpq takes what follows for the host, and tells it."""
_ESCAPE = Hint("In a user's name, a password or a database's name write @ as %40, / as %2F and % as %25.")
SOCKETS = (Path("/var/run/postgresql"), Path("/run/postgresql"), Path("/tmp"))  # noqa: S108 - libpq's own
"""Where servers keep their sockets: Debian's and Red Hat's builds, and PostgreSQL's own default."""


def resolve(text: str, path: str) -> dict[str, str]:
    """The parameters of libpq's that an address stands for; SettingsError that names `path` if it is none.

    A service is looked up, and where no host is named the server's socket on this machine is.
    """
    if _BARE.match(text):
        raise SettingsError(f"{path}: an @ or a / stands where it means something else.", hint=_ESCAPE)
    try:
        found = addresses.parse_address(text)
        found = {**_service(found.pop("service", ""), found.pop("servicefile", "")), **found}
        if set(found) - _keywords():
            raise InvalidAddress("it has a parameter that libpq does not know")
        addresses.check_ports(found)
    except InvalidAddress as error:
        raise SettingsError(f"{path}: not a PostgreSQL URL: {error}.", hint=_FORM) from None
    if not found.get("dbname"):
        raise SettingsError(f"{path}: names no database.", hint=_FORM)
    found = {keyword: value for keyword, value in found.items() if value}
    if "host" not in found and "hostaddr" not in found:
        found["host"] = str(_socket(found.get("port", DEFAULT_PORT)))
    return {"port": DEFAULT_PORT, **found}


def argument(database: str) -> str:
    """What tells libpq's tools the database and how a dead connection is noticed; all else is in `variables`.

    These parameters have no variables. The arguments of a program are seen by everybody: no secret is here.
    """
    return make_conninfo(dbname=database, **ALIVE)


def account() -> str:
    """Whom libpq logs in as where no user is named: the account that we run as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


def leave_the_shell() -> None:
    """Remove from our own environment what would lead libpq elsewhere: psycopg's reads it in our process.

    A PGHOST or PGOPTIONS left in a shell must never pick a target or change what a dump holds.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        if name in _variables() and name not in _KEPT:
            del os.environ[name]


def variables(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters as the PG* variables that libpq's tools read; some have none."""
    names = _variables()
    return {name: parameters[keyword] for name, keyword in names.items() if keyword in parameters}


@cache
def _keywords() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in Conninfo.get_defaults())


@cache
def _variables() -> dict[str, str]:
    """libpq's variables, each with the keyword that it stands for."""
    options = Conninfo.get_defaults()
    return {option.envvar.decode(): option.keyword.decode() for option in options if option.envvar}


def _socket(port: str) -> Path:
    there = (folder for folder in SOCKETS if (folder / f".s.PGSQL.{port}").exists())
    return next(there, SOCKETS[0])


def _service(name: str, file: str) -> dict[str, str]:
    """What a service stands for: from the person's own file, or else from the machine's."""
    if not name:
        return {}
    for place in [Path(file)] if file else list(_service_files()):
        found = _section(place, name)
        if found is not None:
            if "service" in found:
                raise InvalidAddress("its service names another service")
            return found
    raise InvalidAddress("no service file defines its service")


def _service_files() -> Iterator[Path]:
    own = os.environ.get("PGSERVICEFILE")
    yield Path(own) if own else Path("~/.pg_service.conf").expanduser()
    system = os.environ.get("PGSYSCONFDIR")
    folders = [system] if system else ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"]
    yield from (Path(folder) / "pg_service.conf" for folder in folders)


def _section(file: Path, name: str) -> dict[str, str] | None:
    """A service's parameters in a file; None where it has none of that name, or is not there.

    As parseServiceFile reads it: the first of two values counts, and nothing is quoted.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    except UnicodeDecodeError:
        raise InvalidAddress("its service file is not UTF-8") from None
    found: dict[str, str] | None = None
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line == f"[{name}]"
            found = {} if inside and found is None else found
        elif inside and line and not line.startswith("#"):
            keyword, equals, value = line.partition("=")
            if not equals:
                raise InvalidAddress("its service file has a line that is not keyword=value")
            assert found is not None
            found.setdefault(keyword, value)
    return found
