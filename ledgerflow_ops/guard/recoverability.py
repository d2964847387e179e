"""The newest backup of an environment, and whether it is of the affected database."""

import posixpath
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ledgerflow_ops.adapters.services import engine_api
from ledgerflow_ops.adapters.services.engine_api import EngineApi
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.guard import audit_log
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.host_paths import within
from ledgerflow_ops.guard.model import Engine
from ledgerflow_ops.guard.permit import BackupState
from ledgerflow_ops.guard.protection import protected_objects

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
    age, identifier = now - entry.manifest.recovery_point, entry.manifest.source.system_identifier
    proved = entry.proof.durations.values() if entry.proof else ()
    took = timedelta(seconds=sum((*entry.manifest.durations.values(), *proved)))
    return BackupState(entry.name.dump, age, identifier, trouble, took)


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


def database_identifiers(volumes: Iterable[str], scene: Scene, api: EngineApi) -> dict[str, str]:
    """For each volume the system identifier of the database in it, by its control file; empty if none."""
    return {volume: _database_identifier(volume, scene.engine, api) for volume in volumes}


def _database_identifier(volume: str, engine: Engine, api: EngineApi) -> str:
    """From a running or stopped container, else from this machine.

    The engine sends a file as a tar archive: a block of 512 bytes for its name, and then its content.
    """
    for container in engine.holders(volume):
        for mount in container.process.mounts:
            home = (
                container.process.pgdata if within(container.process.pgdata, mount.target) else mount.target
            )
            file = engine_api.container_file(container.id, posixpath.join(home, _CONTROL))
            ((code, archive),) = api.raw([file]) if mount.source == volume else ((0, b""),)
            if code == 200:
                return _identifier(archive[512:])
    for inner in ("", "data", "pgdata", "17/docker", "18/docker"):
        try:
            return _identifier((Path(volume_path(volume, engine)) / inner / _CONTROL).read_bytes())
        except OSError:
            continue
    return ""


def _identifier(control: bytes) -> str:
    """The system identifier in a control file: its first eight bytes, in the machine's order.

    PostgreSQL's src/include/catalog/pg_control.h, ControlFileData.
    """
    return str(int.from_bytes(control[:8], sys.byteorder)) if len(control) >= 8 else ""


def newest(
    environment: str, scene: Scene, volumes: Iterable[str], enough: timedelta | None = None
) -> BackupState:
    """The environment's newest proven backup; the last finding is `enough` at that age while it holds."""
    now, state_dir = clock.now(), protected_objects.state_dir()
    stored = _stored(state_dir, environment, now)
    if stored and enough is not None and stored.age <= enough:
        return stored
    from ledgerflow_ops import config  # slow to import, and rarely needed
    from ledgerflow_ops.core.environments import Environment
    from ledgerflow_ops.operations.context import OperationContext

    try:
        env = OperationContext(config.load()).env(Environment(environment))
    except SettingsError as error:
        return BackupState(trouble=f"no backup can be looked for: {error.message}")
    state = backup_state(env, now, scene, volumes)
    root = env.store.root()
    if root and state.backup and not state.trouble:
        _store(state_dir, environment, state, root, now)
    return state


def _store(state_dir: Path, environment: str, state: BackupState, root: Path, now: datetime) -> None:
    """Keep what was found out about a sound backup, so that the next call need not read the catalog again.

    It holds while the backup's files and their folder are exactly the ones that were examined.
    """
    from ledgerflow_ops.core.catalog.naming import BackupName

    names, status = BackupName.of(state.backup), root.stat()
    files = [str(root / name) for name in (names.dump, names.manifest, names.proof)]
    finding = {
        "backup": state.backup,
        "recovery_point": (now - state.age).isoformat(),
        "identifier": state.identifier,
        "files": {file: _identity(file) for file in files},
        "folder": [str(root), status.st_mode, status.st_uid],
    }
    audit_log.store_finding(state_dir, "backups", environment, finding)


def _stored(state_dir: Path, environment: str, now: datetime) -> BackupState | None:
    """What was found out about an environment's newest backup, if its files are still the same ones."""
    try:
        finding = audit_log.findings(state_dir, "backups")[environment]
        folder, *owned = finding["folder"]
        status = Path(folder).stat()
        same = owned == [status.st_mode, status.st_uid]
        same = same and all(_identity(file) == identity for file, identity in finding["files"].items())
        age = now - datetime.fromisoformat(finding["recovery_point"])
        state = BackupState(finding["backup"], age, finding["identifier"])
        return state if same and age >= -CLOCK_SLACK else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _identity(file: str) -> list[int]:
    status = Path(file).stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode]
