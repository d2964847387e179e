"""Queries the engine, Compose and our records for what a call affects. Decides nothing."""

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
from ledgerflow_ops.guard.model import ConfiguredProtection, Engine, Process, Project
from ledgerflow_ops.guard.rules import containers, copying

_PATIENCE = 60.0
_STREAMED = "the compose file comes through standard input"
_WITH_ALL_PROFILES = frozenset({"compose down", "compose rm", "compose stop", "compose kill", "compose wait"})
_WITHOUT_SERVICES = frozenset({"compose config", "compose cp", "compose export"})


class NoAnswer(Exception):
    """A query that docker or Compose did not answer, with their error message."""


class _Streamed(NoAnswer):
    """Compose reads its file from standard input: by `-f -`, or by a file that includes it."""


@dataclass(frozen=True, slots=True)
class EngineClient:
    """Queries the engine and the project of a call through the real docker."""

    docker: Path
    call: Call
    compose: Path | None = None
    """The real docker-compose, where the call is one to it."""

    def engine(self) -> Engine:
        """All volumes and containers; NoAnswer if the engine does not answer."""
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
        info = json.loads(self._run("info", "--format", "{{json .}}"))
        if info.get("ServerErrors") or not info.get("DockerRootDir"):
            raise NoAnswer("; ".join(info.get("ServerErrors") or ["the engine does not answer"]))
        spoken = self._run("version", "--format", "{{.Client.APIVersion}}").strip()
        major, _, minor = spoken.partition(".")
        return info.get("ID") or "", info["DockerRootDir"], (int(major), int(minor or 0))

    def _inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The details of these objects, without those that have disappeared meanwhile."""
        if not names:
            return []
        finished = process.run([self.docker, *self._leading(), kind, "inspect", *names], timeout=_PATIENCE)
        entries = json.loads(finished.out or b"[]")
        if len(entries) < len(names) and "no such" not in finished.errors.lower():
            raise NoAnswer(process.last_lines(finished.errors).strip())
        return list(entries)

    def images(self, names: Sequence[str]) -> dict[str, Process]:
        """The details of these images, without those that are not on the engine."""
        images = {}
        for name in dict.fromkeys(filter(None, names)):
            finished = process.run(
                [self.docker, *self._leading(), "image", "inspect", name], timeout=_PATIENCE
            )
            if finished.code == 0:
                images[name] = engine_output.image(json.loads(finished.out)[0])
        return images

    def project(self, engine: Engine) -> Project:
        """The Compose project by its file; only its name and the reason if the file cannot be read."""
        files, env_files = self._files("file", "COMPOSE_FILE"), self._files("env-file", "COMPOSE_ENV_FILES")
        if "-" in files:
            return Project(self._named(), files=files, unread=_STREAMED)
        services = self._services()
        profiles = ("--profile", "*") if self.call.verb in _WITH_ALL_PROFILES else ()
        try:
            config = json.loads(self._compose(*profiles, "config", "--format", "json", *services))
        except _Streamed:
            return Project(self._named(), files=(*files, "-"), unread=_STREAMED)
        except (NoAnswer, ValueError) as error:
            config_files = files or self._default_files()
            return Project(self._named(), files=config_files, env_files=env_files, unread=f"{error}")
        wanted = [entry.get("image") or "" for entry in (config.get("services") or {}).values()]
        images = self.images(wanted)
        return engine_output.project(config, files or self._default_files(), env_files, images, engine)

    def _services(self) -> tuple[str, ...]:
        """The services that a call names; Compose then also lists their dependencies."""
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
        value = os.environ.get(variable) or (self._in_file(variable) if option == "file" else "")
        paths = given or tuple(filter(None, value.split(separator)))
        return tuple(path if path == "-" else os.path.abspath(path) for path in paths)  # noqa: PTH100 - no links followed

    def _in_file(self, variable: str) -> str:
        """A variable's value from the project's .env file, which Compose uses if nothing else sets it."""
        folder = Path(self.call.chosen.get("project-directory", (".",))[-1])
        try:
            lines = (folder / ".env").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        values = [line.partition("=") for line in lines if line.partition("=")[0].strip() == variable]
        return values[-1][2].strip().strip("\"'") if values else ""

    def _default_files(self) -> tuple[str, ...]:
        """The file that Compose uses by default: the nearest with one of the usual names."""
        start = Path(self.call.chosen.get("project-directory", (".",))[-1]).absolute()
        for folder in (start, *start.parents):
            for name in ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"):
                if (folder / name).exists():
                    return (str(folder / name),)
        return ()

    def elsewhere(self, name: str) -> bool:
        """Whether a context leads to an engine other than the call's own; False for an unknown context."""
        form = ("--format", "{{.Endpoints.docker.Host}}")
        finished = process.run([self.docker, "context", "inspect", name, *form], timeout=_PATIENCE)
        if finished.code:
            return False
        current = os.environ.get("DOCKER_HOST") or self._run("context", "inspect", *form).strip()
        return finished.out.decode().strip() != current

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
                message = errors.read().decode("utf-8", "replace").lower()
        return "" if "could not find" in message or "no such file" in message else None

    def _leading(self) -> tuple[str, ...]:
        return self.call.engine

    def _compose(self, *words: str) -> str:
        """Compose's output, from the program that the call is for."""
        start = [self.compose] if self.compose else [self.docker, *self._leading(), "compose"]
        with standard_input.detecting_reads() as (bait, taken):
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
            raise NoAnswer(error.message) from None


