"""Removes what interrupted restores have left on the server. That is never the live database."""

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.load import drop_database, restore_server
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.errors import InUse, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.qualified_names import quote
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.core.restore.database_names import DatabaseMark, SiblingDatabase
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.cleanup import swap_outcome
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_pairing, files_restore


def sweep(env: EnvironmentContext) -> list[str]:
    """Drop half-restored databases; returns the names. Databases that are not ours are not touched.

    Requires the environment's lock. Pending where a swap has not ended at the server.
    """
    database = env.target()
    name, server = database.parameters["dbname"], restore_server.maintenance_database(database)
    with server.connect() as connection:
        siblings = restore_server.marked_databases(connection)
        halves = database_names.unfinished_restores(siblings, env.environment, name)
        previous = database_names.previous_databases(siblings, env.environment, name)
        swap_outcome.require_ended(connection, [sibling.name for sibling in (*halves, *previous)])
        ids = {sibling.mark.id for sibling in halves}, {sibling.mark.id for sibling in previous}
        for ident in files_pairing.settle_interrupted(env, *ids):
            env.ctx.reporter.say(f"settled the files of the interrupted restore {ident}")
        unmarked = _unmarked_names(
            connection,
            database.without_event_triggers_if_allowed(connection),
            {sibling.name for sibling in siblings},
        )
        leftovers = (*(sibling.name for sibling in halves), *unmarked)
        swept = [half for half in leftovers if _drop(env, server, half)]
    for dropped in swept:
        env.ctx.reporter.say(f"swept {dropped}: left half-restored by an interrupted restore")
    return swept


def _drop(env: EnvironmentContext, server: Database, name: str) -> bool:
    """Whether a half-restored database could be dropped. One whose session does not end is reported."""
    try:
        drop_database.drop_database(server, name)
    except InUse as error:
        env.ctx.reporter.say(f"{name} is left for later: {error.message}")
        return False
    return True


def _unmarked_names(connection: Connection, database: Database, marked: set[str]) -> list[str]:
    """Databases of restores killed before marking them: named like ours, and empty."""
    live = database.parameters["dbname"]
    names = [
        datname for (datname,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn")
    ]
    ours = [
        datname
        for datname in names
        if datname not in marked and database_names.is_restoring_name(datname, live)
    ]
    return [datname for datname in ours if _is_empty(database.named(datname))]


def _is_empty(database: Database) -> bool:
    try:
        with database.connect() as connection:
            return restore_server.inspect_live_database(connection).relations == 0
    except LedgerError:
        return False


def discard(env: EnvironmentContext, name: str) -> str:
    """Drop a database that used to be live, by its whole name; returns the name. Refused (3) for any other.

    For the name of a half-restored database, all of these are swept.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "discard") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "discard", ctx.clock()),
    ):
        note["name"] = name
        if name in _half_restored(env):
            _require_swept(name, sweep(env))
            return name
        mark = _require_disposable(env, name)
        drop_database.drop_database(restore_server.maintenance_database(env.target()), name)
        for ident in (mark.id, mark.undone):
            if ident and (
                files_restore.find_swapped(env, ident) or files_restore.find_taken_back(env, ident)
            ):
                files_restore.remove_previous_files(env, ident)
    return name


def _require_swept(name: str, swept: list[str]) -> None:
    if name not in swept:
        raise LedgerError(
            f"{name} could not be dropped: a session on it does not end.",
            hint=Hint("A server process that is stopped (SIGSTOP) must continue first; then run it again."),
        )


def _require_disposable(env: EnvironmentContext, name: str) -> DatabaseMark:
    """The mark of an earlier database; Refused for any other, and for the only copy of its data."""
    marks = {previous.name: previous.mark for previous in previous_databases(env)}
    if name not in marks:
        listed = "".join(f"\n    {previous}" for previous in marks) or " none"
        raise Refused(
            f"{name!r} is not an earlier database of {env.environment}. There are:{listed}",
            hint=Hint(
                *(make("discard", env.environment, NAME=marked) for marked in list(marks)[:1]),
                " drops the first of them. Nothing was dropped." if marks else "Nothing was dropped.",
            ),
        )
    if marks[name].only:
        raise Refused(
            f"{name} is the only usable copy of its data: no server can load its safety backup.",
            hint=Hint(
                "Fix what that names (",
                make("status"),
                "); ",
                make("rollback"),
                f" makes it live. To lose it, in psql: DROP DATABASE {quote(name)};",
            ),
        )
    return marks[name]


def previous_databases_or_reason(env: EnvironmentContext) -> tuple[list[SiblingDatabase], str]:
    """As `previous_databases`, with the reason where they are not known. Never an error; starts no server."""
    if env.is_sample and not env.ctx.embedded.running:
        return [], ""
    try:
        return previous_databases(env), ""
    except LedgerError as error:
        return [], error.message


def previous_databases(env: EnvironmentContext) -> list[SiblingDatabase]:
    """The databases that were live before, the latest first."""
    database = env.target()
    return database_names.previous_databases(
        _sibling_databases(database), env.environment, database.parameters["dbname"]
    )


def _half_restored(env: EnvironmentContext) -> set[str]:
    database = env.target()
    unfinished = database_names.unfinished_restores(
        _sibling_databases(database), env.environment, database.parameters["dbname"]
    )
    return {sibling.name for sibling in unfinished}


def _sibling_databases(database: Database) -> list[SiblingDatabase]:
    with restore_server.maintenance_database(database).connect() as connection:
        return restore_server.marked_databases(connection)
