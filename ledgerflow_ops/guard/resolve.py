"""Asks the engine, Compose and our own notes what a call is about. Decides nothing."""

import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard import engine_output, symlinks
from ledgerflow_ops.guard.command_line import standard_input
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.model import Engine, Guarded, Process, Project
from ledgerflow_ops.guard.rules import containers, copying

_PATIENCE = 60.0
_STREAMED = "the compose file comes through standard input"
_WITH_ALL_PROFILES = frozenset({"compose down", "compose rm", "compose stop", "compose kill", "compose wait"})
_WITHOUT_SERVICES = frozenset({"compose config", "compose cp", "compose export"})


class Unanswered(Exception):
    """A question that docker or Compose did not answer; its words."""


class _Streamed(Unanswered):
    """What Compose reads comes through standard input: by `-f -`, or by a file that is called so."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The real docker, asked about the engine and the project that a call is for."""

    docker: Path
    call: Call
    compose: Path | None = None
    """The real docker-compose, where the call is one to it."""

    def engine(self) -> Engine:
        """All volumes and containers; Unanswered when the engine does not say."""
        own, root, api = self._about()
        names = self._run("volume", "ls", "--quiet").split()
        ids = self._run("container", "ls", "--all", "--quiet", "--no-trunc").split()
        return Engine(
            tuple(map(engine_output.volume, self._inspect("volume", names))),
            tuple(map(engine_output.container, self._inspect("container", ids))),
            own,
            root,
            api,
        )

    def _about(self) -> tuple[str, str, tuple[int, int]]:
        """The engine's id, where it keeps its data, the version that both sides speak."""
        said = json.loads(self._run("info", "--format", "{{json .}}"))
        if said.get("ServerErrors") or not said.get("DockerRootDir"):
            raise Unanswered("; ".join(said.get("ServerErrors") or ["the engine does not answer"]))
        spoken = self._run("version", "--format", "{{.Client.APIVersion}}").strip()
        major, _, minor = spoken.partition(".")
        return said.get("ID") or "", said["DockerRootDir"], (int(major), int(minor or 0))

    def _inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What is still there of these: something may go while we ask."""
        if not names:
            return []
        finished = process.run([self.docker, *self._leading(), kind, "inspect", *names], timeout=_PATIENCE)
        found = json.loads(finished.out or b"[]")
        if len(found) < len(names) and "no such" not in finished.errors.lower():
            raise Unanswered(process.last_lines(finished.errors).strip())
        return list(found)

    def images(self, names: Sequence[str]) -> dict[str, Process]:
        """What is known of these images; one that is not on the engine is left out."""
        found = {}
        for name in dict.fromkeys(filter(None, names)):
            finished = process.run(
                [self.docker, *self._leading(), "image", "inspect", name], timeout=_PATIENCE
            )
            if finished.code == 0:
                found[name] = engine_output.image(json.loads(finished.out)[0])
        return found

    def project(self, engine: Engine) -> Project:
        """The compose project: what its file says, or its name alone with the reason."""
        files, env_files = self._files("file", "COMPOSE_FILE"), self._files("env-file", "COMPOSE_ENV_FILES")
        if "-" in files:
            return Project(self._named(), files=files, unread=_STREAMED)
        services = self._services()
        profiles = ("--profile", "*") if self.call.verb in _WITH_ALL_PROFILES else ()
        try:
            said = json.loads(self._compose(*profiles, "config", "--format", "json", *services))
        except _Streamed:
            return Project(self._named(), files=(*files, "-"), unread=_STREAMED)
        except (Unanswered, ValueError) as error:
            found = files or self._default_files()
            return Project(self._named(), files=found, env_files=env_files, unread=f"{error}")
        wanted = [entry.get("image") or "" for entry in (said.get("services") or {}).values()]
        images = self.images(wanted)
        return engine_output.project(said, files or self._default_files(), env_files, images, engine)

    def _services(self) -> tuple[str, ...]:
        """The services that a call is about; Compose then tells of those and what they depend on."""
        call = self.call
        if call.verb in ("compose exec", "compose run", "compose attach"):
            return call.operands[:1]
        if call.verb == "compose scale":
            return tuple(operand.partition("=")[0] for operand in call.operands)
        if call.verb in _WITHOUT_SERVICES | _WITH_ALL_PROFILES:
            return ()
        return call.operands

    def _named(self) -> str:
        """The project's name as the line or the environment give it."""
        given = self.call.chosen.get("project-name", ("",))[-1]
        return (given or os.environ.get("COMPOSE_PROJECT_NAME", "")).lower()

    def _files(self, option: str, variable: str) -> tuple[str, ...]:
        separator = os.environ.get("COMPOSE_PATH_SEPARATOR") or (":" if option == "file" else ",")
        given = self.call.chosen.get(option, ())
        said = os.environ.get(variable) or (self._in_file(variable) if option == "file" else "")
        found = given or tuple(filter(None, said.split(separator)))
        return tuple(path if path == "-" else os.path.abspath(path) for path in found)  # noqa: PTH100 - no links followed

    def _in_file(self, variable: str) -> str:
        """What the project's own file of variables says; Compose reads it where nothing else speaks."""
        folder = Path(self.call.chosen.get("project-directory", (".",))[-1])
        try:
            lines = (folder / ".env").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        found = [line.partition("=") for line in lines if line.partition("=")[0].strip() == variable]
        return found[-1][2].strip().strip("\"'") if found else ""

    def _default_files(self) -> tuple[str, ...]:
        """Where nothing names the file, Compose takes the nearest by its usual names."""
        start = Path(self.call.chosen.get("project-directory", (".",))[-1]).absolute()
        for folder in (start, *start.parents):
            for name in ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"):
                if (folder / name).exists():
                    return (str(folder / name),)
        return ()

    def elsewhere(self, name: str) -> bool:
        """Whether a context leads to another engine than the call's own; unknown ones lead nowhere."""
        form = ("--format", "{{.Endpoints.docker.Host}}")
        finished = process.run([self.docker, "context", "inspect", name, *form], timeout=_PATIENCE)
        if finished.code:
            return False
        here = os.environ.get("DOCKER_HOST") or self._run("context", "inspect", *form).strip()
        return finished.out.decode().strip() != here

    def link(self, container: str, path: str) -> str | None:
        """What a path in a container points to as a link; empty when it is none or is not there, None when
        docker does not say. Of what it hands out, the first entry is all that is read.
        """
        with process.piped_program([self.docker, *self._leading(), "cp", f"{container}:{path}", "-"]) as (
            out,
            errors,
        ):
            try:
                with tarfile.open(fileobj=out, mode="r|") as archive:
                    first = archive.next()
                    return first.linkname if first and first.issym() else ""
            except tarfile.TarError:
                said = errors.read().decode("utf-8", "replace").lower()
        return "" if "could not find" in said or "no such file" in said else None

    def _leading(self) -> tuple[str, ...]:
        return self.call.engine

    def _compose(self, *words: str) -> str:
        """Compose's answer, by the program that the call is for."""
        start = [self.compose] if self.compose else [self.docker, *self._leading(), "compose"]
        with standard_input.bait() as (bait, taken):
            finished = self._ended([*start, *self.call.project, *words], stdin=bait)
            if taken():
                raise _Streamed
        return _said(finished)

    def _run(self, *words: str) -> str:
        return self._answer([self.docker, *self._leading(), *words])

    def _answer(self, command: Sequence[str | Path]) -> str:
        return _said(self._ended(command))

    def _ended(self, command: Sequence[str | Path], **options: Any) -> process.Finished:
        try:
            return process.run(command, timeout=_PATIENCE, extra=_own_variables(), **options)
        except LedgerError as error:
            raise Unanswered(error.message) from None


