"""Dagster's daemon as `make up` starts it: it imports the definitions anew when they have changed.

`dagster-daemon` imports them once a minute, which was most of what an idle machine paid for. This runs the
same daemons over the same workspace, made by the same functions (dagster/_daemon/controller.py, 1.13.27).
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

_AT_LEAST = 3600
"""Seconds after which the definitions are imported anew, whatever has changed or not."""


@dataclass(frozen=True)
class Source:
    """What the definitions are made of: the settings, the first day of each environment, and our code, as
    the name, size and modification time (ns) of each file."""

    settings: config.Settings
    days: tuple[datetime, ...]
    code: frozenset[tuple[str, int, int]]


def source() -> Source | None:
    """What the definitions would be made of now; None where they cannot be made: the settings are wrong, or
    a folder cannot be read."""
    try:
        ctx = OperationContext(config.load())
        days = tuple(backup_days(ctx.env(environment)).start for environment in Environment)
        return Source(ctx.settings, days, _code())
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
    """Run the daemons over the definitions that `workspace` names; KeyboardInterrupt when asked to end."""
    made_of = source()
    with ExitStack() as stack:
        registry = stack.enter_context(controller.create_daemon_grpc_server_registry(instance, "warning"))
        daemons = [stack.enter_context(one) for one in controller.create_daemons_from_instance(instance)]
        target = WorkspaceFileTarget(paths=[workspace])
        context = stack.enter_context(
            WorkspaceProcessContext(instance, target, grpc_server_registry=registry)
        )
        configure_loggers(handler="default", formatter="colored", log_level="INFO")
        stack.enter_context(Controller(context, registry, daemons, made_of)).check_daemon_loop()


class Controller(controller.DagsterDaemonController):
    """Dagster's controller, which looks once a minute whether the definitions must be imported anew."""

    def __init__(
        self,
        context: WorkspaceProcessContext,
        registry: GrpcServerRegistry,
        daemons: list[DagsterDaemon[Any]],
        made_of: Source | None,
    ) -> None:
        self._made_of, self._made_at = made_of, get_current_timestamp()
        super().__init__(context, daemons, registry)

    def check_workspace_freshness(self, last_workspace_update_time: float) -> float:
        """Once a minute: import the definitions anew, unless that would change nothing."""
        now = get_current_timestamp()
        if now - last_workspace_update_time <= controller.RELOAD_WORKSPACE_INTERVAL:
            return last_workspace_update_time
        # Looked at before they are imported: what changes meanwhile is found the next time.
        made_of = source()
        if made_of == self._made_of and now - self._made_at < _AT_LEAST and self._loaded():
            return now
        updated = super().check_workspace_freshness(last_workspace_update_time)
        if updated != last_workspace_update_time:
            self._made_of, self._made_at = made_of, updated
        return updated

    def _loaded(self) -> bool:
        """Whether the definitions were imported without an error, and the process that holds them answers."""
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
