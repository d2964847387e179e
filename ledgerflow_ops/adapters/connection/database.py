"""A database as the tools and the driver reach it; psycopg's errors become ours here."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from ledgerflow_ops.adapters.connection import address, poolers, session_activity, session_setup, text_codecs
from ledgerflow_ops.adapters.connection.inactivity import Locks, Silence
from ledgerflow_ops.adapters.connection.limited_connection import Limited
from ledgerflow_ops.adapters.connection.session_settings import Known, Purpose, joined, options
from ledgerflow_ops.adapters.services import socket_proxy
from ledgerflow_ops.adapters.services.container import Inside
from ledgerflow_ops.adapters.system.process import mask
from ledgerflow_ops.core.errors import Denied, InUse, LedgerError, Unanswered, Unsettled
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.connection_limits import BACKUP
from ledgerflow_ops.core.postgres.session_activity import Limits
from ledgerflow_ops.core.text_encodings import NO_ENCODING

EVENT_TRIGGERS_OFF = 17
"""The first major version with the setting event_triggers, and with event triggers that a login fires."""

Connection = Limited
APPLICATION = "ledgerflow_ops"
"""What our own sessions are called."""
_LIMITS = Limits()
_CHOICE = frozenset({"host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts"})
_TIMED_OUT = re.compile(r"timeout|connection.*(?:closed|lost)")
_URL_PARTS = ("user", "password", "dbname", "host", "port")
_SAYS_NO = re.compile(
    r"FATAL: +(?:password authentication failed|no pg_hba\.conf entry|(?:database|role) .* does not exist"
    r"|permission denied|role .* is not permitted to log in)|no password supplied"
)
"""What a server says that is there; another attempt hears the same. No code comes with them."""
_FULL = re.compile(r'too many connections for (role|database) "(.*)"')
_PASSWORD = re.compile(r"no password supplied|password authentication failed")
_TRUST = Hint(
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
_IN_USE = Hint(
    "A session on it did not end within the five seconds that a server gives it. Stop the application; a "
    "process that is stopped (SIGSTOP) must go on, or be ended. Then run it again."
)
_LOOK = Hint("The server's log says more. ", make("doctor"), " looks at both.")
_CHANGED = Hint("Was something dropped or changed meanwhile? Then run it again. ", _LOOK)


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is. The parameters hold the password and are kept out of `repr`.

    Those of a database `inside` a container name only it and its user: each connection makes its own way.
    What is `known` of its server is there once it is `pinned`.
    """

    parameters: Mapping[str, str] = field(repr=False)
    inside: Inside | None = None
    limits: Limits = _LIMITS
    known: Known | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, url: str, path: str) -> "Database":
        """The database at an address in one of libpq's forms; SettingsError (naming `path`) if it is none."""
        return cls(address.resolve(url, path))

    def named(self, database: str) -> "Database":
        """Another database of the same server; how it encodes text is not known."""
        known = replace(self.known, encoding="") if self.known else None
        return replace(self, parameters={**self.parameters, "dbname": database}, known=known)

    def within(self, limits: Limits) -> "Database":
        """The same database, whose connections wait no longer than that."""
        return replace(self, limits=limits)

    def as_user(self, user: str) -> "Database":
        """The same database, reached as another user, who may set other things."""
        return replace(self, parameters={**self.parameters, "user": user}, known=None)

    def pinned(self, connection: Connection) -> "Database":
        """The database by the one server that answered `connection`, for all that an operation starts.

        Snapshots are a server's own, and of several hosts, or of a name with several addresses, each
        program would choose for itself.
        """
        known = getattr(connection, "known", None)
        if self.inside:
            return replace(self, known=known)
        parameters = {key: value for key, value in self.parameters.items() if key not in _CHOICE}
        answered = connection.pgconn
        found = {"host": answered.host, "hostaddr": answered.hostaddr, "port": answered.port}
        return replace(
            self, parameters=parameters | {k: v.decode() for k, v in found.items() if v}, known=known
        )

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
        host, port = self.parameters.get("host", ""), self.parameters["port"]
        place = f":{port}"
        if "," in port:
            known["port"], place = port, ""
        if host.startswith("/") or "," in host:
            known["host"], host = host, ""
        elif ":" in host:
            host = f"[{host}]"
        query = f"?{urlencode(known, quote_via=quote)}" if known else ""  # libpq takes no + for a space
        return f"postgresql+psycopg2://{account}{host}{place}/{database}{query}"

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
        settings = joined([self.parameters.get("options"), options(purpose.settings(self.known))])
        found = {**address.variables(self._whole()), "PGOPTIONS": settings, "PGAPPNAME": APPLICATION}
        if purpose is Purpose.READ and self.known and self.known.encoding:
            found["PGCLIENTENCODING"] = self.known.encoding
        return {"PGCONNECT_TIMEOUT": self._timeout, **found}

    @property
    def _timeout(self) -> str:
        """How long a connection may take, in whole seconds."""
        return str(round(self.limits.answer))

    def _whole(self) -> dict[str, str]:
        """The parameters with what libpq would fill in: its variables and ours might differ."""
        user = {} if self.inside else {"user": address.account()}
        return {**user, **{key: value for key, value in self.parameters.items() if key != "client_encoding"}}

    @contextmanager
    def reached(self) -> Iterator["Database"]:
        """The database as programs of ours reach it: in a container, for as long as the block lasts.

        What has gone wrong on the way there is told instead of the LedgerError that came of it.
        """
        if self.inside is None:
            yield self
            return
        with self.inside.way() as way:
            parameters = {**self.parameters, "host": str(way.folder), "port": socket_proxy.PORT}
            try:
                yield Database(parameters, limits=self.limits, known=self.known)
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
        """A connection under the canonical settings; every psycopg error leaves as a LedgerError.

        Refused where a connection pooler does not let those settings through.
        """
        with (
            self.reached() as reached,
            translated(self.label),
            reached._opened(self.label) as connection,  # noqa: SLF001 - another one of ours
            _ended_with_us(connection),
        ):
            connection.autocommit = autocommit
            yield connection

    def _opened(self, label: str) -> Connection:
        """A session that has been settled; a second one where the first was ended before it could be."""
        address.leave_the_shell()
        try:
            return self._begun(label, self.known)
        except psycopg.Error as error:
            if self.known or not _TIMED_OUT.search(str(error)):
                raise
            return self._begun(label, Known(frozenset({"transaction_timeout"}), ""))

    def _begun(self, label: str, known: Known | None) -> Connection:
        name, value = session_setup.mark()
        settings = {**Purpose.READ.settings(known), name: value}
        parameters: dict[str, Any] = {
            "connect_timeout": self._timeout,
            **address.ALIVE,
            **self._whole(),
            "application_name": APPLICATION,
            "options": joined([self.parameters.get("options"), options(settings)]),
            "client_encoding": text_codecs.wire(known.encoding) if known and known.encoding else NO_ENCODING,
        }
        try:
            connection = _Settled.connect(**parameters, autocommit=True)
            self._watch(label, connection, parameters)
        except psycopg.OperationalError as error:
            if poolers.says_no(error):
                raise poolers.refused(label, parameters, told=_last(error)) from None
            raise
        try:
            connection.known = session_setup.settle(connection, value, known)
        except session_setup.NotOurs:
            connection.close()
            raise poolers.refused(label, parameters) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _watch(self, label: str, connection: Connection, parameters: dict[str, Any]) -> None:
        """Have whoever waits for the server look, by another session like this one, whether it works."""
        encoding = text_codecs.wire(text_codecs.server_encoding(connection.pgconn))
        at = {**parameters, "client_encoding": encoding}
        connection.at = at
        look = partial(session_activity.activity, at, self.limits.answer)
        waits = partial(session_activity.lock_waits, at, self.limits.answer)
        connection.watchers = (Silence(label, self.limits.stall, look), Locks(self.limits.lock, waits))


