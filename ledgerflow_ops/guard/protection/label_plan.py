"""Which volumes can be given the protecting label, and what remains to be done where it was begun.

A label cannot be added to a volume: it has to be made anew with its data. The data go into a copy, the copy
is compared, the old volume goes, the new one is filled from the copy and compared, the copy goes. At every
moment one whole volume is there, and the labels say which.
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
        "Only volumes have labels. It is protected while a container mounts it; let nobody else write there."
    ),
)


class Stage(StrEnum):
    """How far the labelling of a volume has come."""

    LABELLED = "labelled"
    IMPOSSIBLE = "impossible"
    NEW = "new"
    """Nothing is done yet, or only an unfinished copy was made."""
    COPIED = "copied"
    """The old volume is gone; the copy is the data."""
    FILLING = "filling"
    """The new volume is there, and the copy as well: which of them is whole is to be seen."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """What is to be done with one volume, and why; `hint` where it cannot be done."""

    volume: str
    stage: Stage
    reason: str
    hint: Hint = NO_HINT
    labels: tuple[tuple[str, str], ...] = ()
    holders: tuple[str, ...] = ()
    """Containers that have to go, because a volume cannot be removed while one mounts it."""

    @property
    def copy(self) -> str:
        """The copy's name."""
        return copy_name(self.volume)

    @property
    def doable(self) -> bool:
        return self.stage in (Stage.NEW, Stage.COPIED, Stage.FILLING)


def copy_name(volume: str) -> str:
    """What the copy of a volume is called while its data are moved."""
    return f"{volume}.being-labelled"


def plan_labels(scene: Scene, environment: str) -> list[Labelling]:
    """What can be done for the environment's protected volumes, one entry each, by name."""
    begun = {volume.labels[COPY_OF]: volume for volume in scene.engine.volumes if COPY_OF in volume.labels}
    protected = scene.protected
    names = {name for name in protected if scene.environment_of_volume(name) == environment}
    names -= {volume.name for volume in begun.values()}
    names |= {name for name, copy in begun.items() if scene.environment_of(copy.labels) == environment}
    folders = [Labelling(folder, Stage.IMPOSSIBLE, *_FOLDER) for folder in _bound(scene, environment)]
    return [_of(name, begun.get(name), scene) for name in sorted(names)] + folders


def _bound(scene: Scene, environment: str) -> Iterable[str]:
    """The host's folders that the environment's PostgreSQL keeps its data in."""
    for one in scene.engine.containers:
        ours = scene.environment_of(one.labels) == environment
        for mount in one.process.mounts:
            if ours and mount.kind == "bind" and mount.is_data(one.process.pgdata):
                yield mount.source


def _of(name: str, copy: Volume | None, scene: Scene) -> Labelling:
    volume = scene.engine.volume(name)
    holders = scene.engine.holders(name)
    if copy and volume is None:
        return Labelling(name, Stage.COPIED, "its copy is whole", labels=_wanted(copy))
    if volume is None:
        return Labelling(
            name, Stage.IMPOSSIBLE, "it is gone", Hint(make("status"), " shows what backups there are.")
        )
    if volume.labels.get(PROTECT) == "true" and copy is None:
        return Labelling(name, Stage.LABELLED, "it is labelled")
    impossible = _impossible(volume, holders)
    if impossible:
        return Labelling(name, Stage.IMPOSSIBLE, *impossible)
    stage = Stage.FILLING if copy and volume.labels.get(PROTECT) == "true" else Stage.NEW
    reason = "its copy and it are to be compared" if stage is Stage.FILLING else "it has no label yet"
    gone = tuple(one.name for one in holders)
    return Labelling(name, stage, reason, labels=_wanted(volume), holders=gone)


def _wanted(volume: Volume) -> tuple[tuple[str, str], ...]:
    """The labels of the new volume: those there were, and the one that protects."""
    kept = {name: value for name, value in volume.labels.items() if name != COPY_OF}
    return tuple(sorted({**kept, PROTECT: "true"}.items()))


def _impossible(volume: Volume, holders: list[Container]) -> tuple[str, Hint] | None:
    """Why a volume cannot be made anew, with what to do; None when it can."""
    if volume.anonymous:
        return (
            "it has no name",
            Hint(
                "Restore its database into a volume with a name: ", make("backup"), "; then ", make("restore")
            ),
        )
    if volume.driver != "local" or volume.options:
        return (
            f"it is made in a way of its own ({volume.driver}, {len(volume.options)} options)",
            Hint("Name it under [guard] volumes in ledgerflow.toml: that protects it as well."),
        )
    running = [one.name for one in holders if one.running]
    if running:
        stop = command("docker", "stop", running[0])
        return f"{', '.join(running)} uses it now", Hint("Stop it, then do this again: ", stop)
    by_hand = [one.name for one in holders if not one.project or one.one_off]
    if by_hand:
        return (
            f"{by_hand[0]} holds it, which Compose did not make and would not make again",
            Hint(
                "Remove that container yourself, if you know how to make it again: ",
                command("docker", "rm", by_hand[0]),
            ),
        )
    return None