def _said(finished: process.Finished) -> str:
    if finished.code:
        raise NoAnswer(process.last_lines(finished.errors).strip() or f"exit code {finished.code}")
    return finished.out.decode("utf-8", "replace")


def resolve(asked: EngineClient, guarded: Callable[[str], ConfiguredProtection]) -> Scene:
    """The state that a call's verdict depends on; `guarded` returns what we protect on the engine with an id.

    An engine that does not answer is no error here: `silent` says so.
    """
    call, stdin, folder = asked.call, standard_input.standard_input(), os.getcwd()  # noqa: PTH109 - as it was typed
    try:
        engine = asked.engine()
    except (NoAnswer, LedgerError, ValueError, KeyError) as error:
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
        (container.id, path): symlinks.resolve_path(path, partial(asked.link, container.id))
        for container, path in copying.paths_inside(call, scene)
    }
    return replace(scene, inside=inside)


def _own_variables() -> dict[str, str]:
    """Our variables that `process.run` would change, although Compose substitutes them in its file."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return {**kept, "LC_ALL": os.environ.get("LC_ALL", "")}


def _socket(call: Call) -> str:
    """The engine's socket, if the line or DOCKER_HOST names it."""
    given = call.chosen.get("host", (os.environ.get("DOCKER_HOST", ""),))[-1]
    return given.removeprefix("unix://") if given.startswith("unix://") else ""


def _disk(folder: str) -> str:
    """The mount point of a folder's file system."""
    place = Path(os.path.realpath(folder))
    return str(next((above for above in (place, *place.parents) if above.is_mount()), place))


def _links(paths: Iterable[str], folders: Iterable[str]) -> dict[str, str]:
    """The paths that these resolve to, expressed by the names of the protected folders.

    Folders are compared by device and inode, because a folder can have other names: through links, through
    mounts, and on a Mac in other letter case.
    """
    known = {identity: folder for folder in folders if (identity := _identity(folder))}
    disks = {identity[0]: folder for identity, folder in known.items()}
    links = {}
    for path in paths:
        real = Path(os.path.realpath(path))
        if (device := _device(real)) in disks:  # mounting the disk gives access to all that is on it
            links[path] = disks[device]
            continue
        for above in (real, *real.parents):
            if folder := known.get(_identity(str(above)) or (0, 0)):
                real = Path(folder, real.relative_to(above))
                break
        if str(real) != path:
            links[path] = str(real)
    return links


def _device(path: Path) -> int:
    """The device number of a block device; 0 for other files."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else 0


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
