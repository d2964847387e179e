"""Inspects the target of a restore: the server, the database, its sessions, and the space there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import database_properties, source, standby
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.load.restore_server import DatabaseRename
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.core import text_encodings
from ledgerflow_ops.core.catalog.catalog import newest
from ledgerflow_ops.core.catalog.identity import Identity
from ledgerflow_ops.core.catalog.manifest import DatabaseProperties, Manifest
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.restore.restore_plan import space_needed
from ledgerflow_ops.core.restore.restore_target import Application, RequiredSpace, RestoreTarget
from ledgerflow_ops.operations import catalog, identity
from ledgerflow_ops.operations.cleanup import swap_outcome
from ledgerflow_ops.operations.context import EnvironmentContext


@dataclass(frozen=True, slots=True)
class InspectedTarget:
    """An inspected target, and how it is reached. `data_directory` is None unless on this machine."""

    env: EnvironmentContext
    database: Database
    maintenance: Database
    target: RestoreTarget
    identity: Identity
    properties: DatabaseProperties | None
    data_directory: Path | None

    @property
    def name(self) -> str:
        return self.target.database

    def swap(self, renames: Sequence[DatabaseRename], *, force: bool) -> None:
        """Carry out the renames in one transaction; with `force`, end the sessions on the live database.

        Pending where it is not known whether they took place.
        """
        with self.maintenance.connect() as connection:
            try:
                restore_server.swap_databases(connection, renames, self._end_sessions if force else None)
            except BaseException as error:  # noqa: BLE001 - raised again unless it took place
                connection.leave()
                swap_outcome.require_done(self.maintenance, renames, error)
        live = self.target.live
        codec = text_encodings.codec(live.source.encoding if live else "UTF8")
        for rename in renames:
            if rename.comment and not text_encodings.is_text(rename.comment):
                database_properties.comment_on_database(self.maintenance, rename.new, rename.comment, codec)

    def _end_sessions(self) -> None:
        with self.maintenance.with_limits(swap_outcome.BRIEF_LIMITS).connect() as connection:
            restore_server.end_sessions(connection, self.name)

    def required_space(self, manifest: Manifest, *, force: bool) -> list[RequiredSpace]:
        """The bytes needed and free on every file system concerned."""
        live_size = self.target.live.source.size if self.target.live else 0
        folder, server = space_needed(manifest, live_size, force)
        store = self.env.store
        needs = [RequiredSpace(f"in {store.location}", folder, store.free())]
        free = disk_space.read_disk_space(self.data_directory).free if self.data_directory else None
        return [*needs, RequiredSpace("on the server's disk", server, free)]


def inspect_target(env: EnvironmentContext) -> InspectedTarget:
    """The environment's target as it is now. Refused when the URL leads to a database that is not its own.

    Event triggers are switched off for our sessions where the account may do so.
    """
    target = env.target()
    maintenance = restore_server.maintenance_database(target)
    name = target.parameters["dbname"]
    database = maintenance.named(name)
    with maintenance.connect() as connection:
        _require_primary(env, standby.primary_address(connection))
        exists = restore_server.database_exists(connection, name)
        server_id = source.read_source_facts(connection).system_identifier
        own = identity.target_identity(env, target, connection, server_id)
        server = restore_server.inspect_server(connection, name)
        sessions, prepared = (
            restore_server.other_sessions(connection, name),
            restore_server.prepared_transactions(connection, name),
        )
        outside = database_properties.read_properties(connection, name) if exists else None
        directory = _data_directory(connection) if server.superuser and not database.inside else None
        database = database.without_event_triggers_if_allowed(connection)
    live = None
    if exists:
        with database.connect() as connection:
            live = restore_server.inspect_live_database(connection)
            # The server stores role names as bytes; the database's encoding makes text of them.
            server = replace(server, roles=source.read_roles(connection))
    application = env.container.running_application() if env.container else Application()
    restore_target = RestoreTarget(name, server, live, env.is_sample, sessions, application, prepared)
    _require_own_database(env, own, restore_target)
    return InspectedTarget(env, database, maintenance, restore_target, own, outside, directory)


def _require_primary(env: EnvironmentContext, primary: str | None) -> None:
    """Refused where the server is a standby: nothing can be written there."""
    if primary is None:
        return
    where = f"It follows {primary}: point the URL there. " if primary else "Point the URL at its primary. "
    raise Refused(
        f"{env.environment}'s server is a standby (in recovery): nothing can be restored into it.",
        hint=Hint(
            f"{where}Its setting is LEDGER_{env.environment.upper()}_ADMIN_DATABASE_URL, or else "
            f"LEDGER_{env.environment.upper()}_DATABASE_URL. Nothing was changed."
        ),
    )


def _data_directory(connection: Connection) -> Path | None:
    """The server's data directory, if it is on this machine."""
    row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    path = Path(row[0]) if row else None
    try:
        return path if path and path.exists() else None
    except OSError:
        return None


def _require_own_database(env: EnvironmentContext, observed: Identity, target: RestoreTarget) -> None:
    """Refused unless the database is the environment's own.

    The remembered identity decides. Where none is remembered, a database with data must be the one that the
    environment's own backups were taken of. No other environment's backups may be of it.
    """
    _require_one_server(env, observed)
    is_own = identity.is_own_database(env, observed)
    for other in Environment:
        if other is not env.environment and _last_source(env.ctx.env(other)) == observed:
            raise Refused(
                f"LEDGER_ENV is {env.environment}, but {other}'s backups are of {observed}.",
                hint=Hint(
                    f"Correct LEDGER_{env.environment.upper()}_DATABASE_URL or compose; nothing was changed."
                ),
            )
    if not (is_own or target.empty or _last_source(env) == observed):
        raise Refused(
            f"{observed} holds data and has never been seen as {env.environment}'s.",
            hint=Hint("If it is: ", make("identity", env.environment, ACCEPT=1)),
        )


def _last_source(env: EnvironmentContext) -> Identity | None:
    """The database that the environment's newest backup was taken of."""
    entry = newest(catalog.entries(env))
    if entry is None or entry.manifest is None:
        return None
    return Identity(entry.manifest.source.system_identifier, entry.manifest.source.database)


def _require_one_server(env: EnvironmentContext, observed: Identity) -> None:
    """Refused when admin_database_url and database_url lead to different servers or databases."""
    settings = env.settings
    if not (settings.admin_url and settings.url):
        return
    application_database = Database.from_address(settings.url, f"environments.{env.environment}.database_url")
    hint = Hint(
        f"Both URLs of {env.environment} must lead to one database of one server. Nothing was changed."
    )
    if application_database.parameters["dbname"] != observed.database:
        raise Refused(
            f"admin_database_url names {observed.database!r}, not the environment's database.", hint=hint
        )
    try:
        with restore_server.maintenance_database(application_database).connect() as connection:
            other = source.read_source_facts(connection).system_identifier
    except LedgerError as error:
        raise Refused(f"database_url leads nowhere: {error.message}", hint=hint) from None
    if other != observed.system_identifier:
        raise Refused("admin_database_url leads to another server than database_url.", hint=hint)
