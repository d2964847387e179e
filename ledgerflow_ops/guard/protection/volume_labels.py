"""Gives volumes the protecting label, by making them anew with their data; says what cannot be labelled.

Data are moved and compared through `docker cp` on containers that are never started: no program runs on
them, and no image needs to have one.
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
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import COPY_OF, PROTECT
from ledgerflow_ops.guard.protection.label_plan import Labelling, Stage

_PLACE = "/ledgerflow-volume"
_MOVER = "com.ledgerflow.mover"
_CHUNK = 1 << 20
_LINK, _SIZE, _DIGEST = 4, 5, 6

Contents = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True)
class Mover:
    """The real docker, told to move volumes. `say` hears of each step before it is carried out."""

    docker: Path
    scene: Scene
    say: Callable[[str], None]

    def carry_out(self, labelling: Labelling) -> None:
        """Give one volume its label, from whatever stage it is at. Dying at any point loses nothing."""
        name, copy = labelling.volume, labelling.copy
        if labelling.stage is Stage.NEW:
            self._copy_aside(labelling)
            for holder in labelling.holders:
                self.say(f"removing the container {holder}; docker compose up makes it again")
                self._run("container", "rm", holder)
            self.say(f"removing {name}: its copy {copy} is equal")
            self._run("volume", "rm", name)
        if labelling.stage is Stage.FILLING and self._unfinished(name, copy):
            self.say(f"removing the unfinished {name}: its copy is whole")
            self._run("volume", "rm", name)
            self._fill(labelling)
        if labelling.stage in (Stage.NEW, Stage.COPIED):
            self._fill(labelling)
        self.say(f"removing the copy {copy}: {name} is labelled and equal")
        self._run("volume", "rm", copy)

    def _unfinished(self, name: str, copy: str) -> bool:
        """Whether a volume was not filled to its end; Refused where it was, and was used since."""
        found, whole = self._contents(name), self._contents(copy)
        if found == whole:
            return False
        later = [path for path, facts in found.items() if not _begun(facts, whole.get(path))]
        if later:
            raise Refused(
                f"{name} and its copy {copy} are not equal, and {later[0]} is no beginning of the copy's: "
                f"something has written to {name} since.",
                hint=Hint(
                    f"Nothing was removed. Where {name} is the one to keep: ",
                    make("backup"),
                    f"; then docker volume rm {copy}",
                ),
            )
        return True

    def _copy_aside(self, labelling: Labelling) -> None:
        name, copy = labelling.volume, labelling.copy
        begun = self.scene.engine.volume(copy)
        if begun and begun.labels.get(COPY_OF) != name:
            raise Refused(
                f"There is a volume {copy} already, which is no copy of ours.",
                hint=Hint(f"See what is in it, and give it another name: docker volume inspect {copy}"),
            )
        if begun:
            self.say(f"removing {copy}, which was not finished")
            self._run("volume", "rm", copy)
        self.say(f"copying {name} to {copy}")
        self._make(copy, {**dict(labelling.labels), COPY_OF: name, PROTECT: "true"})
        self._pour(name, copy)
        self._require_equal(name, copy)

    def _fill(self, labelling: Labelling) -> None:
        name, copy = labelling.volume, labelling.copy
        self.say(f"making {name} anew with its label, from {copy}")
        self._make(name, dict(labelling.labels))
        self._pour(copy, name)
        self._require_equal(copy, name)

    def _make(self, name: str, labels: Mapping[str, str]) -> None:
        words = [f"--label={label}={value}" for label, value in labels.items()]
        self._run("volume", "create", *words, name)

    def _pour(self, source: str, target: str) -> None:
        """All that is in one volume into another, with owners, modes and times."""
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
                    "Nothing was removed. See that the engine has room (docker system df), and do it again."
                ),
            )

    def _require_equal(self, one: str, other: str) -> None:
        if self._contents(one) != self._contents(other):
            raise BadBackup(
                f"{other} is not equal to {one}.",
                hint=Hint(
                    f"{one} is untouched. Is something writing to it? Do it again when nothing uses it."
                ),
            )

    def _contents(self, volume: str) -> Contents:
        """Every file, folder and link of a volume: kind, mode, owner, and what is in it."""
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
                    f"{volume} cannot be read: {error}.", hint=Hint("docker volume inspect.")
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
                hint=Hint("What was begun is taken up by the next ", make("protect"), "; no data was lost."),
            )
        return finished.out.decode()


def sweep(docker: Path) -> None:
    """Remove the containers that a killed run has left: they hold the volumes."""
    listed = process.run(
        [docker, "container", "ls", "--all", "--quiet", f"--filter=label={_MOVER}"], timeout=60
    )
    left = listed.out.decode().split()
    if left:
        process.run([docker, "container", "rm", "--volumes", *left], timeout=60)


def _begun(found: tuple[object, ...], whole: tuple[object, ...] | None) -> bool:
    """Whether a file is what a copy leaves that was cut off: the same, or a file that ends early."""
    if whole is None or found[0] != whole[0]:
        return False
    same = found[_DIGEST] == whole[_DIGEST] and found[_LINK] == whole[_LINK]
    return same or int(str(found[_SIZE])) < int(str(whole[_SIZE]))


def _facts(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    digest = hashlib.sha256()
    held = archive.extractfile(member) if member.isreg() else None
    while held and (chunk := held.read(_CHUNK)):
        digest.update(chunk)
    return member.type, member.mode, member.uid, member.gid, member.linkname, member.size, digest.hexdigest()
