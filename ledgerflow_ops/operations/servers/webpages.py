"""The web pages that `make up` starts: the owner's, and the read-only one for viewers; and their logins."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.cluster.cluster import free_port, is_free_port
from ledgerflow_ops.adapters.services import dagster_graphql
from ledgerflow_ops.adapters.services.web_sessions import WebSessions
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.access.request_policy import LOGIN
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.operations.background_process import Server
from ledgerflow_ops.places import WORKSPACE

_LOCATION = "ledgerflow_ops"
_SERVER = "ledgerflow_ops.defs.webserver"
_MINIMUM_LENGTH = 32


@dataclass(frozen=True, slots=True)
class WebPage:
    """One of the pages: its port in the settings (`wanted`), and its options."""

    server: Server
    settings: Settings
    wanted: int | None
    setting: str
    options: tuple[str, ...] = ()

    @property
    def _sessions(self) -> WebSessions:
        return WebSessions(self.settings.state_dir, self.server.name)

    @property
    def port(self) -> int:
        """The port that it was started on; 0 where it was not started."""
        return int(self.server.address.rpartition(":")[2] or 0)

    def run(self, variables: Mapping[str, str]) -> None:
        """Start it, or restart it where its port or options differ from the settings.

        If it died, another program may have its port, and open pages send their cookies there: so all its
        sessions end.
        """
        at_right_port = self.wanted is None or self.port == self.wanted
        same_command = self.server.remembered().get("command") == self._command(self.port)
        if self.server.running() and at_right_port and same_command and self._sessions.file.exists():
            return
        if not self.server.running():
            self._sessions.forget()
        self.start(variables, self._free(anew=not at_right_port))

    def start(self, variables: Mapping[str, str], port: int) -> None:
        """Start it on this port; its sessions stay valid."""
        self._sessions.secret()
        self.server.start(self._command(port), dict(variables), f"http://127.0.0.1:{port}")

    def answers(self) -> bool:
        """Whether it answers. The secret is sent only to the process that we started."""
        if not self.server.listens(self.port):
            return False
        return dagster_graphql.is_answering(f"{self.server.address}/server_info", self._sessions.secret())

    def reload(self) -> bool:
        """Make it read the definitions again; returns whether it did."""
        if not self.server.listens(self.port):
            return False
        return dagster_graphql.reload_workspace(self.server.address, _LOCATION, self._sessions.secret())

    def link(self) -> str:
        """An address that logs in once; empty where the page was not started."""
        address = self.server.address
        return f"{address}{LOGIN}?token={self._sessions.link(clock.now())}" if address else ""

    def stop(self) -> bool:
        """End it and every session; returns whether it was running."""
        stopped = self.server.stop()
        self._sessions.forget()
        return stopped

    def _command(self, port: int) -> list[str]:
        addresses = [word for address in self.settings.web_addresses for word in ("--address", address)]
        proxy = _proxy_secret(self.settings.web_proxy_secret_file)
        return [
            sys.executable, "-m", _SERVER, "--page", self.server.name, "--port", str(port),
            "--workspace", str(WORKSPACE), "--state", str(self.settings.state_dir),
            *addresses, *proxy, *self.options,
        ]  # fmt: skip

    def _free(self, *, anew: bool) -> int:
        """The port of the setting, or a free one; LedgerError when another program uses the former."""
        if not anew:
            self.server.stop()  # it may use the port itself
        if self.wanted and not is_free_port(self.wanted):
            raise LedgerError(
                f"Port {self.wanted} on 127.0.0.1 is taken by another program.",
                hint=Hint(
                    f"Set another {self.setting}, or find the program: ",
                    command("lsof", "-i", f":{self.wanted}"),
                ),
            )
        return self.wanted or free_port()


def pages(settings: Settings) -> tuple[WebPage, WebPage]:
    """The owner's page and the viewers'."""
    owner, viewers = (Server(name, settings.state_dir) for name in ("webserver", "viewers"))
    return (
        WebPage(owner, settings, settings.web_port, "web_port"),
        WebPage(viewers, settings, settings.viewers_port, "viewers_port", ("--read-only",)),
    )


def _new_secret_hint(file: Path) -> Hint:
    secret = command("openssl", "rand", "-hex", "32", into=file)
    return Hint(secret, "; ", command("chmod", "600", file))


def _proxy_secret(file: Path | None) -> Sequence[str]:
    """The option with the file of the proxy's secret; SettingsError (2) where that is weak or readable."""
    if file is None:
        return ()
    try:
        secret, mode = file.read_text().strip(), file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingsError(
            f"web_proxy_secret_file: {file}: {reason}.",
            hint=_new_secret_hint(file),
        ) from None
    if len(secret) < _MINIMUM_LENGTH or len(secret.split()) != 1:
        raise SettingsError(
            f"web_proxy_secret_file: {file} has to hold one word of at least {_MINIMUM_LENGTH} characters.",
            hint=_new_secret_hint(file),
        )
    if mode & 0o007:
        raise SettingsError(
            f"web_proxy_secret_file: every account may read {file}.", hint=Hint(command("chmod", "600", file))
        )
    return ("--proxy-secret", str(file))
