"""Starts and stops the web pages, the daemon and the metrics server."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.cluster.cluster import free_port, is_free_port
from ledgerflow_ops.adapters.services import dagster_graphql, dagster_home
from ledgerflow_ops.adapters.system import clock, private_files, process
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.presentation import start_durations
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.alerting import channels
from ledgerflow_ops.operations.background_process import Server, servers_folder
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.operations.servers import start_times
from ledgerflow_ops.operations.servers.webpages import pages
from ledgerflow_ops.places import PACKAGE, WORKSPACE

_DAEMON = "ledgerflow_ops.defs.daemon"
_START_TIMEOUT = 90.0


def up(ctx: OperationContext) -> str:
    """Start what does not run yet, wait until the web page answers, and return its address.

    SettingsError (2) when an alert channel cannot be used: a daemon that cannot alert is not started.
    LedgerError when a server ends at once or does not answer within 90 seconds.
    """
    channels.require_channels(ctx.settings)
    leftover_sweep.sweep_drills(ctx)
    with _alone(ctx.settings.state_dir):
        private_files.tighten_permissions(ctx.settings.state_dir)
        return _up(ctx)


def _up(ctx: OperationContext) -> str:
    daemon, metrics = (Server(name, ctx.settings.state_dir) for name in ("daemon", "metrics"))
    owner, viewers = pages(ctx.settings)
    stopped = {
        Step.STORAGE: not ctx.embedded.running,
        Step.DAEMON: not daemon.running(),
        Step.METRICS: not metrics.running(),
        Step.WEB_PAGE: not owner.server.running(),
    }
    phases = _Phases(ctx)
    phases.begin(Step.STORAGE)
    variables = _variables(ctx)
    phases.begin(Step.DAEMON)
    if not daemon.running():
        daemon.start([sys.executable, "-m", _DAEMON, "--workspace", str(WORKSPACE)], variables, "")
    phases.begin(Step.METRICS)
    if not metrics.running():
        port = _usual_port(ctx.settings.state_dir)
        metrics.start(
            [_program("ledgerflow"), "metrics", "--serve", "--port", str(port)],
            {"DAGSTER_HOME": variables["DAGSTER_HOME"]},  # it identifies the process as ours
            f"http://127.0.0.1:{port}/metrics",
        )
    phases.begin(Step.WEB_PAGE)
    owner.run(variables)
    if viewers.wanted:
        viewers.run(variables)
    elif viewers.server.remembered():
        viewers.stop()  # the page is no longer in the settings
    _wait(owner.answers, owner.server, daemon)
    _wait(lambda: dagster_graphql.is_answering(metrics.address), metrics)
    if viewers.wanted:
        _wait(viewers.answers, viewers.server)
    begun = [step for step, is_stopped in stopped.items() if is_stopped]
    durations = start_durations.measured(phases.marks, clock.monotonic(), begun)
    start_times.remember_start(ctx.settings.state_dir, durations)
    return owner.server.address


@dataclass(slots=True)
class _Phases:
    """Reports the phases of a start, and notes when each begins (monotonic seconds)."""

    ctx: OperationContext
    marks: list[tuple[Step, float]] = field(default_factory=list)

    def begin(self, step: Step) -> None:
        self.marks.append((step, clock.monotonic()))
        self.ctx.reporter.step(step)


def login_links(ctx: OperationContext) -> tuple[str, str]:
    """New addresses that log in once: of the owner's page, and of the viewers' (or "")."""
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        return owner.link(), viewers.link()


def viewers_address(ctx: OperationContext) -> str:
    """The address of the read-only page for viewers; empty where there is none."""
    return Server("viewers", ctx.settings.state_dir).address


def reload_pages(ctx: OperationContext) -> bool:
    """Make the web pages show the partitions as they are now; returns whether the owner's page did.

    A page has the partitions of the moment in which it last read the definitions. The viewers' page is
    read-only and accepts no reload: it is restarted on its port.
    """
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        if viewers.server.running():
            viewers.start(_variables(ctx), viewers.port)
        return owner.reload()


def _variables(ctx: OperationContext) -> dict[str, str]:
    return dict(
        dagster_home.dagster_variables(
            ctx.settings.state_dir, PACKAGE, dagster_storage(ctx.settings).sqlalchemy_url()
        )
    )


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def metrics_address(ctx: OperationContext) -> str:
    """The address of the metrics for Prometheus; empty where they are not served."""
    return Server("metrics", ctx.settings.state_dir).address


def _usual_port(state_dir: Path) -> int:
    """The previous port of the metrics if free, since Prometheus is configured with it; else another."""
    note = state_dir / "servers" / "metrics.port"
    try:
        port = int(note.read_text())
    except (OSError, ValueError):
        port = 0
    if not is_free_port(port):
        port = free_port()
        private_files.write_private(note, str(port))
    return port


def down(ctx: OperationContext) -> list[str]:
    """Stop the web pages, the daemon and the embedded server; returns the names of what was running.

    Every session on the pages ends.
    """
    leftover_sweep.sweep_drills(ctx)
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        background = [Server(name, ctx.settings.state_dir) for name in ("daemon", "metrics")]
        running = [
            ("webserver", owner.stop),
            *((server.name, server.stop) for server in background),
            ("viewers", viewers.stop),
        ]
        stopped = [name for name, stop in running if stop()]
        if ctx.embedded.stop():
            stopped.append("embedded PostgreSQL")
    return stopped


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """One `up` or `down` at a time: two at once would each start a daemon, and one would not be recorded."""
    with filelock.FileLock(servers_folder(state_dir) / "lock", mode=0o600):
        yield


def _wait(answers: Callable[[], bool], *servers: Server) -> None:
    """Wait until the first server answers; LedgerError with the end of the log when one dies first."""
    until = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < until:
        for server in servers:
            if server.running() is None:
                tail = process.last_lines(server.log.read_text(errors="replace"))
                raise LedgerError(f"The {server.name} ended at once:\n{tail}", hint=Hint(f"See {server.log}"))
        if answers():
            return
        time.sleep(0.2)
    first = servers[0]
    raise LedgerError(f"The {first.name} at {first.address} does not answer.", hint=Hint(f"See {first.log}"))