def _said(finished: process.Finished) -> str:
    if finished.code:
        raise Unanswered(process.last_lines(finished.errors).strip() or f"exit code {finished.code}")
    return finished.out.decode("utf-8", "replace")


def resolve(asked: Asked, guarded: Callable[[str], Guarded]) -> Scene:
    """The scene of a call; `guarded` gives what we protect on the engine of an id.

    An engine that is silent is told in the scene, and is no error here.
    """
    call, stdin, folder = asked.call, standard_input.standard_input(), os.getcwd()  # noqa: PTH109 - as it was typed
    try:
        engine = asked.engine()
    except (Unanswered, LedgerError, ValueError, KeyError) as error:
        silent = f"the engine does not answer: {error}"
        return Scene(silent=silent, guarded=guarded(""), stdin=stdin, folder=folder)
    scene = Scene(
        engine=engine,
        project=asked.project(engine) if call.compose else None,
        guarded=guarded(engine.id),
        stdin=stdin,
        folder=folder,
        socket=_socket(call),
        orphans_go=os.environ.get("COMPOSE_REMOVE_ORPHANS", "").lower() in ("1", "t", "true", "y", "yes"),
        images=asked.images(call.operands[:1]) if call.verb in ("run", "create") else {},
        elsewhere={name: asked.elsewhere(name) for name in call.operands[:1]}
        if call.verb == "context use"
        else {},
    )
    folders = scene.folders
    links = _links(set(containers.paths(call, scene)), folders)
    scene = replace(scene, links=links, disks={folder: _disk(folder) for folder in folders})
    inside = {
        (one.id, path): symlinks.end_of(path, partial(asked.link, one.id))
        for one, path in copying.paths_inside(call, scene)
    }
    return replace(scene, inside=inside)


def _own_variables() -> dict[str, str]:
    """Those of our variables that other programs do not get as they are: Compose puts them into its file."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return {**kept, "LC_ALL": os.environ.get("LC_ALL", "")}


def _socket(call: Call) -> str:
    """The file that the engine is spoken to through, where the line or the environment name it."""
    given = call.chosen.get("host", (os.environ.get("DOCKER_HOST", ""),))[-1]
    return given.removeprefix("unix://") if given.startswith("unix://") else ""


def _disk(folder: str) -> str:
    """Where the file system that a folder is on is mounted."""
    place = Path(os.path.realpath(folder))
    return str(next((above for above in (place, *place.parents) if above.is_mount()), place))


def _links(paths: Iterable[str], folders: Iterable[str]) -> dict[str, str]:
    """Where these paths really lead, in the words that the protected folders are known by.

    A folder is known by what it is, not by what it is called: it has other names through links, through
    mounts, and on a Mac in other letters.
    """
    known = {identity: folder for folder in folders if (identity := _identity(folder))}
    disks = {identity[0]: folder for identity, folder in known.items()}
    found = {}
    for path in paths:
        real = Path(os.path.realpath(path))
        if (device := _device(real)) in disks:  # whoever mounts it has all that is on it
            found[path] = disks[device]
            continue
        for above in (real, *real.parents):
            if folder := known.get(_identity(str(above)) or (0, 0)):
                real = Path(folder, real.relative_to(above))
                break
        if str(real) != path:
            found[path] = str(real)
    return found


def _device(path: Path) -> int:
    """Which disk a block device is; 0 for all that is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0
    return found.st_rdev if stat.S_ISBLK(found.st_mode) else 0


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