class _Settled(Connection):
    """A connection with what its server has told when it was opened."""

    known: Known | None = None


def _last(error: BaseException) -> str:
    """What the other side said, without the words that libpq puts before it."""
    return "it says " + mask(str(error)).strip().rpartition("FATAL: ")[2].strip().splitlines()[0]


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
    except psycopg.errors.ConnectionTimeout as error:
        raise Unanswered(f"{label}: {mask(str(error)).strip()}", hint=_unreached(str(error))) from None
    except psycopg.errors.ObjectInUse as error:
        raise InUse(f"{label}: {mask(str(error)).strip()}", hint=_IN_USE) from None
    except psycopg.OperationalError as error:
        kind = Denied if _SAYS_NO.search(str(error)) else LedgerError
        raise kind(f"{label}: {mask(str(error)).strip()}", hint=_unreached(str(error))) from None
    except _PASSING as error:
        raise Unsettled(f"{label}: {mask(str(error)).strip()}", hint=_CHANGED) from None
    except psycopg.errors.InternalError as error:
        kind = Unsettled if _WENT.search(str(error)) else LedgerError
        hint = _CHANGED if kind is Unsettled else _LOOK
        raise kind(f"{label}: {mask(str(error)).strip()}", hint=hint) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise Denied(
            f"{label}: {mask(str(error)).strip()}",
            hint=Hint(
                "The account needs to read every table and sequence: GRANT pg_read_all_data TO it, "
                "and BYPASSRLS where row-level security is on."
            ),
        ) from None
    except psycopg.Error as error:
        raise LedgerError(f"{label}: {mask(str(error)).strip()}", hint=_LOOK) from None


def _unreached(error: str) -> Hint:
    """What to do about a connection that failed."""
    if full := _FULL.search(error):
        limit = f'ALTER {full[1].upper()} "{full[2]}" CONNECTION LIMIT {BACKUP};'
        return Hint(f"{limit} is what a backup needs, beside the connections of others.")
    hangs = " A server that is stopped (SIGSTOP) or hangs must go on first." if "timeout" in error else ""
    return Hint(
        "Is the server running and the URL right? ", make("doctor"), f" tries every connection.{hangs}"
    )
