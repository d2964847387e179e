"""Checks everything that an operation needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ledgerflow_ops import config, places
from ledgerflow_ops.adapters.connection.database import Connection
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import login_triggers, source
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.services.container import Container
from ledgerflow_ops.adapters.storage import folder as folders
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.adapters.system.locks import account_name
from ledgerflow_ops.core.catalog.naming import DUMPS
from ledgerflow_ops.core.checks import Check, Severity, failed, first_fatal, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.core.postgres.connection_limits import BACKUP
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations import identity
from ledgerflow_ops.operations.alerting import channels
from ledgerflow_ops.operations.backup import account_rights, globals_file, session_limits
from ledgerflow_ops.operations.cleanup import leftover_report
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.operations.files import files_backup
from ledgerflow_ops.operations.monitoring import location_checks, settings_checks
from ledgerflow_ops.operations.monitoring.bucket_checks import bucket_checks
from ledgerflow_ops.operations.restore import restore_rights
from ledgerflow_ops.operations.verification.verify import source_is_real


def examine(ctx: OperationContext, envs: Sequence[EnvironmentContext]) -> list[Check]:
    """All checks, in the order in which an operation would need them."""
    checks = [*_settings(ctx), *settings_checks.secret_checks(ctx.settings)]
    checks += _checks_or_error("signing key", partial(settings_checks.signing_key_checks, ctx))
    checks += _channels(ctx)
    checks += leftover_report.leftover_checks(ctx, envs)
    checks += _checks_or_error("tools", partial(_tools, ctx))
    if ctx.settings.dagster_url:
        checks += _checks_or_error("storage", partial(_storage, ctx))
    checks += settings_checks.location_checks(ctx.settings)
    for number in range(len(ctx.settings.archive_folders)):
        checks += _checks_or_error("archive", partial(_archive, ctx, number))
    for location in ctx.settings.all_locations:
        if location.kind != "folder":
            checks += _checks_or_error("archive", partial(bucket_checks, location))
    for env in envs:
        checks += [
            replace(check, hint=check.hint.within(env.environment)) for check in _environment_checks(env)
        ]
    return checks


def _environment_checks(env: EnvironmentContext) -> Iterator[Check]:
    yield from _checks_or_error(f"{env.environment} folder", partial(_folder, env))
    if env.container:
        yield from _checks_or_error(f"{env.environment} container", partial(_container, env, env.container))
    source_checks = _checks_or_error(f"{env.environment} source", partial(_source, env))
    yield from source_checks
    if env.settings.admin_url or first_fatal(source_checks) is None:  # else it is the same error again
        yield from _checks_or_error(f"{env.environment} restore", partial(_restore, env))
    yield from settings_checks.rule_checks(env)
    yield from location_checks.location_checks(env)
    encryption = partial(settings_checks.encryption_checks, env)
    yield from _checks_or_error(f"{env.environment} encryption", encryption)
    escrow = partial(settings_checks.escrow_checks, env)
    yield from _checks_or_error(f"{env.environment} escrow", escrow)
    if env.settings.files:
        yield from _checks_or_error(f"{env.environment} files", partial(_files, env))


def _checks_or_error(name: str, examination: Callable[[], Iterator[Check]]) -> list[Check]:
    """The checks of `examination`; an error that it raises becomes a failed check."""
    try:
        return list(examination())
    except LedgerError as error:
        return [Check(name, False, error.message, error.hint, Severity.ERROR, type(error).__name__)]


def _settings(ctx: OperationContext) -> Iterator[Check]:
    file = places.config_file()
    origin = str(file) if file.exists() else f"defaults and variables (there is no {file})"
    yield passed("settings", f"from {origin}")
    yield passed("account", f"running as {account_name()}; state in {ctx.settings.state_dir}")
    if not folders.is_writable(ctx.settings.state_dir):
        message = f"Nothing can be written into {ctx.settings.state_dir}: no lock, no drill."
        yield failed("state", "read-only", message, Hint("Fix its owner and mode, or set another state_dir."))
    for name, nearest in config.unknown_variables().items():
        hint = (
            Hint(f"Did you mean {nearest}?")
            if nearest
            else Hint("Remove it if it was meant for this system.")
        )
        yield warned("settings", "unknown variable", f"{name} is set, but is not a setting.", hint)


def _channels(ctx: OperationContext) -> Iterator[Check]:
    """Whether there is an alert channel, and whether apprise accepts each; make alert-test really sends."""
    errors = channels.channel_errors(ctx.settings)
    for path, error in errors.items():
        yield failed("alerts", path, error.message, error.hint)
    for place, channel in enumerate(ctx.settings.alerts.channels):
        if f"alerts.channels.{place}" not in errors:
            yield passed(
                "alerts", f"{channel.name}: {', '.join(channel.environments)}, from {channel.level} on"
            )
    if not ctx.settings.alerts.channels and any(
        channel.is_scheduled for channel in ctx.settings.environments.values()
    ):
        text = "No channel is set: when something is wrong, nobody is alerted."
        yield warned("alerts", "no channel", text, Hint("Set [[alerts.channels]]; then ", make("alert-test")))


def _tools(ctx: OperationContext) -> Iterator[Check]:
    for tools in ctx.tools():
        compression = client_tools.compression_option(tools)
        text = f"PostgreSQL {tools.version} ({tools.origin}) in {tools.folder}, -Z {compression}"
        yield passed("tools", text)
    running = "running" if ctx.embedded.running else "not running; it is started when it is needed"
    yield passed("embedded", f"{ctx.embedded.cluster.data}: {running}")


def _storage(ctx: OperationContext) -> Iterator[Check]:
    yield passed("storage", f"Dagster's records are in {dagster_storage(ctx.settings).label}")


def _folder(env: EnvironmentContext) -> Iterator[Check]:
    name, store = f"{env.environment} folder", env.store
    if not store.exists():
        yield passed(name, f"{store.location} does not exist yet; the first backup creates it")
    else:
        store.prepare()
        free = store.free()
        room = "" if free is None else f", {format_size(free)} free"
        yield passed(name, f"{store.location}: {count_of(len(store.names(*DUMPS)), 'dump')}{room}")
    if store.exists() and (exposed := store.exposed()) and (root := store.root()):
        yield warned(name, "parents", "; ".join(exposed), folders.tighten(root))


def _archive(ctx: OperationContext, number: int) -> Iterator[Check]:
    root = ctx.settings.archive_folders[number]
    if not root.is_dir():
        hint = Hint("Is its disk mounted? Else make the folder: ", command("mkdir", "-p", root))
        yield warned("archive", "away", f"{root} is not there: no copy of a backup is found in it.", hint)
        return
    space = disk_space.read_disk_space(root)
    yield passed("archive", f"{root}: {format_size(space.free)} of {format_size(space.size)} free")


def _container(env: EnvironmentContext, container: Container) -> Iterator[Check]:
    """What is in the container, and the application that a restore would need stopped."""
    inside, application = container.inspect(), container.running_application()
    yield passed(
        f"{env.environment} container",
        f"{container.label}: pg_dump {inside.version}, -Z {inside.compression}, connections by "
        f"{inside.carrier}; beside it runs {application if application.running else 'nothing'}",
    )


def _source(env: EnvironmentContext) -> Iterator[Check]:
    name, database = f"{env.environment} source", restore_server.without_event_triggers(env.database())
    with database.connect() as connection:
        facts = source.read_source_facts(connection)
        identity.is_own_database(env, identity.observed_identity(env, database, connection, facts))
    chosen = env.ctx.client_tools(facts.server_version)
    client = Client(chosen, database.variables(), database.inside)
    yield passed(
        name,
        f"{database.label}: PostgreSQL {facts.server_version}, {format_size(facts.size)}; "
        f"dumped by pg_dump {client.version} ({client.origin})",
    )
    with database.connect() as connection:
        yield from account_rights.rights_checks(name, connection)
        session_limits.require_sessions(connection, BACKUP, "A backup")
        yield from _login_triggers(name, connection)
        if note := globals_file.unreadable_names(connection):
            yield warned(name, "names", note, Hint(globals_file.CREATE_WITHOUT_ENCODING))
    real = source_is_real(env, None)
    yield Check(name, real.passed, real.message, real.hint, real.severity, real.cause)


def _restore(env: EnvironmentContext) -> Iterator[Check]:
    """Whether the account may restore, tried where that leaves nothing behind."""
    rights = restore_rights.find_restore_rights(env, attempt=True)
    if rights:
        name, lacking = f"{env.environment} restore", rights.state != "present"
        yield (
            warned(name, "rights", rights.sentence, rights.hint) if lacking else passed(name, rights.sentence)
        )


def _login_triggers(name: str, connection: Connection) -> Iterator[Check]:
    """The event triggers that every login of this account fires, including ours."""
    fired, grant = login_triggers.fired_login_triggers(connection)
    if fired:
        text = f"Every login of this account, for a backup or a check, fires: {', '.join(fired)}."
        yield warned(name, "login trigger", text, Hint(f"As a superuser, so that ours fire nothing: {grant}"))


def _files(env: EnvironmentContext) -> Iterator[Check]:
    """Whether all listed files exist. Only a backup reads them."""
    listed = files_backup.survey_files(env)
    size = sum(file.size for file in listed.files)
    yield passed(f"{env.environment} files", f"{count_of(len(listed.files), 'file')}, {format_size(size)}")
    for note in listed.notes:
        yield passed(f"{env.environment} files", note)
