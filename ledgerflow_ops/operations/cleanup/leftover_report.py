"""Reports what killed operations have left behind, wherever it is. Remains of drills are swept first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ledgerflow_ops.adapters.cluster import stray_clusters
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.catalog.naming import DUMPS, BackupName
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import NO_HINT, Hint, command, make
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_DOCTOR_HINT = Hint("Fix that, and run it again: ", make("doctor"))
_CHECK = "leftovers"


def leftover_checks(ctx: OperationContext, envs: Sequence[EnvironmentContext]) -> list[Check]:
    """A check for each leftover; one passed check where there is none."""
    what = "Swept what a killed drill had left: its server, and its data."
    checks = [passed(_CHECK, f"{what} (drill {key})") for key in leftover_sweep.sweep_drills(ctx)]
    searches: list[Callable[[], Iterator[Check]]] = [_servers]
    searches += [partial(_folder, env) for env in envs]
    searches += [partial(_databases, env) for env in envs]
    for search in searches:
        try:
            checks += search()
        except (LedgerError, OSError) as error:
            hint = error.hint if isinstance(error, LedgerError) else _DOCTOR_HINT
            checks.append(warned(_CHECK, "not known", f"Leftovers cannot be determined: {error}", hint))
    return checks or [passed(_CHECK, "Nothing is left behind by operations that were killed.")]


def _servers() -> Iterator[Check]:
    """Abandoned PostgreSQL servers, of any state folder."""
    try:
        account = server_account()
    except CannotJudge:
        return
    for drill in filter(lambda stray: stray.holds_data, stray_clusters.find_stray_clusters(account)):
        state, folders = drill.lock_file.parent.parent, " ".join(map(str, drill.folders))
        runs = f"The server (process {drill.process}) of a drill" if drill.process else "A drill"
        end = Hint(command("kill", "-QUIT", drill.process), "; ") if drill.process else NO_HINT
        gone = "is gone" if drill.state_is_gone else "belongs to another state_dir"
        yield warned(
            _CHECK,
            "drill",
            f"{runs} that died has left a database in {folders}. Its state folder, {state}, {gone}.",
            Hint(end, command("rm", "-rf", *drill.folders)),
        )
    for pid, data in stray_clusters.find_servers_without_data(account):
        message = f"A PostgreSQL server (process {pid}) still runs, but its data, {data}, was removed."
        yield warned(_CHECK, "server", message, Hint(command("kill", "-QUIT", pid)))


def _folder(env: EnvironmentContext) -> Iterator[Check]:
    """Half-written files in an environment's folder, and dumps without a manifest."""
    store = env.store
    if not store.exists():
        return
    half = [*store.leftovers(), *leftover_sweep.unfinished_records(env)]
    half += [f"{removal_history.FOLDER}/{name}" for name in removal_history.history_store(env).leftovers()]
    if half:
        message = (
            f"In {store.location}, left by an operation that was interrupted or still runs: {_listed(half)}."
        )
        hint = Hint("The next one sweeps it: ", make("backup", env.environment))
        yield warned(_CHECK, f"{env.environment} folder", message, hint)
    alone = [file for file in store.names(*DUMPS) if not store.taken(BackupName.of(file).manifest)]
    if alone:
        message = f"In {store.location} without a manifest, and so not a backup: {_listed(alone)}."
        hint = Hint(make("restore-test", env.environment, FILE=alone[0]))
        yield warned(_CHECK, f"{env.environment} dumps", message, hint)


def _databases(env: EnvironmentContext) -> Iterator[Check]:
    """Databases of interrupted restores. The check of the source reports a server that does not answer."""
    if env.is_sample and not env.ctx.embedded.running:
        return
    database = env.target()
    live = database.parameters["dbname"]
    try:
        with restore_server.maintenance_database(database).connect() as connection:
            unfinished = database_names.unfinished_restores(
                restore_server.marked_databases(connection), env.environment, live
            )
    except LedgerError:
        return
    if names := [sibling.name for sibling in unfinished]:
        message = f"On the server of {env.environment}, half-restored and never live: {_listed(names)}."
        hint = Hint(make("discard", env.environment, NAME=names[0]))
        yield warned(_CHECK, f"{env.environment} databases", message, hint)


def _listed(names: Iterable[str]) -> str:
    """Names, which may contain any character, on one line."""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names)
