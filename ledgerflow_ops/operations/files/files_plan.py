"""Plans a restore of files: which roots, under which names, the space needed, and the obstacles."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledgerflow_ops.adapters.files import file_swap
from ledgerflow_ops.adapters.storage.folder import Folder
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.restore.file_swap import FileSwap, SwappedRoot, SwapPhase, require_id, space_needed
from ledgerflow_ops.core.restore.restore_target import RequiredSpace
from ledgerflow_ops.operations.context import EnvironmentContext

RECORD_SUFFIX = ".files.json"
UNTOUCHED = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class FilesPlan:
    """What a restore of files would do: which roots, under which names, with how much space (bytes)."""

    swap: FileSwap
    room: tuple[RequiredSpace, ...]
    obstacles: tuple[str, ...]

    @property
    def lacking(self) -> tuple[RequiredSpace, ...]:
        """The file systems that are too full."""
        return tuple(room for room in self.room if room.lacking)


def plan_files(env: EnvironmentContext, manifest: Manifest, restore_id: str, now: datetime) -> FilesPlan:
    """The plan of a restore of files, with all obstacles. Nothing is touched."""
    require_id(restore_id)
    state = files_of(manifest)
    swap = FileSwap(
        id=restore_id,
        environment=env.environment,
        dump=manifest.dump.file,
        manifest_digest=manifest.digest,
        begun_at=now,
        phase=SwapPhase.UNPACKING,
        places=tuple(SwappedRoot(root=root, existed=Path(root).exists()) for root in state.roots),
    )
    return FilesPlan(swap, _required_space(state), tuple(_obstacles(env, swap)))


def files_of(manifest: Manifest) -> FilesState:
    """The files that go with a dump; Refused where there are none."""
    if manifest.files is None:
        raise Refused(
            f"No files belong to {manifest.dump.file}.",
            hint=Hint("It was made without `files` in the settings. Restore its database alone."),
        )
    return manifest.files


def _required_space(state: FilesState) -> tuple[RequiredSpace, ...]:
    spaces = {root: disk_space.read_disk_space(Path(root).parent) for root in state.roots}
    needed = space_needed(state, {root: space.number for root, space in spaces.items()})
    first = {space.number: (root, space.free) for root, space in reversed(spaces.items())}
    return tuple(RequiredSpace(first[number][0], size, first[number][1]) for number, size in needed.items())


def _obstacles(env: EnvironmentContext, swap: FileSwap) -> list[str]:
    obstacles = [
        f"{place.root}: {why}" for place in swap.places if (why := file_swap.find_obstacle(Path(place.root)))
    ]
    for place in swap.places:
        taken = file_swap.occupied_names(swap, place)
        if taken.restoring or taken.before or taken.undone:
            obstacles.append(f"{place.root}: a restore called {swap.id} has left something beside it")
    if swap.file in swap_records(env).names(RECORD_SUFFIX):
        obstacles.append(f"there was a restore called {swap.id} already")
    return obstacles


def require_possible(planned: FilesPlan) -> None:
    """Refused (3), with all obstacles to a plan."""
    if planned.obstacles:
        listed = "\n".join(f"  {obstacle}" for obstacle in planned.obstacles)
        raise Refused(
            f"The files cannot be restored:\n{listed}\n{UNTOUCHED}",
            hint=Hint("Fix that; then restore again."),
        )
    for room in planned.lacking:
        raise Refused(
            f"Not enough space to restore the files beside {room.where}: about {room.figures}. {UNTOUCHED}",
            hint=Hint(
                "Free space there; what is there now stays until the restored files have been compared."
            ),
        )


def swap_records(env: EnvironmentContext) -> Folder:
    """The folder of the records of an environment's restores."""
    return Folder(env.ctx.settings.state_dir / "restores" / env.environment)
