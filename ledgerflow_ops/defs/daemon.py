"""Dagster's daemon as `make up` starts it: it imports the definitions again only when they have changed.

`dagster-daemon` imports them once a minute, which was most of the CPU time of an idle `make up`. This module
runs the same daemons over the same workspace, built by the same functions (dagster/_daemon/controller.py,
1.13.27).
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from dagster._core.remote_representation.grpc_server_registry import (
    ErrorRegistryEntry,
    GrpcServerRegistry,
    ServerRegistryEntry,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon import controller
from dagster._daemon.daemon import DagsterDaemon
from dagster._grpc.client import DagsterGrpcClient
from dagster._time import get_current_timestamp
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers
from dagster._utils.log import configure_loggers

import ledgerflow_ops
from ledgerflow_ops import config
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.defs.assets.partitions import backup_days
from ledgerflow_ops.operations.context import OperationContext

_MAX_AGE = 3600
"""Seconds after which the definitions are imported again even when nothing has changed."""


@dataclass(frozen=True)
class DefinitionInputs:
    """What the definitions depend on: the settings, the first day of each environment's partitions, and our
    code, as the name, size (bytes) and modification time (ns) of each file."""

    settings: config.Settings
    days: tuple[datetime, ...]
    code: frozenset[tuple[str, int, int]]


def definition_inputs() -> DefinitionInputs | None:
    """The current inputs of the definitions; None when the definitions cannot be built because the settings
    are wrong or a folder cannot be read."""
    try:
        ctx = OperationContext(config.load())
        days = tuple(backup_days(ctx.env(environment)).start for environment in Environment)
        return DefinitionInputs(ctx.settings, days, _code())
    except (LedgerError, OSError):
        return None


def _code() -> frozenset[tuple[str, int, int]]:
    files = [(file, file.stat()) for file in Path(ledgerflow_ops.__path__[0]).rglob("*.py")]
    return frozenset((str(file), facts.st_size, facts.st_mtime_ns) for file, facts in files)


@click.command()
@click.option("--workspace", required=True, help="Dagster's workspace.yaml.")
def main(workspace: str) -> None:
    """Run Dagster's daemons until a signal ends them."""
    setup_interrupt_handlers()
    try:
        with capture_interrupts(), dg.DagsterInstance.get() as instance:
            run(instance, workspace)
    except KeyboardInterrupt:
        return


def run(instance: dg.DagsterInstance, workspace: str) -> None:
    """Run the daemons over the definitions that `workspace` names; a signal raises KeyboardInterrupt."""
    inputs = definition_inputs()
    with ExitStack() as stack:
        registry = stack.enter_context(controller.create_daemon_grpc_server_registry(instance, "warning"))
        daemons = [
            stack.enter_context(daemon) for daemon in controller.create_daemons_from_instance(instance)
        ]
        target = WorkspaceFileTarget(paths=[workspace])
        context = stack.enter_context(
            WorkspaceProcessContext(instance, target, grpc_server_registry=registry)
        )
        configure_loggers(handler="default", formatter="colored", log_level="INFO")
        stack.enter_context(Controller(context, registry, daemons, inputs)).check_daemon_loop()


class Controller(controller.DagsterDaemonController):
    """Dagster's controller, which checks once a minute whether the definitions must be imported again."""

    def __init__(
        self,
        context: WorkspaceProcessContext,
        registry: GrpcServerRegistry,
        daemons: list[DagsterDaemon[Any]],
        inputs: DefinitionInputs | None,
    ) -> None:
        self._inputs, self._imported_at = inputs, get_current_timestamp()
        super().__init__(context, daemons, registry)

    def check_workspace_freshness(self, last_workspace_update_time: float) -> float:
        """Import the definitions again, at most once a minute and only if that could change something.

        Takes and returns the time of the last check, in seconds since the epoch.
        """
        now = get_current_timestamp()
        if now - last_workspace_update_time <= controller.RELOAD_WORKSPACE_INTERVAL:
            return last_workspace_update_time
        # Read before the import, so that a change during the import is noticed at the next check.
        inputs = definition_inputs()
        if inputs == self._inputs and now - self._imported_at < _MAX_AGE and self._loaded():
            return now
        updated = super().check_workspace_freshness(last_workspace_update_time)
        if updated != last_workspace_update_time:
            self._inputs, self._imported_at = inputs, updated
        return updated

    def _loaded(self) -> bool:
        """Whether the definitions were imported without an error and the process that holds them responds."""
        registry, workspace = self._grpc_server_registry, self._workspace_process_context
        if registry is None or workspace.create_request_context().code_location_errors():
            return False
        return all(map(_answers, registry._active_entries.values()))  # noqa: SLF001


def _answers(entry: ServerRegistryEntry | ErrorRegistryEntry) -> bool:
    if isinstance(entry, ErrorRegistryEntry) or entry.process.server_process.poll() is not None:
        return False
    try:
        client: DagsterGrpcClient = entry.process.create_client()  # type: ignore[no-untyped-call]
        client.ping("")
    except dg.DagsterError:
        return False
    return True


if __name__ == "__main__":
    main()
