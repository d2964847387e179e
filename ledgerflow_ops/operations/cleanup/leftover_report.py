"""Names what operations that were killed have left behind, wherever it is; the drills' own is swept first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ledgerflow_ops.adapters.cluster import stray_clusters
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.catalog.naming import DUMP, BackupName
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.hints import NO_HINT, Hint, command, make
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext

_DOCTOR_HINT = Hint("Look at it, and run it again: ", make("doctor"))
_CHECK = "leftovers"


def leftover_checks(ctx: OperationContext, envs: Sequence[EnvironmentContext]) -> list[Check]:
    """What is left behind, a check each; one that passed where there is nothing."""
    what = "Swept what a killed drill had left: its server, and its data."
    found = [passed(_CHECK, f"{what} (drill {key})") for key in leftover_sweep.sweep_drills(ctx)]
    looks: list[Callable[[], Iterator[Check]]] = [_servers]
    looks += [partial(_folder, env) for env in envs]
    looks += [partial(_databases, env) for env in envs]
    for look in looks:
        try:
            found += look()
        except (LedgerError, OSError) as error:
            hint = error.hint if isinstance(error, LedgerError) else _DOCTOR_HINT
            found.append(warned(_CHECK, "not known", f"What is left behind cannot be told: {error}", hint))
    return found or [passed(_CHECK, "Nothing is left behind by operations that were killed.")]


def _servers() -> Iterator[Check]:
    """Servers that go on running though nobody works with them, of whatever state folder."""
    try:
        account = server_account()
    except CannotJudge:
        return
    for one in filter(lambda stray: stray.holds_data, stray_clusters.found(account)):
        state, folders = one.lock_file.parent.parent, " ".join(map(str, one.folders))
        runs = f"The server (process {one.process}) of a drill" if one.process else "A drill"
        end = Hint(command("kill", "-QUIT", one.process), "; ") if one.process else NO_HINT
        gone = "is gone" if one.state_is_gone else "belongs to another state_dir"
        yield warned(
            _CHECK,
            "drill",
            f"{runs} that died has left a database in {folders}. Its state folder, {state}, {gone}.",
            Hint(end, command("rm", "-rf", *one.folders)),
        )
    for pid, data in stray_clusters.homeless(account):
        message = f"A PostgreSQL server (process {pid}) goes on running; its data, {data}, was removed."
        yield warned(_CHECK, "server", message, Hint(command("kill", "-QUIT", pid)))


def _folder(env: EnvironmentContext) -> Iterator[Check]:
    """What lies half-written in an environment's folder, and dumps that no manifest commits."""
    store = env.store
    if not store.there():
        return
    half = [*store.leftovers(), *leftover_sweep.unfinished_records(env)]
    half += [f"{removal_history.FOLDER}/{name}" for name in removal_history.history_store(env).leftovers()]
    if half:
        message = (
            f"In {store.location}, left by an operation that was cut off or is at work: {_listed(half)}."
        )
        hint = Hint("The next one sweeps it: ", make("backup", env.environment))
        yield warned(_CHECK, f"{env.environment} folder", message, hint)
    alone = [file for file in store.names(DUMP) if not store.taken(BackupName.of(file).manifest)]
    if alone:
        message = f"In {store.location} without a manifest, and so no backup: {_listed(alone)}."
        hint = Hint(make("restore-test", env.environment, FILE=alone[0]))
        yield warned(_CHECK, f"{env.environment} dumps", message, hint)


def _databases(env: EnvironmentContext) -> Iterator[Check]:
    """Databases of restores that were cut off. That no server answers is told by the check of the source."""
    if env.is_sample and not env.ctx.embedded.running:
        return
    database = env.target()
    live = database.parameters["dbname"]
    try:
        with restore_server.maintenance(database).connect() as connection:
            found = database_names.unfinished_restores(
                restore_server.beside(connection), env.environment, live
            )
    except LedgerError:
        return
    if names := [one.name for one in found]:
        message = f"On the server of {env.environment}, half-restored and never live: {_listed(names)}."
        hint = Hint(make("discard", env.environment, NAME=names[0]))
        yield warned(_CHECK, f"{env.environment} databases", message, hint)


def _listed(names: Iterable[str]) -> str:
    """Names that anybody may have given, on one line whatever is in them."""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names)
