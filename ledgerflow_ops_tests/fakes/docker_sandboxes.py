"""An engine with protected and unprotected volumes and containers, and what can be observed of them.

Nothing in it writes by itself, so that a volume's content shows whether a command has changed it.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.engine import Engine

DATA = image.DATA
_FILE = """\
name: ledger-dev
services:
  postgres:
    image: {system}
    pull_policy: never
    command: ["sleep", "infinity"]
    init: true
    network_mode: none
    stop_grace_period: 0s
    volumes: ["ledger_postgres:{data}"]
  redis:
    image: {system}
    pull_policy: never
    command: ["sleep", "infinity"]
    init: true
    network_mode: none
    stop_grace_period: 0s
    volumes: ["ledger_redis:/data"]
volumes:
  ledger_postgres:
  ledger_redis:
"""
PROTECTED = {
    "ledger-dev_ledger_postgres": "in use by a project's service",
    "loose": "labelled, and held by nobody",
    "attic": "held by a container at rest",
}


@dataclass(frozen=True)
class DockerSandbox:
    """The engine, and the folder that the compose file and the backups lie in."""

    engine: Engine
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "docker-compose.dev.yml"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def build(self) -> None:
        """Create what is missing, and keep what exists."""
        self.backups.mkdir(parents=True, exist_ok=True)
        self.file.write_text(_FILE.format(system=image.SYSTEM, data=DATA))
        if "loose" not in self.engine.names("volume"):
            self.engine.docker("volume", "create", "--label", "com.ledgerflow.protect=true", "loose")
        self._containers()
        for name in PROTECTED:
            if _hash(self.path(name)) != _hash(self._model(name)):
                self._fill(name)
        (self.backups / "kept").write_text("a backup")

    def _containers(self) -> None:
        states = self.engine.states()
        paused = [name for name, state in states.items() if state == "paused"]
        if paused:
            self.engine.docker("unpause", *paused)
            states |= dict.fromkeys(paused, "running")
        sleep = ("--init", "--network", "none", "--stop-timeout", "0", image.SYSTEM, "sleep", "infinity")
        if any(states.get(f"ledger-dev-{name}-1") != "running" for name in ("postgres", "redis")):
            self.engine.docker("compose", "-f", self.file, "up", "--detach", "--quiet-pull")
        ours = ["--label", "com.ledgerflow.protect=true"]
        mounts = {"web": ["-v", "plain:/srv"], "db": [*ours, "-v", DATA], "idle": []}
        for name, asked in mounts.items():
            if name not in states:
                self.engine.docker("run", "--detach", "--name", name, *asked, *sleep)
            elif states[name] != "running":
                self.engine.docker("start", name)
        if "olddb" not in states:
            self.engine.docker("create", "--name", "olddb", "-v", f"attic:{DATA}", *sleep)
        elif states["olddb"] == "running":
            self.engine.docker("stop", "olddb")

    def _model(self, name: str) -> Path:
        """What the volume is to hold, in a folder of our own."""
        model = self.folder / "models" / name
        if not model.exists():
            (model / "base").mkdir(parents=True)
            (model / "PG_VERSION").write_text("17\n")
            (model / "base" / "1").write_text(f"the rows of {name}")
        return model

    def _fill(self, name: str) -> None:
        """Write the volume's content."""
        for path in self.path(name).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._model(name), self.path(name), dirs_exist_ok=True)

    def path(self, volume: str) -> Path:
        return self.engine.folder / "data" / "volumes" / volume / "_data"

    def anonymous(self) -> str:
        """The anonymous volume of db."""
        return "".join(mount.get("Name", "") for mount in self.engine.get("/containers/db/json")["Mounts"])

    def content(self) -> dict[str, str]:
        """The hash of everything in each protected volume, and in the folder of backups."""
        places = {name: self.path(name) for name in PROTECTED} | {"backups": self.backups}
        return {name: _hash(place) for name, place in places.items()}


def _hash(place: Path) -> str:
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(place):
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(f"{path.relative_to(place)}\0".encode() + path.read_bytes())
        for name in folders:
            digest.update(f"{(Path(folder) / name).relative_to(place)}/\0".encode())
    return digest.hexdigest() if place.is_dir() else "gone"
