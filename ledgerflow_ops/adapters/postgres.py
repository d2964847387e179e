"""A database as the tools and the driver reach it; psycopg's errors become ours here."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo
from psycopg.pq import Conninfo

from ledgerflow_ops.adapters import activity, relay
from ledgerflow_ops.adapters.container import Inside
from ledgerflow_ops.adapters.limited import Limited
from ledgerflow_ops.adapters.process import mask
from ledgerflow_ops.adapters.sessions import CANONICAL, Purpose, joined, options
from ledgerflow_ops.adapters.silence import Silence
from ledgerflow_ops.core.activity import Limits
from ledgerflow_ops.core.encodings import NO_ENCODING
from ledgerflow_ops.core.errors import Denied, LedgerError, SettingsError, Unsettled

EVENT_TRIGGERS_OFF = 17
"""The first major version with the setting event_triggers, and with event triggers that a login fires."""

Connection = Limited
_TIMEOUT = "10"
_LIMITS = Limits()
_URL_PARTS = ("user", "password", "dbname", "host", "port")
_FORM = (
    "Write it as postgresql://user@host:5432/database, "
    "or for a socket as postgresql://user@/database?host=/var/run/postgresql"
)
_BARE = re.compile(r"\w[\w+]*://(?:[^/?]*@[^/?]*@|[^/?]*/[^?]*@)")
"""A URL with a bare @ or / in its password: libpq takes what follows for the host, and tells it."""
_ESCAPE = "In a user's name, a password or a database's name write @ as %40, / as %2F and % as %25."


_SAYS_NO = re.compile(
    r"FATAL: +(?:password authentication failed|no pg_hba\.conf entry|(?:database|role) .* does not exist"
    r"|permission denied|role .* is not permitted to log in)|no password supplied"
)
"""What a server says that is there; another attempt hears the same. No code comes with them."""
_PASSWORD = re.compile(r"no password supplied|password authentication failed")
_TRUST = (
    "The official image trusts connections from inside the container. Put back the line "
    '"host all all 127.0.0.1/32 trust" in its pg_hba.conf, above the others, or set database_url instead.'
)

_PASSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)
"""What a server says of an object that went while it was read, and of two that want the same."""
_WENT = re.compile(
    r"cache lookup failed|could not open relation with OID|could not find tuple|tuple concurrently"
)
_LOOK = "The server's log says more. make doctor looks at both."
_CHANGED = f"Was something dropped or changed meanwhile? Then run it again. {_LOOK}"


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is. The parameters hold the password and are kept out of `repr`.

    Those of a database `inside` a container name only it and its user: each connection makes its own way.
    """

    parameters: Mapping[str, str] = field(repr=False)
    inside: Inside | None = None
    limits: Limits = _LIMITS

    @classmethod
    def of(cls, url: str, path: str) -> "Database":
        """The database at a libpq URL or connection string; SettingsError (naming `path`) if it is none."""
        if _BARE.match(url):
            raise SettingsError(f"{path}: an @ or a / stands where it means something else.", hint=_ESCAPE)
        try:
            plain = url.replace("postgresql+psycopg2://", "postgresql://", 1)
            parameters = {name: str(value) for name, value in conninfo.conninfo_to_dict(plain).items()}
        except (psycopg.ProgrammingError, UnicodeError):  # the latter: %A0 and the like are no UTF-8
            raise SettingsError(f"{path}: not a PostgreSQL URL.", hint=_FORM) from None
        for needed, word in (("dbname", "database"), ("host", "host")):
            if needed not in parameters and not (needed == "host" and "hostaddr" in parameters):
                raise SettingsError(f"{path}: names no {word}.", hint=_FORM)
        return cls({"port": "5432", **parameters})

    def named(self, database: str) -> "Database":
        """Another database of the same server."""
        return replace(self, parameters={**self.parameters, "dbname": database})

    def within(self, limits: Limits) -> "Database":
        """The same database, whose connections wait no longer than that."""
        return replace(self, limits=limits)

    def as_user(self, user: str) -> "Database":
        """The same database, reached as another user."""
        return replace(self, parameters={**self.parameters, "user": user})

    @property
    def label(self) -> str:
        """host:port/database, for people; no user, no password. In a container project/service: database."""
        if self.inside:
            return f"{self.inside.container.label}: {self.parameters['dbname']}"
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "local socket"
        return f"{host}:{self.parameters.get('port', '5432')}/{self.parameters['dbname']}"

    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy writes it, for psycopg2: the bare form means psycopg 3 from 2.1 on."""
        known = {key: value for key, value in self.parameters.items() if key not in _URL_PARTS}
        user, password, database = (
            quote(self.parameters.get(key, ""), safe="") for key in ("user", "password", "dbname")
        )
        account = f"{user}:{password}@" if password else f"{user}@" if user else ""
        host = self.parameters.get("host", "")
        if host.startswith("/"):
            known["host"], host = host, ""
        elif ":" in host:
            host = f"[{host}]"
        query = f"?{urlencode(known, quote_via=quote)}" if known else ""  # libpq takes no + for a space
        return f"postgresql+psycopg2://{account}{host}:{self.parameters['port']}/{database}{query}"

    def without_event_triggers(self) -> "Database":
        """The same database, reached so that nothing we do fires its event triggers, nor does the login.

        For a superuser of a server of version 17 or later: to others the setting is refused.
        """
        options = f"{self.parameters.get('options', '')} -c event_triggers=off".strip()
        return replace(self, parameters={**self.parameters, "options": options})

    def quiet(self, connection: Connection) -> "Database":
        """`without_event_triggers` where the account that `connection` has may set that, else the same."""
        if connection.info.server_version // 10000 < EVENT_TRIGGERS_OFF:
            return self
        row = connection.execute("SELECT has_parameter_privilege('event_triggers', 'SET')").fetchone()
        return self.without_event_triggers() if row and row[0] else self

    def variables(self, purpose: Purpose = Purpose.READ) -> dict[str, str]:
        """The PG* variables that lead libpq's tools here, with the session settings that `purpose` needs.

        Everything goes through the environment: `ps` shows other users the arguments of a process.
        """
        names = {
            option.keyword.decode(): option.envvar.decode()
            for option in Conninfo.get_defaults()
            if option.envvar
        }
        found = {names[key]: value for key, value in self.parameters.items() if key in names}
        settings = joined([self.parameters.get("options"), options(purpose.settings)])
        return {"PGCONNECT_TIMEOUT": _TIMEOUT, **found, "PGOPTIONS": settings, "PGAPPNAME": "ledgerflow_ops"}

    @contextmanager
    def reached(self) -> Iterator["Database"]:
        """The database as programs of ours reach it: in a container, for as long as the block lasts.

        What has gone wrong on the way there is told instead of the LedgerError that came of it.
        """
        if self.inside is None:
            yield self
            return
        with self.inside.way() as way:
            parameters = {**self.parameters, "host": str(way.folder), "port": relay.PORT}
            try:
                yield Database(parameters, limits=self.limits)
            except LedgerError as error:
                if failure := way.failure():
                    raise self.inside.container.failure(*failure) from None
                if str(way.folder) not in error.message:
                    raise
                message = error.message.replace(str(way.address), self.inside.container.label)
                hint = _TRUST if _PASSWORD.search(message) else error.hint
                raise type(error)(message, hint=hint) from None

    @contextmanager
    def connect(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """A connection under the canonical settings; every psycopg error leaves as a LedgerError."""
        with self.reached() as reached, translated(self.label):
            parameters = {
                "connect_timeout": _TIMEOUT,
                **reached.parameters,
                "application_name": "ledgerflow_ops",
            }
            parameters["options"] = joined([self.parameters.get("options"), options(CANONICAL)])
            with Limited.connect(**parameters, autocommit=autocommit) as connection:  # type: ignore[arg-type]
                connection.at = parameters
                connection.watchers = (
                    Silence(
                        self.label, self.limits.stall, lambda: activity.look(parameters, self.limits.answer)
                    ),
                )
                if connection.info.parameter_status("server_encoding") == NO_ENCODING:
                    connection.execute("SET client_encoding TO LATIN1; COMMIT")
                with _ended_with_us(connection):
                    yield connection


@contextmanager
def _ended_with_us(connection: Connection) -> Iterator[None]:
    """Where the block fails or is interrupted, the server is told to end what it does for us.

    It would go on without us, and wait for a lock as long as that is held. Its answer is not waited for, not
    that to a rollback either: a server that hangs gives none, and the end of the session is one.
    """
    try:
        yield
    except BaseException:
        connection.leave()
        raise


@contextmanager
def translated(label: str) -> Iterator[None]:
    """psycopg's errors as LedgerErrors that name the database and hold no secret."""
    try:
        yield
    except psycopg.OperationalError as error:
        kind = Denied if _SAYS_NO.search(str(error)) else LedgerError
        raise kind(
            f"{label}: {mask(str(error)).strip()}",
            hint="Is the server running and the URL right? make doctor tries every connection.",
        ) from None
    except _PASSING as error:
        raise Unsettled(f"{label}: {mask(str(error)).strip()}", hint=_CHANGED) from None
    except psycopg.errors.InternalError as error:
        kind = Unsettled if _WENT.search(str(error)) else LedgerError
        hint = _CHANGED if kind is Unsettled else _LOOK
        raise kind(f"{label}: {mask(str(error)).strip()}", hint=hint) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise Denied(
            f"{label}: {mask(str(error)).strip()}",
            hint="The account needs to read every table and sequence: GRANT pg_read_all_data TO it, "
            "and BYPASSRLS where row-level security is on.",
        ) from None
    except psycopg.Error as error:
        raise LedgerError(f"{label}: {mask(str(error)).strip()}", hint=_LOOK) from None
