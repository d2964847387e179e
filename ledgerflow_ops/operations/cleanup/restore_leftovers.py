"""Removes what restores that were cut off have left on the server. They are never the live database."""

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.load import drop_database, restore_server
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.errors import InUse, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.qualified_names import quote
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.core.restore.database_names import SiblingDatabase
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.cleanup import swap_outcome
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_pairing, files_restore


def sweep(env: EnvironmentContext) -> list[str]:
    """Drop them, under the environment's lock; the names. A database that is not ours is not touched."""
    database = env.target()
    name, server = database.parameters["dbname"], restore_server.maintenance(database)
    with server.connect() as connection:
        found = restore_server.beside(connection)
        halves = database_names.unfinished_restores(found, env.environment, name)
        kept_ = database_names.previous_databases(found, env.environment, name)
        swap_outcome.require_ended(connection, [one.name for one in (*halves, *kept_)])
        ids = {one.mark.id for one in halves}, {one.mark.id for one in kept_}
        for ident in files_pairing.settle_interrupted(env, *ids):
            env.ctx.reporter.say(f"settled the files of the interrupted restore {ident}")
        others = _unmarked_names(connection, database.quiet(connection), {one.name for one in found})
        left = (*(one.name for one in halves), *others)
        swept = [half for half in left if _drop(env, server, half)]
    for one_name in swept:
        env.ctx.reporter.say(f"swept {one_name}: left half-restored by an interrupted restore")
    return swept


def _drop(env: EnvironmentContext, server: Database, name: str) -> bool:
    """Whether a half-restored database could be dropped. One whose session does not end is left, and told."""
    try:
        drop_database.drop(server, name)
    except InUse as error:
        env.ctx.reporter.say(f"{name} is left for later: {error.message}")
        return False
    return True


def _unmarked_names(connection: Connection, database: Database, marked: set[str]) -> list[str]:
    """Those whose restore died between making them and marking them: our form of name, and empty."""
    live = database.parameters["dbname"]
    names = [found for (found,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn")]
    ours = [found for found in names if found not in marked and database_names.is_restoring_name(found, live)]
    return [found for found in ours if _is_empty(database.named(found))]


def _is_empty(database: Database) -> bool:
    try:
        with database.connect() as connection:
            return restore_server.live(connection).relations == 0
    except LedgerError:
        return False


def discard(env: EnvironmentContext, name: str) -> str:
    """Drop a database that used to be live, on purpose and by its whole name. Refused for any other.

    The name of one that a cut-off restore has left is good as well: then all of these are swept.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "discard") as note,
        locks.exclusive(ctx.settings.state_dir, env.environment, "discard", ctx.clock()),
    ):
        note["name"] = name
        if name in _half_restored(env):
            if name not in sweep(env):
                raise LedgerError(
                    f"{name} could not be dropped: a session on it does not end.",
                    hint=Hint(
                        "A server's process that is stopped (SIGSTOP) must go on first; then run it again."
                    ),
                )
            return name
        names = {one.name: one.mark for one in previous_databases(env)}
        if name not in names:
            listed = "".join(f"\n    {one}" for one in names) or " none"
            raise Refused(
                f"{name!r} is no earlier database of {env.environment}. There are:{listed}",
                hint=Hint("Give the whole name: NAME=…; nothing was dropped."),
            )
        if names[name].only:
            raise Refused(
                f"{name} is all there is of what is in it: no server can load its safety backup.",
                hint=Hint(
                    "Fix what that names (",
                    make("status"),
                    "); ",
                    make("rollback"),
                    f" makes it live. To lose it, in psql: DROP DATABASE {quote(name)};",
                ),
            )
        drop_database.drop(restore_server.maintenance(env.target()), name)
        for ident in (names[name].id, names[name].undone):
            if ident and (
                files_restore.find_swapped(env, ident) or files_restore.find_taken_back(env, ident)
            ):
                files_restore.remove_previous_files(env, ident)
    return name


def previous_databases_or_reason(env: EnvironmentContext) -> tuple[list[SiblingDatabase], str]:
    """As `kept`, and in words why it cannot be said; never an error, never a server started for it."""
    if env.is_sample and not env.ctx.embedded.running:
        return [], ""
    try:
        return previous_databases(env), ""
    except LedgerError as error:
        return [], error.message


def previous_databases(env: EnvironmentContext) -> list[SiblingDatabase]:
    """The databases that were live before, the last one first."""
    database = env.target()
    return database_names.previous_databases(
        _sibling_databases(database), env.environment, database.parameters["dbname"]
    )


def _half_restored(env: EnvironmentContext) -> set[str]:
    database = env.target()
    found = database_names.unfinished_restores(
        _sibling_databases(database), env.environment, database.parameters["dbname"]
    )
    return {one.name for one in found}


def _sibling_databases(database: Database) -> list[SiblingDatabase]:
    with restore_server.maintenance(database).connect() as connection:
        return restore_server.beside(connection)
