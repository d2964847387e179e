"""A Docker engine of the tests' own: on its own socket, with its own data, gone afterwards."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.fakes import image

_DAEMON = "/usr/sbin/dockerd"
_OPTIONS = ("--iptables=false", "--ip6tables=false", "--bridge=none")
_PATIENCE = 60.0
_BUILT_IN = {"bridge", "host", "none"}
"""The networks that every engine has."""


@dataclass(frozen=True)
class Engine:
    """A running engine. `folder` holds its socket, its data and the clients' settings."""

    folder: Path
    client: Path

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/sock"

    def environment(self) -> dict[str, str]:
        """The variables that lead docker and Compose here, whoever calls them."""
        return {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.folder / "config")}

    def docker(
        self,
        *arguments: str | Path,
        client: str | Path | None = None,
        check: bool = True,
        variables: dict[str, str] | None = None,
        data: bytes = b"",
        cwd: Path | None = None,
        timeout: float = _PATIENCE,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the real docker (or the `client` named) against this engine; with `check` it has to succeed.

        Standard input is `data`.
        """
        done = subprocess.run(
            [str(client or self.client), *map(str, arguments)],
            env={**os.environ, **self.environment(), **(variables or {})},
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=cwd,
            input=data,
        )
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr.decode()}"
        return done

    def get(self, path: str, **query: str) -> Any:
        """What the engine's own interface answers; starting a docker client takes 50 ms of CPU."""
        connection = http.client.HTTPConnection("engine", timeout=_PATIENCE)
        with socket.socket(socket.AF_UNIX) as connection.sock:
            connection.sock.settimeout(_PATIENCE)
            connection.sock.connect(f"{self.folder}/sock")
            connection.request("GET", f"{path}?{urlencode(query)}")
            answer = connection.getresponse()
            told = answer.read()
        assert answer.status == 200, f"{path}: {told.decode()}"
        return json.loads(told)

    def states(self) -> dict[str, str]:
        """Every container's state, by its name."""
        found = self.get("/containers/json", all="1")
        return {one["Names"][0].removeprefix("/"): one["State"] for one in found}

    def names(self, kind: str) -> set[str]:
        """The names of all there is of a kind: `container`, `volume`, `network`, `image`."""
        if kind == "container":
            return set(self.states())
        if kind == "volume":
            return {one["Name"] for one in self.get("/volumes")["Volumes"] or ()}
        if kind == "network":
            return {one["Name"] for one in self.get("/networks")}
        return {tag for one in self.get("/images/json") for tag in one["RepoTags"] or ()}

    def clear(self) -> None:
        """Remove every container, volume and network, so that the next test finds an empty engine."""
        for kind in ("container", "volume", "network"):
            if found := self.names(kind) - _BUILT_IN:
                self.docker(kind, "rm", "--force", *sorted(found))


def clients() -> list[Path]:
    """Every docker client of this machine: releases differ in what they send. TESTS_DOCKER's comes first."""
    found = [os.environ.get("TESTS_DOCKER"), shutil.which("docker")]
    found += ["/usr/local/bin/docker", "/usr/bin/docker"]
    return list(dict.fromkeys(Path(path) for path in found if path and os.access(path, os.X_OK)))


@contextmanager
def engine(image_file: Path | None = None, daemon: str = _DAEMON) -> Iterator[Engine]:
    """Start an engine with the image `postgres:17` in it; afterwards nothing is left of it.

    `image_file` is where the image's archive is, or is to be kept for the next engine.
    """
    needs.root()
    program, client = needs.program(daemon), (clients() or [needs.program("docker")])[0]
    folder = Path(tempfile.mkdtemp(prefix="lfe-", dir="/tmp"))  # the path of a socket has to be short
    folder.chmod(0o711)
    made = Engine(folder, client)
    _plug_in(folder / "config")
    child = _start(program, folder)
    try:
        _wait_until_up(made, child)
        _load(made, image_file or folder / "image.tar")
        yield made
    finally:
        _end(made, child)


def plugin() -> Path:
    """Compose, from the wheel that brings it; TESTS_COMPOSE names another release's program."""
    own = Path(sysconfig.get_path("scripts")) / "docker-compose"
    program = Path(os.environ.get("TESTS_COMPOSE") or own)
    if not program.exists():
        needs.missing("there is no docker-compose in this environment")
    return program


def _plug_in(config: Path) -> None:
    """Compose as a plugin of docker's."""
    (config / "cli-plugins").mkdir(parents=True)
    (config / "cli-plugins" / "docker-compose").symlink_to(plugin())


def _start(daemon: Path, folder: Path) -> subprocess.Popen[bytes]:
    """The daemon, in a session of its own; the system ends it when we die without a word."""
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    command = [str(daemon), *_OPTIONS, *places, f"--host=unix://{folder}/sock"]
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig=TERM", *command]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=folder
        )


def _wait_until_up(made: Engine, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while not _answers(made):
        if child.poll() is not None or time.monotonic() > end:
            said = (made.folder / "log").read_text(errors="replace").strip().splitlines()[-3:]
            needs.missing("the Docker engine does not start here: " + " | ".join(said))
        time.sleep(0.05)


def _answers(made: Engine) -> bool:
    try:
        return bool(made.get("/version"))
    except OSError:
        return False


def _load(made: Engine, file: Path) -> None:
    if not file.exists():
        image.build(file.with_suffix(".partial")).rename(file)
    path = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
    made.docker("import", "--change", path, file, image.SYSTEM)
    builder = {"DOCKER_BUILDKIT": "0"}  # the daemon's own: no other is here
    made.docker("build", "--tag", image.NAME, "-", data=image.dockerfile().encode(), variables=builder)


def _end(made: Engine, child: subprocess.Popen[bytes]) -> None:
    """Containers, networks, daemon, what it started, mounts, folders: all of it, whatever state it is in."""
    with contextlib.suppress(AssertionError, OSError, subprocess.TimeoutExpired):
        made.clear()
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_PATIENCE)
    for process in _of(made.folder):
        with contextlib.suppress(psutil.Error):
            process.kill()
    child.wait(timeout=_PATIENCE)
    for mount in reversed(_mounts(made.folder)):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    shutil.rmtree(made.folder, ignore_errors=True)
    left: Sequence[object] = [*_of(made.folder), *_mounts(made.folder), *made.folder.glob("*")]
    assert not left, f"left of the engine: {left}"


def _of(folder: Path) -> list[psutil.Process]:
    """The engine's own processes: the daemon, containerd and its shims name the folder."""
    return [found for found in psutil.process_iter() if _names(found, str(folder))]


def _names(process: psutil.Process, folder: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(folder in word for word in process.cmdline())
    except psutil.Error:
        return False


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
