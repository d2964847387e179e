"""A database as tools and psycopg connect to it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from ledgerflow_ops.adapters.connection import address, poolers, session_activity, session_setup, text_codecs
from ledgerflow_ops.adapters.connection.inactivity import LockWaitWatcher, StallWatcher
from ledgerflow_ops.adapters.connection.limited_connection import LimitedConnection
from ledgerflow_ops.adapters.connection.postgres_errors import translated
from ledgerflow_ops.adapters.connection.session_settings import (
    Purpose,
    ServerFacts,
    format_options,
    join_options,
)
from ledgerflow_ops.adapters.services import socket_proxy
from ledgerflow_ops.adapters.services.container import ContainerServer
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import Limits
from ledgerflow_ops.core.text_encodings import NO_ENCODING

EVENT_TRIGGERS_OFF = 17
"""The first major version with the setting event_triggers, and with event triggers that a login fires."""

Connection = LimitedConnection
APPLICATION = "ledgerflow_ops"
"""The application_name of our sessions."""
_LIMITS = Limits()
_CHOICE = frozenset({"host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts"})
_TIMED_OUT = re.compile(r"timeout|connection.*(?:closed|lost)")
_URL_PARTS = ("user", "password", "dbname", "host", "port")
_PASSWORD = re.compile(r"no password supplied|password authentication failed")
_TRUST = Hint(
    "The official image trusts connections from inside the container. Put back the line "
    '"host all all 127.0.0.1/32 trust" in its pg_hba.conf, above the others, or set database_url instead.'
)


@dataclass(frozen=True, slots=True)
class Database:
    """How to connect to a database. The parameters hold the password and are left out of `repr`.

    For a database `inside` a container they hold only database and user: each connection opens its own proxy.
    `server_facts` are known once the database is `pinned_to` a connection.
    """

    parameters: Mapping[str, str] = field(repr=False)
    inside: ContainerServer | None = None
    limits: Limits = _LIMITS
    server_facts: ServerFacts | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_address(cls, url: str, path: str) -> "Database":
        """The database at an address in one of libpq's forms; SettingsError, naming `path`, otherwise."""
        return cls(address.resolve_address(url, path))

    def named(self, database: str) -> "Database":
        """Another database of the same server, whose encoding is not known yet."""
        facts = replace(self.server_facts, encoding="") if self.server_facts else None
        return replace(self, parameters={**self.parameters, "dbname": database}, server_facts=facts)

    def with_limits(self, limits: Limits) -> "Database":
        """The same database with other limits for waits."""
        return replace(self, limits=limits)

    def as_user(self, user: str) -> "Database":
        """The same database as another user, who may set other settings."""
        return replace(self, parameters={**self.parameters, "user": user}, server_facts=None)

    def pinned_to(self, connection: Connection) -> "Database":
        """The database on the one server that answered `connection`, for all programs of an operation.

        A snapshot exists on one server only. With several hosts, or a name with several addresses, each
        program would otherwise choose a server for itself.
        """
        facts = getattr(connection, "server_facts", None)
        if self.inside:
            return replace(self, server_facts=facts)
        parameters = {key: value for key, value in self.parameters.items() if key not in _CHOICE}
        pgconn = connection.pgconn
        server = {"host": pgconn.host, "hostaddr": pgconn.hostaddr, "port": pgconn.port}
        return replace(
            self,
            parameters=parameters | {k: v.decode() for k, v in server.items() if v},
            server_facts=facts,
        )

    @property
    def label(self) -> str:
        """host:port/database, without user and password; in a container `project/service: database`."""
        if self.inside:
            return f"{self.inside.container.label}: {self.parameters['dbname']}"
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "local socket"
        return f"{host}:{self.parameters.get('port', '5432')}/{self.parameters['dbname']}"

    def sqlalchemy_url(self) -> str:
        """The URL for SQLAlchemy with psycopg2, which postgresql:// no longer means from 2.1 on."""
        query_parameters = {key: value for key, value in self.parameters.items() if key not in _URL_PARTS}
        user, password, database = (
            quote(self.parameters.get(key, ""), safe="") for key in ("user", "password", "dbname")
        )
        account = f"{user}:{password}@" if password else f"{user}@" if user else ""
        host, port = self.parameters.get("host", ""), self.parameters["port"]
        port_part = f":{port}"
        if "," in port:
            query_parameters["port"], port_part = port, ""
        if host.startswith("/") or "," in host:
            query_parameters["host"], host = host, ""
        elif ":" in host:
            host = f"[{host}]"
        encoded = urlencode(query_parameters, quote_via=quote)  # libpq does not read + as a space
        query = f"?{encoded}" if encoded else ""
        return f"postgresql+psycopg2://{account}{host}{port_part}/{database}{query}"

    def without_event_triggers(self) -> "Database":
        """The same database, with event triggers off, including those that a login fires.

        For version 17 or later, and for an account that may set event_triggers: others are refused.
        """
        options = f"{self.parameters.get('options', '')} -c event_triggers=off".strip()
        return replace(self, parameters={**self.parameters, "options": options})

    def without_event_triggers_if_allowed(self, connection: Connection) -> "Database":
        """`without_event_triggers` if the account of `connection` may set that, else the same database."""
        if connection.info.server_version // 10000 < EVENT_TRIGGERS_OFF:
            return self
        row = connection.execute("SELECT has_parameter_privilege('event_triggers', 'SET')").fetchone()
        return self.without_event_triggers() if row and row[0] else self

    def variables(self, purpose: Purpose = Purpose.READ) -> dict[str, str]:
        """The PG* variables with which libpq's tools connect here, with the session settings of `purpose`.

        Everything is passed in the environment, because `ps` shows the arguments of a process to other users.
        """
        settings = join_options(
            [self.parameters.get("options"), format_options(purpose.settings(self.server_facts))]
        )
        variables = {
            **address.pg_variables(self._parameters_with_user()),
            "PGOPTIONS": settings,
            "PGAPPNAME": APPLICATION,
        }
        if purpose is Purpose.READ and self.server_facts and self.server_facts.encoding:
            variables["PGCLIENTENCODING"] = self.server_facts.encoding
        return {"PGCONNECT_TIMEOUT": self._timeout, **variables}

    @property
    def _timeout(self) -> str:
        """How long connecting may take, in whole seconds."""
        return str(round(self.limits.answer))

    def _parameters_with_user(self) -> dict[str, str]:
        """The parameters with the user that libpq would fill in: each libpq might choose another one."""
        user = {} if self.inside else {"user": address.os_user()}
        return {**user, **{key: value for key, value in self.parameters.items() if key != "client_encoding"}}

    @contextmanager
    def reached(self) -> Iterator["Database"]:
        """The database as programs can connect to it: for one in a container, through a proxy during the
        block.

        If the proxy has failed, its error is raised instead of the LedgerError that it caused.
        """
        if self.inside is None:
            yield self
            return
        with self.inside.open_proxy() as proxy:
            parameters = {**self.parameters, "host": str(proxy.folder), "port": socket_proxy.PORT}
            try:
                yield Database(parameters, limits=self.limits, server_facts=self.server_facts)
            except LedgerError as error:
                if failure := proxy.failure():
                    raise self.inside.container.failure(*failure) from None
                if str(proxy.folder) not in error.message:
                    raise
                message = error.message.replace(str(proxy.address), self.inside.container.label)
                hint = _TRUST if _PASSWORD.search(message) else error.hint
                raise type(error)(message, hint=hint) from None

    @contextmanager
    def connect(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """A connection with the canonical settings; every psycopg error is raised as a LedgerError.

        Refused if a connection pooler does not pass these settings on.
        """
        with (
            self.reached() as reached,
            translated(self.label),
            reached._open_session(self.label) as connection,  # noqa: SLF001 - of the same class
            _cancelled_on_failure(connection),
        ):
            connection.autocommit = autocommit
            yield connection

    def _open_session(self, label: str) -> Connection:
        """A session with its settings applied. A second attempt follows if a timeout ended the first."""
        address.clear_pg_variables()
        try:
            return self._begin_session(label, self.server_facts)
        except psycopg.Error as error:
            if self.server_facts or not _TIMED_OUT.search(str(error)):
                raise
            return self._begin_session(label, ServerFacts(frozenset({"transaction_timeout"}), ""))

    def _begin_session(self, label: str, facts: ServerFacts | None) -> Connection:
        name, value = session_setup.session_marker()
        settings = {**Purpose.READ.settings(facts), name: value}
        parameters: dict[str, Any] = {
            "connect_timeout": self._timeout,
            **address.KEEPALIVES,
            **self._parameters_with_user(),
            "application_name": APPLICATION,
            "options": join_options([self.parameters.get("options"), format_options(settings)]),
            "client_encoding": text_codecs.wire_encoding(facts.encoding)
            if facts and facts.encoding
            else NO_ENCODING,
        }
        try:
            connection = _SettledConnection.connect(**parameters, autocommit=True)
            self._set_watchers(label, connection, parameters)
        except psycopg.OperationalError as error:
            if poolers.is_pooler_error(error):
                raise poolers.pooler_refusal(
                    label, parameters, server_message=_server_message(error)
                ) from None
            raise
        try:
            connection.server_facts = session_setup.apply_settings(connection, value, facts)
        except session_setup.SettingsNotApplied:
            connection.close()
            raise poolers.pooler_refusal(label, parameters) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_watchers(self, label: str, connection: Connection, parameters: dict[str, Any]) -> None:
        """Let waits check through another session whether the server works or waits for a lock."""
        encoding = text_codecs.wire_encoding(text_codecs.server_encoding(connection.pgconn))
        at = {**parameters, "client_encoding": encoding}
        connection.at = at
        activity = partial(session_activity.current_activity, at, self.limits.answer)
        waits = partial(session_activity.lock_waits, at, self.limits.answer)
        connection.watchers = (
            StallWatcher(label, self.limits.stall, activity),
            LockWaitWatcher(self.limits.lock, waits),
        )


class _SettledConnection(Connection):
    """A connection with the facts that its server reported when it was opened."""

    server_facts: ServerFacts | None = None


def _server_message(error: BaseException) -> str:
    """The message of the server or pooler, without libpq's prefix."""
    return "it reports " + mask_secrets(str(error)).strip().rpartition("FATAL: ")[2].strip().splitlines()[0]


@contextmanager
def _cancelled_on_failure(connection: Connection) -> Iterator[None]:
    """If the block fails or is interrupted, ask the server to cancel our statement, and close the session.

    Otherwise the server would go on, and might wait for a lock for a long time. We do not wait for its
    answer, not even to a ROLLBACK: a server that hangs does not answer, and the end of the session rolls
    back.
    """
    try:
        yield
    except BaseException:
        connection.leave()
        raise
