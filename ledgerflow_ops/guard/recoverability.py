"""The newest backup of an environment, and whether it is of the affected database."""

import json
import os
import posixpath
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledgerflow_ops.adapters.services import engine_api
from ledgerflow_ops.adapters.services.engine_api import EngineApi
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.host_paths import within
from ledgerflow_ops.guard.model import Container, Engine, Mount
from ledgerflow_ops.guard.permit import BackupState

if TYPE_CHECKING:  # the catalog is slow to import, and rarely needed
    from ledgerflow_ops.operations.context import EnvironmentContext

CLOCK_SLACK = timedelta(minutes=5)
_CONTROL = "global/pg_control"


def backup_state(
    env: "EnvironmentContext", now: datetime, scene: Scene, volumes: Iterable[str]
) -> BackupState:
    """The environment's newest reliable backup, and what is wrong with its location."""
    from ledgerflow_ops.core.catalog.catalog import newest_reliable
    from ledgerflow_ops.operations import catalog

    try:
        entry = newest_reliable(catalog.entries(env), now, sample=env.is_sample)
    except LedgerError as error:
        return BackupState(trouble=f"the backups cannot be read: {error.message}")
    if entry is None or entry.manifest is None:
        return BackupState()
    trouble = _trouble(env, entry.name.dump, entry.manifest.dump.size, scene, volumes)
    age = now - entry.manifest.recovery_point
    seconds = sum(entry.manifest.durations.values()) + sum(
        entry.proof.durations.values() if entry.proof else ()
    )
    identifier = entry.manifest.source.system_identifier
    return BackupState(entry.name.dump, age, identifier, trouble, timedelta(seconds=seconds))


def _trouble(env: "EnvironmentContext", file: str, size: int, scene: Scene, volumes: Iterable[str]) -> str:
    """Why the location cannot be relied on; empty if it can."""
    from ledgerflow_ops.core.sizes import format_size

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


def database_identifier(volume: str, scene: Scene, api: EngineApi) -> str:
    """The system identifier in the control file of the database in a volume; empty if there is none."""
    for container in scene.engine.holders(volume):
        for mount in container.process.mounts:
            if mount.source == volume and (data := _control_of(container, mount, api)):
                return identifier_in_control_file(data)
    return _on_this_machine(volume, scene.engine)


def _control_of(container: Container, mount: Mount, api: EngineApi) -> bytes:
    """pg_control, from a running or stopped container; empty if it is not there.

    The engine sends it as a tar archive: a block of 512 bytes for its name, and then its content.
    """
    home = container.process.pgdata
    place = posixpath.join(home if home and within(home, mount.target) else mount.target, _CONTROL)
    ((code, archive),) = api.raw([engine_api.container_file(container.id, place)])
    return archive[512 : 512 + 8] if code == 200 else b""


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
    return str(int.from_bytes(control[:8], sys.byteorder)) if len(control) >= 8 else ""


def store_finding(state_dir: Path, env: "EnvironmentContext", state: BackupState, now: datetime) -> None:
    """Keep what was found out about a sound backup, so that the next call need not read the catalog again.

    It holds while the backup's files and their folder are exactly the ones that were examined.
    """
    from ledgerflow_ops.core.catalog.naming import BackupName

    root = env.store.root()
    if root is None or state.trouble or not state.backup:
        return
    names = BackupName.of(state.backup)
    fields = {
        "backup": state.backup,
        "recovery_point": (now - state.age).isoformat(),
        "identifier": state.identifier,
        "files": {
            str(root / name): _identity(root / name) for name in (names.dump, names.manifest, names.proof)
        },
        "folder": [str(root), root.stat().st_mode, root.stat().st_uid],
    }
    file = _findings(state_dir)
    with translated(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.partial")
        unfinished.write_text(json.dumps({**_known_findings(state_dir), str(env.environment): fields}))
        unfinished.replace(file)


def stored_finding(state_dir: Path, environment: str, now: datetime) -> BackupState | None:
    """What was found out about an environment's newest backup, if its files are still the same ones."""
    fields = _known_findings(state_dir).get(environment, {})
    try:
        folder, mode, owner = fields["folder"]
        status = Path(folder).stat()
        same = (status.st_mode, status.st_uid) == (mode, owner)
        same = same and all(_identity(Path(path)) == identity for path, identity in fields["files"].items())
        age = now - datetime.fromisoformat(fields["recovery_point"])
        return (
            BackupState(fields["backup"], age, fields["identifier"]) if same and age >= -CLOCK_SLACK else None
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode]


def _findings(state_dir: Path) -> Path:
    return state_dir / "guard" / "backups.json"


def _known_findings(state_dir: Path) -> dict[str, Any]:
    try:
        found = json.loads(_findings(state_dir).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
