"""The checks after a restore: whether the restored database is in service."""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from ledgerflow_ops.adapters.cluster.server_log import LogMark
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.text_codecs import Fragment, Identifier
from ledgerflow_ops.adapters.inspection import table_contents
from ledgerflow_ops.adapters.load import restore_server
from ledgerflow_ops.adapters.services import application_check
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.checks import Check, failed, passed, warned
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore.target_inspection import InspectedTarget

_SAMPLES = 5
_SHOWN = 10
_UNDO = Hint(make("rollback"), " puts the old database back; ", make("status"), " shows it.")


@dataclass(frozen=True, slots=True)
class PostRestoreChecks:
    """What will be checked, with the position in the server's log at which the restore began."""

    env: EnvironmentContext
    inspected: InspectedTarget
    log: LogMark | None

    def checks(self, manifest: Manifest) -> list[Check]:
        """Check the connection and largest tables by the application's account, the application, the log."""
        settings = self.env.settings
        usual = (
            restore_server.without_event_triggers(Database.from_address(settings.url, "database_url"))
            if settings.url
            else self.inspected.database
        )
        return [*_samples(usual, manifest), _application(settings.application_check), self._logs()]

    def _logs(self) -> Check:
        """Whether the server wrote errors about this database since the restore began."""
        if self.log is None:
            return warned(
                "log", "log", "The server's log was not reviewed.", Hint("Set server_log to the log's file.")
            )
        errors = self.log.errors((self.inspected.name,))
        if not errors:
            return passed("log", f"No error about {self.inspected.name} in the server's log.")
        listed = "\n".join(f"  {line}" for line in errors[-_SHOWN:])
        return failed("log", "log", f"{count_of(len(errors), 'error')} in the server's log:\n{listed}", _UNDO)


def prepare_checks(env: EnvironmentContext, inspected: InspectedTarget) -> PostRestoreChecks:
    """Note where the server's log ends before the restore begins."""
    file = env.settings.server_log
    if file is None and env.is_sample:
        file = env.ctx.embedded.cluster.log
    return PostRestoreChecks(env, inspected, LogMark.now(file))


def _samples(database: Database, manifest: Manifest) -> Iterator[Check]:
    """The application's account connects, and the largest tables have the restored number of rows.

    Partitions whose rows the server redistributes are not counted. Of an extension's table only the rows
    that a dump contains are counted.
    """
    placed_anew = {name for name, table in manifest.contents.tables.items() if table.root}
    counted = [item for item in manifest.seal.tables.items() if item[0] not in placed_anew]
    largest = sorted(counted, key=lambda item: -item[1].rows)[:_SAMPLES]
    different = []
    try:
        with database.connect() as connection:
            conditions = {
                shape.name.key: shape.condition for shape in table_contents.table_shapes(connection)
            }
            for key, facts in largest:
                name = QualifiedName.parse(key)
                count = sql.SQL("SELECT count(*) FROM ONLY {} {}").format(
                    Identifier(name.schema, name.name), Fragment(conditions.get(key, ""))
                )
                row = connection.execute(count).fetchone()
                if row is None or row[0] != facts.rows:
                    different.append(
                        f"  {key}: {count_of(facts.rows, 'row')} restored, {row and row[0]} found"
                    )
    except LedgerError as error:
        yield failed("connection", "connection", error.message, _UNDO)
        return
    yield passed("connection", f"Connected to {database.label} as the environment's own account.")
    if different:
        yield failed("samples", "samples", "\n".join(["Row counts differ:", *different]), _UNDO)
    else:
        tables = count_of(len(largest), "large table has its", "large tables have their")
        yield passed("samples", f"{tables} rows.")


def _application(check: str) -> Check:
    """The check of the application by `application_check`, a URL or a command."""
    if not check:
        return warned(
            "application",
            "application",
            "The application was not asked.",
            Hint("Set application_check to a URL or a command."),
        )
    if trouble := application_check.check_application(check):
        return failed("application", "application", f"The application is not well: {trouble}", _UNDO)
    return passed("application", "The application says that it is well.")
