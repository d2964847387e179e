"""Asks a Docker engine by its own interface, which costs a fraction of what starting the docker client does.

Engines on this machine are asked through their socket. All others (contexts, SSH, TLS) are asked through
`docker system dial-stdio`, which hands our bytes to whatever engine docker itself would use.
"""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, command

_PATIENCE = 60.0
_LINE = 64 * 1024


class NoAnswer(LedgerError):
    """The engine does not answer, or not with what was asked for."""


@dataclass(frozen=True, slots=True)
class EngineApi:
    """An engine: the path of its `socket`, or without one the docker command line that leads to it."""

    socket: str
    docker: tuple[str | Path, ...] = ()

    def get(self, path: str) -> Any:
        """The JSON at a path of the interface; NoAnswer with the engine's own message."""
        return self.get_all([path])[0]

    def get_all(self, paths: Sequence[str], *, missing: bool = False) -> list[Any]:
        """The JSON at each path, over one connection. With `missing`, None for what is not known there."""
        answers = [(json.loads(body) if code == 200 else None, code, body) for code, body in self.raw(paths)]
        for _, code, body in answers:
            if code != 200 and not (missing and 400 <= code < 500):
                raise _no_answer(f"it answered {code}: {body.decode('utf-8', 'replace').strip()[:300]}")
        return [answer for answer, _, _ in answers]

    def raw(self, paths: Sequence[str]) -> list[tuple[int, bytes]]:
        """The status and the content at each path."""
        if not paths:
            return []
        try:
            with self._connection() as (send, receive):
                for at, path in enumerate(paths):
                    close = "Connection: close\r\n" if at == len(paths) - 1 else ""
                    send.write(f"GET {path} HTTP/1.1\r\nHost: docker\r\n{close}\r\n".encode())
                send.flush()
                return [_response(receive) for _ in paths]
        except (OSError, ValueError) as error:
            raise _no_answer(str(error) or "the connection ended") from None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        if self.socket:
            with socket.socket(socket.AF_UNIX) as spoken:
                spoken.settimeout(_PATIENCE)
                spoken.connect(self.socket)
                with spoken.makefile("wb") as send, spoken.makefile("rb") as receive:
                    yield send, receive
            return
        from ledgerflow_ops.adapters.system import process  # not needed for most engines

        with process.piped_program([*self.docker, "system", "dial-stdio"]) as (send, receive):
            yield send, receive


def _response(receive: IO[bytes]) -> tuple[int, bytes]:
    """One response of HTTP/1.1: status and content, which has a length or comes in chunks."""
    status = receive.readline(_LINE).split()
    if len(status) < 2:
        raise ValueError("the engine does not answer")
    headers: dict[str, str] = {}
    while (line := receive.readline(_LINE).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if "chunked" not in headers.get("transfer-encoding", ""):
        return int(status[1]), receive.read(int(headers.get("content-length", "0")))
    content = b""
    while size := int(receive.readline(_LINE).partition(b";")[0] or b"0", 16):
        content += receive.read(size)
        receive.readline(_LINE)
    receive.readline(_LINE)
    return int(status[1]), content


def _no_answer(why: str) -> NoAnswer:
    return NoAnswer(
        f"the engine does not answer: {why}", hint=Hint("See what is wrong: ", command("docker", "info"))
    )


def local_socket(leading: Mapping[str, Sequence[str]], variables: Mapping[str, str]) -> str:
    """The socket of the engine that docker would use on this machine; empty where only docker knows the way.

    `leading` are docker's options before its command. Docker's order: --host, --context, DOCKER_HOST,
    DOCKER_CONTEXT, the context in its config file, the default socket.
    """
    host = (leading.get("host") or [variables.get("DOCKER_HOST", "")])[-1]
    chosen = leading.get("context") or leading.get("config")
    if chosen or (not host and (variables.get("DOCKER_CONTEXT") or _context_in_file(variables))):
        return ""
    if not host:
        return "/var/run/docker.sock"
    return host.removeprefix("unix://") if host.startswith("unix://") else ""


def _context_in_file(variables: Mapping[str, str]) -> str:
    folder = variables.get("DOCKER_CONFIG") or Path(variables.get("HOME", "/"), ".docker")
    try:
        fields = json.loads(Path(folder, "config.json").read_bytes())
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return "unreadable"
    name = fields.get("currentContext", "") if isinstance(fields, dict) else "unreadable"
    return "" if name == "default" else str(name)


def container_file(container: str, path: str) -> str:
    """The path of the interface that gives a container's file as a tar archive."""
    return f"/containers/{container}/archive?path={quote(path)}"
