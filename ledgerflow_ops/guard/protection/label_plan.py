"""Plans which volumes get the protecting label, and what remains to be done for those already begun.

Docker cannot add a label to a volume: it must be recreated with its data. The data are copied, the copy is
compared, the old volume is removed, the new one is filled from the copy and compared, the copy is removed. At
every moment one of them is complete, and the labels say which.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ledgerflow_ops.core.hints import NO_HINT, Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import COPY_OF, PROTECT, Container, Volume

_FOLDER = (
    "it is a folder of the host",
    Hint(
        "Only volumes have labels. It is protected while a container mounts it; only it should write there."
    ),
)


class Stage(StrEnum):
    """The progress of labelling a volume."""

    LABELLED = "labelled"
    IMPOSSIBLE = "impossible"
    NEW = "new"
    """Nothing was done yet, or only an incomplete copy exists."""
    COPIED = "copied"
    """The old volume was removed; the copy holds the data."""
    FILLING = "filling"
    """Both the new volume and the copy exist; they must be compared."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """What must be done with one volume, and why; `hint` if it cannot be done."""

    volume: str
    stage: Stage
    reason: str
    hint: Hint = NO_HINT
    labels: tuple[tuple[str, str], ...] = ()
    holders: tuple[str, ...] = ()
    """Containers that must be removed first, because they mount the volume."""

    @property
    def copy(self) -> str:
        """The name of the volume's copy."""
        return copy_name(self.volume)

    @property
    def doable(self) -> bool:
        return self.stage in (Stage.NEW, Stage.COPIED, Stage.FILLING)


def copy_name(volume: str) -> str:
    """The name of a volume's copy while its data are moved."""
    return f"{volume}.being-labelled"


def plan_labels(scene: Scene, environment: str) -> list[Labelling]:
    """The plan for each of the environment's protected volumes, by name."""
    begun = {volume.labels[COPY_OF]: volume for volume in scene.engine.volumes if COPY_OF in volume.labels}
    protected = scene.protected
    names = {name for name in protected if scene.environment_of_volume(name) == environment}
    names -= {volume.name for volume in begun.values()}
    names |= {name for name, copy in begun.items() if scene.environment_of(copy.labels) == environment}
    folders = [Labelling(folder, Stage.IMPOSSIBLE, *_FOLDER) for folder in _bound(scene, environment)]
    return [_of(name, begun.get(name), scene) for name in sorted(names)] + folders


def _bound(scene: Scene, environment: str) -> Iterable[str]:
    """The host's folders that hold the data of the environment's PostgreSQL."""
    for container in scene.engine.containers:
        ours = scene.environment_of(container.labels) == environment
        for mount in container.process.mounts:
            if ours and mount.kind == "bind" and mount.is_data(container.process.pgdata):
                yield mount.source


def _of(name: str, copy: Volume | None, scene: Scene) -> Labelling:
    volume = scene.engine.volume(name)
    holders = scene.engine.holders(name)
    if copy and volume is None:
        return Labelling(name, Stage.COPIED, "its copy is complete", labels=_wanted(copy))
    if volume is None:
        return Labelling(name, Stage.IMPOSSIBLE, "it is gone", Hint(make("status"), " lists the backups."))
    if volume.labels.get(PROTECT) == "true" and copy is None:
        return Labelling(name, Stage.LABELLED, "it is labelled")
    impossible = _impossible(volume, holders)
    if impossible:
        return Labelling(name, Stage.IMPOSSIBLE, *impossible)
    stage = Stage.FILLING if copy and volume.labels.get(PROTECT) == "true" else Stage.NEW
    reason = "it must be compared with its copy" if stage is Stage.FILLING else "it has no label yet"
    gone = tuple(container.name for container in holders)
    return Labelling(name, stage, reason, labels=_wanted(volume), holders=gone)


def _wanted(volume: Volume) -> tuple[tuple[str, str], ...]:
    """The labels of the new volume: the old ones and the protecting one."""
    kept = {name: value for name, value in volume.labels.items() if name != COPY_OF}
    return tuple(sorted({**kept, PROTECT: "true"}.items()))


def _impossible(volume: Volume, holders: list[Container]) -> tuple[str, Hint] | None:
    """Why a volume cannot be recreated, with a hint; None if it can."""
    if volume.anonymous:
        return (
            "it has no name",
            Hint(
                "Restore its database into a volume with a name: ", make("backup"), "; then ", make("restore")
            ),
        )
    if volume.driver != "local" or volume.options:
        return (
            f"it has a driver or options of its own ({volume.driver}, options: {len(volume.options)})",
            Hint("Name it under [guard] volumes in ledgerflow.toml: that protects it as well."),
        )
    running = [container.name for container in holders if container.running]
    if running:
        stop = command("docker", "stop", running[0])
        return f"{', '.join(running)} uses it now", Hint("Stop it, then run this again: ", stop)
    by_hand = [container.name for container in holders if not container.project or container.one_off]
    if by_hand:
        return (
            f"{by_hand[0]} mounts it, which Compose did not create and would not recreate",
            Hint(
                "Remove that container yourself, if you know how to recreate it: ",
                command("docker", "rm", by_hand[0]),
            ),
        )
    return None
