"""Looks at everything an operation needs, and says of each whether it is there."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ledgerflow_ops import config, places
from ledgerflow_ops.adapters import disks, login_triggers, source, target, tools
from ledgerflow_ops.adapters import folder as folders
from ledgerflow_ops.adapters.client import Client
from ledgerflow_ops.adapters.container import Container
from ledgerflow_ops.adapters.locks import who
from ledgerflow_ops.adapters.postgres import Connection
from ledgerflow_ops.core.checks import Check, Severity, failed, passed, warned
from ledgerflow_ops.core.connections import BACKUP
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.operations import (
    channels,
    connections,
    filing,
    globals_file,
    identity,
    orphans,
    rights,
)
from ledgerflow_ops.operations.desk import Desk, Site
from ledgerflow_ops.operations.embedded import storage
from ledgerflow_ops.operations.verify import source_is_real


def examine(desk: Desk, sites: Sequence[Site]) -> list[Check]:
    """Every finding, in the order in which an operation would meet it."""
    checks = list(_settings(desk))
    checks += _channels(desk)
    checks += orphans.examine(desk, sites)
    checks += _tried("tools", partial(_tools, desk))
    if desk.settings.dagster_url:
        checks += _tried("storage", partial(_storage, desk))
    for number in range(len(desk.settings.archive_roots)):
        checks += _tried("archive", partial(_archive, desk, number))
    for site in sites:
        checks += _tried(f"{site.environment} folder", partial(_folder, site))
        if site.container:
            checks += _tried(f"{site.environment} container", partial(_container, site, site.container))
        checks += _tried(f"{site.environment} source", partial(_source, site))
        if site.settings.files:
            checks += _tried(f"{site.environment} files", partial(_files, site))
    return checks


def _tried(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """What `look` finds; an error it meets is a finding as well."""
    try:
        return list(look())
    except LedgerError as error:
        return [Check(name, False, error.message, error.hint, Severity.ERROR, type(error).__name__)]


def _settings(desk: Desk) -> Iterator[Check]:
    file = places.config_file()
    origin = str(file) if file.exists() else f"defaults and variables (there is no {file})"
    yield passed("settings", f"from {origin}")
    yield passed("account", f"running as {who()}; state in {desk.settings.state_dir}")
    if not folders.writable(desk.settings.state_dir):
        message = f"Nothing can be written into {desk.settings.state_dir}: no lock, no drill."
        yield failed("state", "read-only", message, "Mend its owner and mode, or set another state_dir.")
    for name, nearest in config.unknown_variables().items():
        hint = f"Did you mean {nearest}?" if nearest else "Remove it if it was meant for this system."
        yield warned("settings", "unknown variable", f"{name} is set, but means nothing here.", hint)


def _channels(desk: Desk) -> Iterator[Check]:
    """Whether somebody is told, and whether apprise knows each channel; make alert-test really sends."""
    wrong = channels.mistakes(desk.settings)
    for path, error in wrong.items():
        yield failed("alerts", path, error.message, error.hint)
    for place, one in enumerate(desk.settings.alerts.channels):
        if f"alerts.channels.{place}" not in wrong:
            yield passed("alerts", f"{one.name}: {', '.join(one.environments)}, from {one.level} on")
    if not desk.settings.alerts.channels and any(
        one.is_scheduled for one in desk.settings.environments.values()
    ):
        text = "No channel is set: when something is wrong, nobody is told."
        yield warned("alerts", "no channel", text, "Set [[alerts.channels]]; then make alert-test")


def _tools(desk: Desk) -> Iterator[Check]:
    for found in desk.tools():
        text = f"PostgreSQL {found.version} ({found.origin}) in {found.folder}, -Z {tools.compression(found)}"
        yield passed("tools", text)
    running = "running" if desk.embedded.running else "not running; it is started when it is needed"
    yield passed("embedded", f"{desk.embedded.cluster.data}: {running}")


def _storage(desk: Desk) -> Iterator[Check]:
    yield passed("storage", f"Dagster's records are in {storage(desk.settings).label}")


def _folder(site: Site) -> Iterator[Check]:
    name, folder = f"{site.environment} folder", site.folder
    if not folder.path.exists():
        yield passed(name, f"{folder.path} is not there yet; the first backup makes it")
    else:
        folder.prepare()
        yield passed(name, f"{folder.path}: {len(folder.dumps())} dump(s), {human(folder.free())} free")
    if folder.path.exists() and (exposed := folders.exposed_parents(folder.path)):
        yield warned(name, "parents", "; ".join(exposed), folders.TIGHTEN)


def _archive(desk: Desk, number: int) -> Iterator[Check]:
    root = desk.settings.archive_roots[number]
    if not root.is_dir():
        hint = f"Is its disk mounted? Else make the folder: mkdir -p {shlex.quote(str(root))}"
        yield warned("archive", "away", f"{root} is not there: no copy of a backup is found in it.", hint)
        return
    space = disks.space(root)
    yield passed("archive", f"{root}: {human(space.free)} of {human(space.size)} free")


def _container(site: Site, container: Container) -> Iterator[Check]:
    """What is in the container, and what would have to stand still for a restore."""
    inside, others = container.look(), container.others()
    yield passed(
        f"{site.environment} container",
        f"{container.label}: pg_dump {inside.version}, -Z {inside.compression}, connections by "
        f"{inside.carrier}; beside it runs {others if others.running else 'nothing'}",
    )


def _source(site: Site) -> Iterator[Check]:
    name, database = f"{site.environment} source", target.quiet(site.database())
    with database.connect() as connection:
        found = source.facts(connection)
        identity.is_own(site, identity.met(site, database, connection, found))
    chosen = site.desk.client_tools(found.server_version)
    client = Client(chosen, database.variables(), database.inside)
    yield passed(
        name,
        f"{database.label}: PostgreSQL {found.server_version}, {human(found.size)}; "
        f"dumped by pg_dump {client.version} ({client.origin})",
    )
    with database.connect() as connection:
        yield from rights.checks(name, connection)
        connections.require(connection, BACKUP, "A backup")
        yield from _login_triggers(name, connection)
        if note := globals_file.untold(connection):
            yield warned(name, "names", note, globals_file.MAKE_ONE)
    real = source_is_real(site, None)
    yield Check(name, real.passed, real.message, real.hint, real.severity, real.cause)


def _login_triggers(name: str, connection: Connection) -> Iterator[Check]:
    """Those that every login of this account fires, ours among them."""
    fired, grant = login_triggers.fired(connection)
    if fired:
        text = f"Every login of this account, for a backup or a look, fires: {', '.join(fired)}."
        yield warned(name, "login trigger", text, f"As a superuser, so that ours fire nothing: {grant}")


def _files(site: Site) -> Iterator[Check]:
    """Whether all that is listed is there; reading it is the backup's."""
    seen = filing.look(site)
    size = sum(found.size for found in seen.files)
    yield passed(f"{site.environment} files", f"{len(seen.files)} file(s), {human(size)}")
    for note in seen.notes:
        yield passed(f"{site.environment} files", note)
