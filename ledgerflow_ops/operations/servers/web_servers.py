"""Starts and stops the web pages, the daemon, and what answers Prometheus."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.cluster.cluster import free_port, is_free
from ledgerflow_ops.adapters.services import dagster_graphql, dagster_home
from ledgerflow_ops.adapters.system import private_files, process
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.alerting import channels
from ledgerflow_ops.operations.background_process import Server, servers_folder
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.operations.servers.webpages import WORKSPACE, pages
from ledgerflow_ops.places import PROJECT

_DAEMON = "ledgerflow_ops.defs.daemon"
_START_TIMEOUT = 90.0


def up(ctx: OperationContext) -> str:
    """Start what does not run yet, wait until the web page answers, and return its address.

    SettingsError when an alert channel cannot be used: a daemon that can tell nobody is not started.
    """
    channels.require_channels(ctx.settings)
    leftover_sweep.sweep_drills(ctx)
    with _alone(ctx.settings.state_dir):
        private_files.tighten(ctx.settings.state_dir)
        return _up(ctx)


def _up(ctx: OperationContext) -> str:
    daemon, metrics = (Server(name, ctx.settings.state_dir) for name in ("daemon", "metrics"))
    owner, viewers = pages(ctx.settings)
    variables = _variables(ctx)
    if not daemon.running():
        daemon.start([sys.executable, "-m", _DAEMON, "--workspace", WORKSPACE], variables, "")
    owner.run(variables)
    if viewers.wanted:
        viewers.run(variables)
    elif viewers.server.remembered():
        viewers.stop()  # a page that has been taken out of the settings
    if not metrics.running():
        port = _usual_port(ctx.settings.state_dir)
        metrics.start(
            [_program("ledgerflow"), "metrics", "--serve", "--port", str(port)],
            {"DAGSTER_HOME": variables["DAGSTER_HOME"]},  # by which it is known as ours
            f"http://127.0.0.1:{port}/metrics",
        )
    _wait(owner.answers, owner.server, daemon)
    _wait(lambda: dagster_graphql.answers(metrics.address), metrics)
    if viewers.wanted:
        _wait(viewers.answers, viewers.server)
    return owner.server.address


def login_links(ctx: OperationContext) -> tuple[str, str]:
    """Fresh addresses that let in who brings them, once: the owner's page, and the viewers' (or "")."""
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        return owner.link(), viewers.link()


def viewers_address(ctx: OperationContext) -> str:
    """Where viewers look, who can launch and change nothing; empty where there is no page for them."""
    return Server("viewers", ctx.settings.state_dir).address


def reload_pages(ctx: OperationContext) -> bool:
    """Let the web pages show the days as they are now; whether the page did. Quiet when none runs.

    A page knows the partitions of the moment in which it last read the definitions. The viewers' page takes
    no orders, this one neither: it is started again at the same place.
    """
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        if viewers.server.running():
            viewers.start(_variables(ctx), viewers.port)
        return owner.reload()


def _variables(ctx: OperationContext) -> dict[str, str]:
    return dict(
        dagster_home.variables(
            ctx.settings.state_dir, PROJECT, dagster_storage(ctx.settings).sqlalchemy_url()
        )
    )


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def metrics_address(ctx: OperationContext) -> str:
    """Where Prometheus finds the figures; empty where they are not served."""
    return Server("metrics", ctx.settings.state_dir).address


def _usual_port(state_dir: Path) -> int:
    """The port that the figures had last time, if it is free: Prometheus is told it once."""
    note = state_dir / "servers" / "metrics.port"
    try:
        port = int(note.read_text())
    except (OSError, ValueError):
        port = 0
    if not is_free(port):
        port = free_port()
        private_files.write(note, str(port))
    return port


def down(ctx: OperationContext) -> list[str]:
    """Stop the web page, the daemon and the embedded server; the names of what was running.

    Every session on the pages ends with it.
    """
    leftover_sweep.sweep_drills(ctx)
    with _alone(ctx.settings.state_dir):
        owner, viewers = pages(ctx.settings)
        others = [Server(name, ctx.settings.state_dir) for name in ("daemon", "metrics")]
        running = [
            ("webserver", owner.stop),
            *((one.name, one.stop) for one in others),
            ("viewers", viewers.stop),
        ]
        stopped = [name for name, stop in running if stop()]
        if ctx.embedded.stop():
            stopped.append("embedded PostgreSQL")
    return stopped


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """One `up` or `down` at a time: two at once would each start a daemon, and one would be forgotten."""
    with filelock.FileLock(servers_folder(state_dir) / "lock", mode=0o600):
        yield


def _wait(answers: Callable[[], bool], *servers: Server) -> None:
    """Until the first server answers; LedgerError with the log's end when one dies first."""
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
