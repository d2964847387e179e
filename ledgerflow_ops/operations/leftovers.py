"""Removes what restores that were cut off have left on the server. They are never the live database."""

from ledgerflow_ops.adapters import dropping, locks, target
from ledgerflow_ops.adapters.postgres import Connection, Database
from ledgerflow_ops.core import swap
from ledgerflow_ops.core.errors import InUse, LedgerError, Refused
from ledgerflow_ops.core.swap import Beside
from ledgerflow_ops.core.tables import quote
from ledgerflow_ops.operations import files, journal, pairing, swap_outcome
from ledgerflow_ops.operations.desk import Site


def sweep(site: Site) -> list[str]:
    """Drop them, under the environment's lock; the names. A database that is not ours is not touched."""
    database = site.target()
    name, server = database.parameters["dbname"], target.maintenance(database)
    with server.connect() as connection:
        found = target.beside(connection)
        halves = swap.unfinished(found, site.environment, name)
        kept_ = swap.kept(found, site.environment, name)
        swap_outcome.require_ended(connection, [one.name for one in (*halves, *kept_)])
        ids = {one.mark.id for one in halves}, {one.mark.id for one in kept_}
        for ident in pairing.settle(site, *ids):
            site.desk.reporter.say(f"settled the files of the interrupted restore {ident}")
        others = _unmarked(connection, database.quiet(connection), {one.name for one in found})
        left = (*(one.name for one in halves), *others)
        swept = [half for half in left if _dropped(site, server, half)]
    for one_name in swept:
        site.desk.reporter.say(f"swept {one_name}: left half-restored by an interrupted restore")
    return swept


def _dropped(site: Site, server: Database, name: str) -> bool:
    """Whether a half-restored database could be dropped. One whose session does not end is left, and told."""
    try:
        dropping.drop(server, name)
    except InUse as error:
        site.desk.reporter.say(f"{name} is left for later: {error.message}")
        return False
    return True


def _unmarked(connection: Connection, database: Database, marked: set[str]) -> list[str]:
    """Those whose restore died between making them and marking them: our form of name, and empty."""
    live = database.parameters["dbname"]
    names = [found for (found,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn")]
    ours = [found for found in names if found not in marked and swap.looks_restoring(found, live)]
    return [found for found in ours if _empty(database.named(found))]


def _empty(database: Database) -> bool:
    try:
        with database.connect() as connection:
            return target.live(connection).relations == 0
    except LedgerError:
        return False


def discard(site: Site, name: str) -> str:
    """Drop a database that used to be live, on purpose and by its whole name. Refused for any other.

    The name of one that a cut-off restore has left is good as well: then all of these are swept.
    """
    desk = site.desk
    with (
        journal.recorded(site, "discard") as note,
        locks.exclusive(desk.settings.state_dir, site.environment, "discard", desk.clock()),
    ):
        note["name"] = name
        if name in _halves(site):
            if name not in sweep(site):
                raise LedgerError(
                    f"{name} could not be dropped: a session on it does not end.",
                    hint="A server's process that is stopped (SIGSTOP) must go on first; then run it again.",
                )
            return name
        names = {one.name: one.mark for one in kept(site)}
        if name not in names:
            listed = "".join(f"\n    {one}" for one in names) or " none"
            raise Refused(
                f"{name!r} is no earlier database of {site.environment}. There are:{listed}",
                hint="Give the whole name: NAME=…; nothing was dropped.",
            )
        if names[name].only:
            raise Refused(
                f"{name} is all there is of what is in it: no server can load its safety backup.",
                hint=f"Fix what that names (make status); make rollback makes it live. To lose it, in psql: "
                f"DROP DATABASE {quote(name)};",
            )
        dropping.drop(target.maintenance(site.target()), name)
        for ident in (names[name].id, names[name].undone):
            if ident and (files.swapped(site, ident) or files.taken_back(site, ident)):
                files.drop(site, ident)
    return name


def kept_or_why(site: Site) -> tuple[list[Beside], str]:
    """As `kept`, and in words why it cannot be said; never an error, never a server started for it."""
    if site.is_sample and not site.desk.embedded.running:
        return [], ""
    try:
        return kept(site), ""
    except LedgerError as error:
        return [], error.message


def kept(site: Site) -> list[Beside]:
    """The databases that were live before, the last one first."""
    database = site.target()
    return swap.kept(_beside(database), site.environment, database.parameters["dbname"])


def _halves(site: Site) -> set[str]:
    database = site.target()
    found = swap.unfinished(_beside(database), site.environment, database.parameters["dbname"])
    return {one.name for one in found}


def _beside(database: Database) -> list[Beside]:
    with target.maintenance(database).connect() as connection:
        return target.beside(connection)
