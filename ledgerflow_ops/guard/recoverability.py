"""The newest backup of an environment, and whether it is of the affected database."""

import io
import posixpath
import struct
import tarfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.catalog.catalog import newest_reliable
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.host_paths import within
from ledgerflow_ops.guard.model import Container, Engine, Mount
from ledgerflow_ops.guard.permit import BackupState
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

_CONTROL = "global/pg_control"
_PATIENCE = 30.0


def backup_state(env: EnvironmentContext, now: datetime, scene: Scene, volumes: Iterable[str]) -> BackupState:
    """The environment's newest reliable backup, and what is wrong with its location."""
    try:
        entry = newest_reliable(catalog.entries(env), now, sample=env.is_sample)
    except LedgerError as error:
        return BackupState(trouble=f"the backups cannot be read: {error.message}")
    if entry is None or entry.manifest is None:
        return BackupState()
    trouble = _trouble(env, entry.name.dump, entry.manifest.dump.size, scene, volumes)
    age = now - entry.manifest.recovery_point
    return BackupState(entry.name.dump, age, entry.manifest.source.system_identifier, trouble)


def _trouble(env: EnvironmentContext, file: str, size: int, scene: Scene, volumes: Iterable[str]) -> str:
    """Why the location cannot be relied on; empty if it can."""
    store = env.store
    root = store.root()
    for name in volumes:
        if root and within(str(root.resolve()), volume_path(name, scene.engine)):
            return f"the backups are in {name}, which is about to be removed"
    privacy = store.privacy(file)
    if privacy.fatal:
        return f"its newest proven backup cannot be relied on: {privacy.message.rstrip('.')}"
    if not store.writable():
        return f"nothing can be written into {store.location}"
    free = store.free()
    if free is not None and free < size:
        return f"there is no space for another backup in {store.location} ({format_size(free)} free)"
    return ""


def volume_path(volume: str, engine: Engine) -> str:
    """The folder of a volume's files on the engine's machine."""
    known = engine.volume(volume)
    places = known.places if known else ()
    return places[0] if places else posixpath.join(engine.root, "volumes", volume, "_data")


def database_identifier(volume: str, scene: Scene, docker: Path, leading: tuple[str, ...]) -> str:
    """The system identifier in the control file of the database in a volume; empty if there is none."""
    for container in scene.engine.holders(volume):
        for mount in container.process.mounts:
            if mount.source == volume:
                data = _control_of(container, mount, docker, leading)
                if data:
                    return identifier_in_control_file(data)
    return _on_this_machine(volume, scene.engine)


def _control_of(container: Container, mount: Mount, docker: Path, leading: tuple[str, ...]) -> bytes:
    """pg_control, by `docker cp` from a running or stopped container; empty if it is not there."""
    home = container.process.pgdata
    place = posixpath.join(home if home and within(home, mount.target) else mount.target, _CONTROL)
    finished = process.run([docker, *leading, "cp", f"{container.id}:{place}", "-"], timeout=_PATIENCE)
    if finished.code:
        return b""
    try:
        with tarfile.open(fileobj=io.BytesIO(finished.out)) as archive:
            first = archive.next()
            held = archive.extractfile(first) if first else None
            return held.read() if held else b""
    except tarfile.TarError:
        return b""


def _on_this_machine(volume: str, engine: Engine) -> str:
    for inner in ("", "data", "pgdata", "17/docker", "18/docker"):
        file = Path(volume_path(volume, engine)) / inner / _CONTROL
        try:
            return identifier_in_control_file(file.read_bytes())
        except OSError:
            continue
    return ""


def identifier_in_control_file(control: bytes) -> str:
    """The system identifier in a control file: its first eight bytes, in the machine's order.

    PostgreSQL's src/include/catalog/pg_control.h, ControlFileData.
    """
    return str(struct.unpack("=Q", control[:8])[0]) if len(control) >= 8 else ""
