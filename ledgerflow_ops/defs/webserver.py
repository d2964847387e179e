"""Dagster's web page behind our request guard. `make up` starts it for the owner and again for viewers.

`dagster-webserver` cannot take a middleware. This module serves the same application, built by the same
function with the same settings (dagster_webserver/cli.py, 1.13.27).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import click
import dagster as dg

from ledgerflow_ops.adapters.cluster.cluster import listen_on
from ledgerflow_ops.adapters.services.request_guard import Guard
from ledgerflow_ops.adapters.services.web_sessions import WebSessions
from ledgerflow_ops.core.access.request_policy import RequestPolicy, served_origins
from ledgerflow_ops.defs.newest_day_storage import NewestDayEventLog

_STATEMENT_TIMEOUT = 15_000  # milliseconds
_POOL_RECYCLE = 3600  # seconds
_POOL_OVERFLOW = 20
_POLL_RATE = 2000  # milliseconds between two requests of an open page for updates


@click.command()
@click.option(
    "--page", required=True, help="The page's name; the files of its secret and links are named after it."
)
@click.option("--port", type=int, required=True, help="The port on 127.0.0.1.")
@click.option("--workspace", required=True, help="Dagster's workspace.yaml.")
@click.option("--state", type=Path, required=True, help="The state folder, with secrets and links.")
@click.option("--address", "addresses", multiple=True, help="An origin under which a proxy shows the page.")
@click.option("--proxy-secret", type=Path, help="The file with the secret that the proxy sends.")
@click.option("--read-only", is_flag=True, help="Nothing can be launched or changed.")
def main(
    page: str,
    port: int,
    workspace: str,
    state: Path,
    addresses: tuple[str, ...],
    proxy_secret: Path | None,
    read_only: bool,
) -> None:
    """Serve Dagster's web page to those who have a session."""
    sessions = WebSessions(state, page)
    proxy = proxy_secret.read_text().strip() if proxy_secret else ""
    policy = RequestPolicy(page, port, served_origins(port, addresses), sessions.secret(), proxy)
    serve(policy, sessions, workspace, read_only=read_only)


def serve(policy: RequestPolicy, sessions: WebSessions, workspace: str, *, read_only: bool) -> None:
    """Serve the page on 127.0.0.1:`policy.port` until a signal ends it."""
    import uvicorn
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.interrupts import setup_interrupt_handlers
    from dagster._utils.log import configure_loggers
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    configure_loggers(formatter="colored", log_level="INFO")
    setup_interrupt_handlers()
    with dg.DagsterInstance.get() as instance:
        events = instance.event_log_storage
        assert isinstance(events, NewestDayEventLog), "dagster.yaml names another storage"
        events.newest_day_first = True
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT, _POOL_RECYCLE, _POOL_OVERFLOW)
        target = WorkspaceFileTarget(paths=[workspace])
        with WorkspaceProcessContext(
            instance, workspace_load_target=target, version=__version__, read_only=read_only
        ) as context:
            app = create_app_from_workspace_process_context(context, "", _POLL_RATE, lifespan=_lifespan)
            config = uvicorn.Config(
                Guard(app, policy, sessions),
                log_level="warning",
                access_log=False,  # its lines would hold query strings, which carry the link's secret
                server_header=False,
                proxy_headers=False,  # do not trust X-Forwarded-* headers, wherever a request comes from
            )
            uvicorn.Server(config).run(sockets=listen_on(policy.port))


@contextlib.asynccontextmanager
async def _lifespan(_: object) -> AsyncIterator[None]:
    """On a signal uvicorn cancels the lifespan task (uvicorn's issue 1160): end it without an error."""
    with contextlib.suppress(asyncio.exceptions.CancelledError):
        yield


if __name__ == "__main__":
    main()
