"""Names what operations that were killed have left behind, wherever it is; the drills' own is swept first."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ledgerflow_ops.adapters import strays, target
from ledgerflow_ops.adapters.account import server_account
from ledgerflow_ops.core import swap
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.operations import history, sweeping
from ledgerflow_ops.operations.desk import Desk, Site

_NAME = "leftovers"


def examine(desk: Desk, sites: Sequence[Site]) -> list[Check]:
    """What is left behind, a check each; one that passed where there is nothing."""
    what = "Swept what a killed drill had left: its server, and its data."
    found = [passed(_NAME, f"{what} (drill {key})") for key in sweeping.drills(desk)]
    looks: list[Callable[[], Iterator[Check]]] = [_servers]
    looks += [partial(_folder, site) for site in sites]
    looks += [partial(_databases, site) for site in sites]
    for look in looks:
        try:
            found += look()
        except (LedgerError, OSError) as error:
            hint = error.hint if isinstance(error, LedgerError) else "Look at it, and ask again: make doctor"
            found.append(warned(_NAME, "not known", f"What is left behind cannot be told: {error}", hint))
    return found or [passed(_NAME, "Nothing is left behind by operations that were killed.")]


def _servers() -> Iterator[Check]:
    """Servers that go on running though nobody works with them, of whatever state folder."""
    try:
        account = server_account()
    except CannotJudge:
        return
    for one in filter(lambda stray: stray.holds_data, strays.found(account)):
        state, folders = one.lock_file.parent.parent, " ".join(map(str, one.folders))
        runs = f"The server (process {one.process}) of a drill" if one.process else "A drill"
        gone = "is gone" if one.state_is_gone else "belongs to another state_dir"
        yield warned(
            _NAME,
            "drill",
            f"{runs} that died has left a database in {folders}. Its state folder, {state}, {gone}.",
            f"{f'kill -QUIT {one.process}; ' if one.process else ''}rm -rf {folders}",
        )
    for pid, data in strays.homeless(account):
        message = f"A PostgreSQL server (process {pid}) goes on running; its data, {data}, was removed."
        yield warned(_NAME, "server", message, f"kill -QUIT {pid}")


def _folder(site: Site) -> Iterator[Check]:
    """What lies half-written in an environment's folder, and dumps that no manifest commits."""
    folder = site.folder
    if not folder.path.is_dir():
        return
    half = [*folder.half_written(), *sweeping.records(site)]
    half += [f"{history.FOLDER}/{name}" for name in history.folder(site).unfinished()]
    if half:
        message = f"In {folder.path}, left by an operation that was cut off or is at work: {_listed(half)}."
        hint = f"The next one sweeps it: LEDGER_ENV={site.environment} make backup"
        yield warned(_NAME, f"{site.environment} folder", message, hint)
    alone = [file for file in folder.dumps() if not folder.taken(BackupName.of(file).manifest)]
    if alone:
        message = f"In {folder.path} without a manifest, and so no backup: {_listed(alone)}."
        hint = f"LEDGER_ENV={site.environment} make restore-test FILE={shlex.quote(alone[0])}"
        yield warned(_NAME, f"{site.environment} dumps", message, hint)


def _databases(site: Site) -> Iterator[Check]:
    """Databases of restores that were cut off. That no server answers is told by the check of the source."""
    if site.is_sample and not site.desk.embedded.running:
        return
    database = site.target()
    live = database.parameters["dbname"]
    try:
        with target.maintenance(database).connect() as connection:
            found = swap.unfinished(target.beside(connection), site.environment, live)
    except LedgerError:
        return
    if names := [one.name for one in found]:
        message = f"On the server of {site.environment}, half-restored and never live: {_listed(names)}."
        hint = f"LEDGER_ENV={site.environment} make discard NAME={shlex.quote(names[0])}"
        yield warned(_NAME, f"{site.environment} databases", message, hint)


def _listed(names: Iterable[str]) -> str:
    """Names that anybody may have given, on one line whatever is in them."""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names)
