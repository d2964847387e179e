"""Looks at where a restore would go: the server, the database, its sessions, and the room there is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ledgerflow_ops.adapters import disks, properties, source, standby, target
from ledgerflow_ops.adapters.postgres import Connection, Database
from ledgerflow_ops.adapters.target import Rename
from ledgerflow_ops.core import encodings
from ledgerflow_ops.core.catalog import newest
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.identity import Identity
from ledgerflow_ops.core.manifest import DatabaseProperties, Manifest
from ledgerflow_ops.core.restoring import rooms_needed
from ledgerflow_ops.core.target import Application, Room, Target
from ledgerflow_ops.operations import catalog, identity, swap_outcome
from ledgerflow_ops.operations.desk import Site


@dataclass(frozen=True, slots=True)
class Aim:
    """A target that has been looked at, and how it is reached."""

    site: Site
    database: Database
    maintenance: Database
    target: Target
    identity: Identity
    properties: DatabaseProperties | None
    data_directory: Path | None

    @property
    def name(self) -> str:
        return self.target.database

    def swap(self, renames: Sequence[Rename], *, force: bool) -> None:
        """Carry out the renames in one transaction; with `force` sessions on the live name are ended.

        Pending where it is not known whether they took place.
        """
        with self.maintenance.connect() as connection:
            try:
                target.swap(connection, renames, self._end_sessions if force else None)
            except BaseException as error:  # noqa: BLE001 - raised again unless it took place
                connection.leave()
                swap_outcome.require_done(self.maintenance, renames, error)
        live = self.target.live
        codec = encodings.codec(live.source.encoding if live else "UTF8")
        for one in renames:
            if one.comment and not encodings.is_text(one.comment):
                properties.comment(self.maintenance, one.new, one.comment, codec)

    def _end_sessions(self) -> None:
        with self.maintenance.within(swap_outcome.BRIEF).connect() as connection:
            target.end_sessions(connection, self.name)

    def rooms(self, manifest: Manifest, *, force: bool) -> list[Room]:
        """What is needed, and what is free, on every file system concerned."""
        live_size = self.target.live.source.size if self.target.live else 0
        folder, server = rooms_needed(manifest, live_size, force)
        place = self.site.folder.path
        rooms = [Room(f"in {place}", folder, self.site.folder.free())]
        free = disks.space(self.data_directory).free if self.data_directory else None
        return [*rooms, Room("on the server's disk", server, free)]


def aim(site: Site) -> Aim:
    """The environment's target as it is now. Refused when the URL leads to what is not the environment's.

    Nothing that we do in it fires its event triggers, where our account may see to that.
    """
    asked = site.target()
    maintenance = target.maintenance(asked)
    name = asked.parameters["dbname"]
    database = maintenance.named(name)
    with maintenance.connect() as connection:
        _require_primary(site, standby.primary(connection))
        there = target.exists(connection, name)
        server_id = source.facts(connection).system_identifier
        own = identity.aimed_at(site, asked, connection, server_id)
        server = target.server(connection, name)
        sessions, prepared = target.sessions(connection, name), target.prepared(connection, name)
        outside = properties.properties(connection, name) if there else None
        directory = _data_directory(connection) if server.superuser and not database.inside else None
        database = database.quiet(connection)
    live = None
    if there:
        with database.connect() as connection:
            live = target.live(connection)
            # Their names are bytes to the server: what they are as text, the database's encoding says.
            server = replace(server, roles=source.roles(connection))
    application = site.container.others() if site.container else Application()
    found = Target(name, server, live, site.is_sample, sessions, application, prepared)
    _require_ours(site, own, found)
    return Aim(site, database, maintenance, found, own, outside, directory)


def _require_primary(site: Site, primary: str | None) -> None:
    """Refused where the server only follows another: nothing can be written there."""
    if primary is None:
        return
    where = f"It follows {primary}: point the URL there. " if primary else "Point the URL at its primary. "
    raise Refused(
        f"{site.environment}'s server is a standby (in recovery): nothing can be restored into it.",
        hint=f"{where}Its setting is LEDGER_{site.environment.upper()}_ADMIN_DATABASE_URL, or else "
        f"LEDGER_{site.environment.upper()}_DATABASE_URL. Nothing was touched.",
    )


def _data_directory(connection: Connection) -> Path | None:
    """Where the server keeps its data, if that is on this machine."""
    row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    path = Path(row[0]) if row else None
    try:
        return path if path and path.exists() else None
    except OSError:
        return None


def _require_ours(site: Site, found: Identity, target: Target) -> None:
    """Refused unless the database is the environment's own.

    What is remembered decides. Where nothing is, a database with something in it must be the one that
    the environment's own backups were taken of; and no backup of another environment may be of it.
    """
    _require_one_server(site, found)
    known = identity.is_own(site, found)
    for other in Environment:
        if other is not site.environment and _last_source(site.desk.site(other)) == found:
            raise Refused(
                f"LEDGER_ENV is {site.environment}, but {other}'s backups are of {found}.",
                hint=f"Mend LEDGER_{site.environment.upper()}_DATABASE_URL or compose; nothing was touched.",
            )
    if not (known or target.empty or _last_source(site) == found):
        raise Refused(
            f"{found} holds data and has never been seen as {site.environment}'s.",
            hint=f"If it is: LEDGER_ENV={site.environment} make identity ACCEPT=1",
        )


def _last_source(site: Site) -> Identity | None:
    """The database that the environment's newest backup was taken of."""
    entry = newest(catalog.entries(site))
    if entry is None or entry.manifest is None:
        return None
    return Identity(entry.manifest.source.system_identifier, entry.manifest.source.database)


def _require_one_server(site: Site, found: Identity) -> None:
    """Refused when the account that restores is one of another server, or of another database."""
    settings = site.settings
    if not (settings.admin_url and settings.url):
        return
    usual = Database.of(settings.url, f"environments.{site.environment}.database_url")
    hint = f"Both URLs of {site.environment} must lead to one database of one server. Nothing was touched."
    if usual.parameters["dbname"] != found.database:
        raise Refused(
            f"admin_database_url names {found.database!r}, not the environment's database.", hint=hint
        )
    try:
        with target.maintenance(usual).connect() as connection:
            other = source.facts(connection).system_identifier
    except LedgerError as error:
        raise Refused(f"database_url leads nowhere: {error.message}", hint=hint) from None
    if other != found.system_identifier:
        raise Refused("admin_database_url leads to another server than database_url.", hint=hint)
