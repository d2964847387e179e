"""Gives volumes the protecting label by recreating them with their data.

Data are moved and compared by `docker cp` with containers that are never started: no program runs on them,
and the image needs none.
"""

import hashlib
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import COPY_OF, PROTECT
from ledgerflow_ops.guard.protection.label_plan import Labelling, Stage

_PLACE = "/ledgerflow-volume"
_MOVER = "com.ledgerflow.mover"
_CHUNK = 1 << 20
_LINK, _SIZE, _DIGEST = 4, 5, 6

Contents = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True)
class VolumeMover:
    """Moves volumes' data with the real docker. `say` is called with each step before it is carried out."""

    docker: Path
    scene: Scene
    say: Callable[[str], None]

    def carry_out(self, labelling: Labelling) -> None:
        """Label one volume, from whatever stage it is in. Being killed at any point loses no data."""
        name, copy = labelling.volume, labelling.copy
        if labelling.stage is Stage.NEW:
            self._copy_aside(labelling)
            for holder in labelling.holders:
                self.say(f"removing the container {holder}; docker compose up creates it again")
                self._run("container", "rm", holder)
            self.say(f"removing {name}: its copy {copy} is equal")
            self._run("volume", "rm", name)
        if labelling.stage is Stage.FILLING and self._unfinished(name, copy):
            self.say(f"removing the incomplete {name}: its copy is complete")
            self._run("volume", "rm", name)
            self._fill(labelling)
        if labelling.stage in (Stage.NEW, Stage.COPIED):
            self._fill(labelling)
        self.say(f"removing the copy {copy}: {name} is labelled and equal")
        self._run("volume", "rm", copy)

    def _unfinished(self, name: str, copy: str) -> bool:
        """Whether a volume was filled only in part; Refused if it was complete and has been changed since."""
        contents, whole = self._contents(name), self._contents(copy)
        if contents == whole:
            return False
        later = [path for path, facts in contents.items() if not _begun(facts, whole.get(path))]
        if later:
            raise Refused(
                f"{name} and its copy {copy} are not equal, and {later[0]} is not a part of the copy's file: "
                f"something has written to {name} since.",
                hint=Hint(
                    f"Nothing was removed. If {name} is the one to keep: ",
                    make("backup"),
                    "; then ",
                    command("docker", "volume", "rm", copy),
                ),
            )
        return True

    def _copy_aside(self, labelling: Labelling) -> None:
        name, copy = labelling.volume, labelling.copy
        begun = self.scene.engine.volume(copy)
        if begun and begun.labels.get(COPY_OF) != name:
            raise Refused(
                f"A volume {copy} exists already, and it is not a copy of ours.",
                hint=Hint(
                    "Check its content, and give it another name: ",
                    command("docker", "volume", "inspect", copy),
                ),
            )
        if begun:
            self.say(f"removing {copy}, which is incomplete")
            self._run("volume", "rm", copy)
        self.say(f"copying {name} to {copy}")
        self._make(copy, {**dict(labelling.labels), COPY_OF: name, PROTECT: "true"})
        self._pour(name, copy)
        self._require_equal(name, copy)

    def _fill(self, labelling: Labelling) -> None:
        name, copy = labelling.volume, labelling.copy
        self.say(f"creating {name} again with its label, from {copy}")
        self._make(name, dict(labelling.labels))
        self._pour(copy, name)
        self._require_equal(copy, name)

    def _make(self, name: str, labels: Mapping[str, str]) -> None:
        words = [f"--label={label}={value}" for label, value in labels.items()]
        self._run("volume", "create", *words, name)

    def _pour(self, source: str, target: str) -> None:
        """Copy the whole content of a volume into another, with owners, modes and times."""
        with self._at_hand(source) as giver, self._at_hand(target) as taker:
            giving = process.start_program(
                [self.docker, "cp", f"{giver}:{_PLACE}", "-"],
                extra={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            taking = process.start_program(
                [self.docker, "cp", "--archive", "-", f"{taker}:/"], extra={}, stdin=giving.stdout,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            if giving.stdout:
                giving.stdout.close()
            codes = (taking.wait(), giving.wait())
        if any(codes):
            raise LedgerError(
                f"{source} could not be copied to {target} (docker cp: exit codes {codes}).",
                hint=Hint(
                    "Nothing was removed. Check the engine's free space (",
                    command("docker", "system", "df"),
                    "), and run it again.",
                ),
            )

    def _require_equal(self, first: str, second: str) -> None:
        if self._contents(first) != self._contents(second):
            raise BadBackup(
                f"{second} is not equal to {first}.",
                hint=Hint(
                    f"{first} is unchanged. Is something writing to it? Run it again when nothing uses it."
                ),
            )

    def _contents(self, volume: str) -> Contents:
        """Every file, folder and link of a volume: kind, mode, owner, size and digest of its content."""
        with self._at_hand(volume) as holder:
            giving = process.start_program(
                [self.docker, "cp", f"{holder}:{_PLACE}", "-"],
                extra={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            try:
                with tarfile.open(fileobj=giving.stdout, mode="r|") as archive:
                    return {member.name: _facts(archive, member) for member in archive}
            except tarfile.TarError as error:
                raise LedgerError(
                    f"{volume} cannot be read: {error}.",
                    hint=Hint(command("docker", "volume", "inspect", volume)),
                ) from None
            finally:
                process.stop(giving)

    @contextmanager
    def _at_hand(self, volume: str) -> Iterator[str]:
        """A container that mounts the volume and is never started."""
        image = self._run("image", "ls", "--quiet", "--no-trunc").split()
        if not image:
            raise Refused("There is no image on this engine.", hint=Hint("Pull the database's image first."))
        words = [
            f"--label={_MOVER}=true",
            "--network",
            "none",
            "--volume",
            f"{volume}:{_PLACE}",
            image[0],
            "true",
        ]
        holder = self._run("container", "create", *words).strip()
        try:
            yield holder
        finally:
            self._run("container", "rm", "--volumes", holder)

    def _run(self, *words: str) -> str:
        finished = process.run([self.docker, *words], timeout=600)
        if finished.code:
            raise LedgerError(
                f"docker {' '.join(words[:2])} failed:\n{process.last_lines(finished.errors)}",
                hint=Hint("The next ", make("protect"), " continues; no data was lost."),
            )
        return finished.out.decode()


def remove_leftover_containers(docker: Path) -> None:
    """Remove the containers that a killed run has left, because they mount the volumes."""
    listed = process.run(
        [docker, "container", "ls", "--all", "--quiet", f"--filter=label={_MOVER}"], timeout=60
    )
    left = listed.out.decode().split()
    if left:
        process.run([docker, "container", "rm", "--volumes", *left], timeout=60)


def _begun(facts: tuple[object, ...], complete: tuple[object, ...] | None) -> bool:
    """Whether a file can be the result of an interrupted copy: it is equal, or shorter."""
    if complete is None or facts[0] != complete[0]:
        return False
    same = facts[_DIGEST] == complete[_DIGEST] and facts[_LINK] == complete[_LINK]
    return same or int(str(facts[_SIZE])) < int(str(complete[_SIZE]))


def _facts(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    digest = hashlib.sha256()
    held = archive.extractfile(member) if member.isreg() else None
    while held and (chunk := held.read(_CHUNK)):
        digest.update(chunk)
    return member.type, member.mode, member.uid, member.gid, member.linkname, member.size, digest.hexdigest()
