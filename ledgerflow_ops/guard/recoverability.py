"""What an environment has to fall back on, and whether it is of the database that is at stake."""

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
from ledgerflow_ops.guard.permit import Standing
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

_CONTROL = "global/pg_control"
_PATIENCE = 30.0


def standing(env: EnvironmentContext, now: datetime, scene: Scene, volumes: Iterable[str]) -> Standing:
    """The environment's newest backup to rely on, and what is wrong with the place it is kept in."""
    try:
        found = newest_reliable(catalog.entries(env), now, sample=env.is_sample)
    except LedgerError as error:
        return Standing(trouble=f"the backups cannot be read: {error.message}")
    if found is None or found.manifest is None:
        return Standing()
    trouble = _trouble(env, found.name.dump, found.manifest.dump.size, scene, volumes)
    age = now - found.manifest.recovery_point
    return Standing(found.name.dump, age, found.manifest.source.system_identifier, trouble)


def _trouble(env: EnvironmentContext, file: str, size: int, scene: Scene, volumes: Iterable[str]) -> str:
    """Why the place is not one to rely on; empty when it is."""
    store = env.store
    root = store.root()
    for name in volumes:
        if root and within(str(root.resolve()), mountpoint(name, scene.engine)):
            return f"the backups are kept in {name}, which is about to go"
    found = store.privacy(file)
    if found.fatal:
        return f"its newest proven backup cannot be relied on: {found.message.rstrip('.')}"
    if not store.writable():
        return f"nothing can be written into {store.location}"
    free = store.free()
    if free is not None and free < size:
        return f"there is no room for another backup in {store.location} ({format_size(free)} free)"
    return ""


def mountpoint(volume: str, engine: Engine) -> str:
    """Where the engine keeps a volume's files, on the machine that it runs on."""
    known = engine.volume(volume)
    places = known.places if known else ()
    return places[0] if places else posixpath.join(engine.root, "volumes", volume, "_data")


def behind(volume: str, scene: Scene, docker: Path, leading: tuple[str, ...]) -> str:
    """The system identifier of the database in a volume, out of its control file; empty if it has none."""
    for one in scene.engine.holders(volume):
        for mount in one.process.mounts:
            if mount.source == volume:
                data = _control_of(one, mount, docker, leading)
                if data:
                    return identifier(data)
    return _on_this_machine(volume, scene.engine)


def _control_of(one: Container, mount: Mount, docker: Path, leading: tuple[str, ...]) -> bytes:
    """pg_control as `docker cp` hands it out, from a container that runs or rests."""
    home = one.process.pgdata
    place = posixpath.join(home if home and within(home, mount.target) else mount.target, _CONTROL)
    finished = process.run([docker, *leading, "cp", f"{one.id}:{place}", "-"], timeout=_PATIENCE)
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
        file = Path(mountpoint(volume, engine)) / inner / _CONTROL
        try:
            return identifier(file.read_bytes())
        except OSError:
            continue
    return ""


def identifier(control: bytes) -> str:
    """The system identifier in a control file: its first eight bytes, in the machine's order.

    PostgreSQL's src/include/catalog/pg_control.h, ControlFileData.
    """
    return str(struct.unpack("=Q", control[:8])[0]) if len(control) >= 8 else ""
