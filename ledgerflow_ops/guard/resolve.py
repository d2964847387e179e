"""Queries the engine, Compose and our records for what a call affects. Decides nothing."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledgerflow_ops.adapters.services import engine_api
from ledgerflow_ops.adapters.services.engine_api import EngineApi
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.guard import compose_text, engine_output
from ledgerflow_ops.guard.command_line import mounts, standard_input
from ledgerflow_ops.guard.command_line.grammar import BAKE
from ledgerflow_ops.guard.command_line.parse import Call, place, written_by
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.host_paths import host_places, overlap
from ledgerflow_ops.guard.model import ConfiguredProtection, Engine, Process, Project
from ledgerflow_ops.guard.rules.copying import on_host

_PATIENCE = 60.0
_STREAMED = "the compose file comes through standard input"
_WITH_ALL_PROFILES = frozenset({"compose down", "compose rm", "compose stop", "compose kill", "compose wait"})
_WITHOUT_SERVICES = frozenset({"compose config", "compose cp", "compose export"})
_BY_NAME_ALONE = frozenset(
    f"compose {name}" for name in ("exec", "cp", "attach", "kill", "pause", "unpause", "config", "export")
)
"""Compose's commands that act on existing containers, whatever the file says now."""
_BY_TEXT = _BY_NAME_ALONE | {
    f"compose {name}" for name in ("up", "create", "start", "stop", "restart", "run")
}
_DEFAULTS = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_LARGEST = 256 * 1024


class NoAnswer(Exception):
    """A query that docker or Compose did not answer, with their error message."""


class _Streamed(NoAnswer):
    """Compose reads its file from standard input: by `-f -`, or by a file that includes it."""


@dataclass(frozen=True)
class EngineClient:
    """Queries the engine and the project of a call as the real docker would reach them."""

    docker: Path
    call: Call
    compose: Path | None = None
    """The real docker-compose, where the call is one to it."""

    @cached_property
    def api(self) -> EngineApi:
        local = engine_api.local_socket(self.call.chosen, os.environ)
        return EngineApi(local, (self.docker, *self.call.engine))

    def engine(self) -> Engine:
        """All volumes and containers; LedgerError if the engine does not answer."""
        info, volumes, listed = self.api.get_all(("/info", "/volumes", "/containers/json?all=1"))
        details = self.api.get_all([f"/containers/{entry['Id']}/json" for entry in listed], missing=True)
        return Engine(
            tuple(map(engine_output.volume, volumes.get("Volumes") or ())),
            tuple(map(engine_output.container, filter(None, details))),
            info.get("ID") or "",
            info["DockerRootDir"],
        )

    def spoken(self) -> tuple[int, int]:
        """The version of the interface that docker and the engine speak; a prune depends on it."""
        words = ("version", "--format", "{{.Client.APIVersion}}")
        major, _, minor = _said(self._ended([self.docker, *self.call.engine, *words])).strip().partition(".")
        return int(major), int(minor or 0)

    def images(self, names: Iterable[str]) -> dict[str, Process]:
        """The details of these images, without those that are not on the engine."""
        wanted = [name for name in dict.fromkeys(names) if name]
        asked = self.api.get_all([f"/images/{quote(name)}/json" for name in wanted], missing=True)
        return {
            name: engine_output.image(fields) for name, fields in zip(wanted, asked, strict=True) if fields
        }

    def project(self, engine: Engine, known: Callable[[Project], Scene]) -> Project:
        """The Compose project by its file; only its name and the reason if the file cannot be read.

        `known` gives the scene with a project. The text of the files is enough where it shows the name and
        either nothing else is needed, or nothing in it can reach what is protected.
        """
        files = self._files("file", "COMPOSE_FILE") or self._default_files()
        env_files = self._files("env-file", "COMPOSE_ENV_FILES")
        if "-" in files:
            return Project(self._named(), files=files, unread=_STREAMED)
        if simple := self._by_text(files, env_files, known):
            return simple
        services = self._services()
        profiles = ("--profile", "*") if self.call.verb in _WITH_ALL_PROFILES else ()
        try:
            config = self._json(*profiles, "config", "--format", "json", *services)
        except _Streamed:
            return Project(self._named(), files=(*files, "-"), unread=_STREAMED)
        except (NoAnswer, ValueError) as error:
            return Project(self._named(), files=files, env_files=env_files, unread=f"{error}")
        wanted = [entry.get("image") or "" for entry in (config.get("services") or {}).values()]
        return engine_output.project(config, files, env_files, self.images(wanted), engine)

    def _by_text(
        self, files: tuple[str, ...], env_files: tuple[str, ...], known: Callable[[Project], Scene]
    ) -> Project | None:
        """The project as far as the text of its files shows it for certain; None if Compose must be asked."""
        texts = list(_texts(files))
        folder = self._folder(files)
        values = list(_texts([*env_files, *([f"{folder}/.env"] if Path(folder, ".env").exists() else [])]))
        name = self._named() or compose_text.project_name(texts, folder)
        # Compose takes the folder's name as the shell has it, by whatever link it was entered.
        shell = os.environ.get("PWD", "")
        entered = _identity(shell) != _identity(".") or Path(shell).name == Path.cwd().name
        unsure = self.call.verb not in _BY_TEXT or "COMPOSE_" in "".join(values) or not (name and entered)
        if unsure or len(texts) < len(files) or (not files and not self._named()):
            return None
        found = Project(name, files=files, env_files=env_files)
        scene = known(found)
        if self.call.verb in _BY_NAME_ALONE:
            return found
        ours = [*scene.protected, *scene.own_names()]
        if name in ours or scene.environment() or any(one.startswith(f"{name}_") for one in scene.protected):
            return None
        paths = list(compose_text.sources(texts, folder))
        links = _links(paths, scene.folders)
        apart = all(
            path and not overlap(links.get(path, path), one) for path in paths for one in scene.folders
        )
        plain = files and apart and compose_text.plain(texts, [*values, *os.environ.values()], ours)
        return found if plain and not self.call.options.keys() & {"volume", "volumes"} else None

    def _folder(self, files: tuple[str, ...]) -> str:
        given = self.call.chosen.get("project-directory", ("",))[-1]
        return str(Path(given or (Path(files[0]).parent if files else ".")).absolute())

    def _services(self) -> tuple[str, ...]:
        """The services that a call names; Compose then also lists their dependencies."""
        call = self.call
        if call.verb in ("compose exec", "compose run", "compose attach"):
            return call.operands[:1]
        if call.verb == "compose scale":
            return tuple(operand.partition("=")[0] for operand in call.operands)
        if call.verb in _WITHOUT_SERVICES | _WITH_ALL_PROFILES or call.foreign:
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
        """The files that Compose uses by default: the nearest with a usual name, and its override."""
        start = Path(self.call.chosen.get("project-directory", (".",))[-1]).absolute()
        for folder in (start, *start.parents):
            for name in _DEFAULTS:
                if (folder / name).exists():
                    first, _, last = name.rpartition(".")
                    over = [folder / f"{first}.override.{end}" for end in (last, *({"yml", "yaml"} - {last}))]
                    return (str(folder / name), *(str(path) for path in over if path.exists()))
        return ()

    def outputs(self) -> Iterator[str]:
        """The files that `buildx bake` would write, as it prints them itself; none if it cannot."""
        import json

        words = (*self.call.engine, *self.call.verb.split(), *self.call.operands, "--print")
        try:
            targets = json.loads(_said(self._ended([self.docker, *words]))).get("target") or {}
        except (NoAnswer, ValueError):
            return
        for given in (entry for target in targets.values() for entry in target.get("output") or ()):
            yield from written_by(given) if isinstance(given, str) else filter(None, [given.get("dest")])

    def elsewhere(self, name: str) -> bool:
        """Whether a context leads to an engine other than the call's own; False for an unknown context."""
        form = ("--format", "{{.Endpoints.docker.Host}}")
        finished = self._ended([self.docker, "context", "inspect", name, *form])
        if finished.code:
            return False
        here = os.environ.get("DOCKER_HOST") or _said(
            self._ended([self.docker, *self.call.engine, "context", "inspect", *form])
        )
        return bool(finished.out.decode().strip() != here.strip())

    def _json(self, *words: str) -> Any:
        """Compose's answer in JSON, from the program that the call is for."""
        import json

        start = [self.compose] if self.compose else [self.docker, *self.call.engine, "compose"]
        with standard_input.detecting_reads() as (bait, taken):
            finished = self._ended([*start, *self.call.project, *words], stdin=bait)
            if taken():
                raise _Streamed
        return json.loads(_said(finished))

    def _ended(self, command: Sequence[str | Path], **options: Any) -> Any:
        from ledgerflow_ops.adapters.system import process  # most calls start no other program

        try:
            return process.run(command, timeout=_PATIENCE, extra=_own_variables(), **options)
        except LedgerError as error:
            raise NoAnswer(error.message) from None


def _said(finished: Any) -> str:
    from ledgerflow_ops.adapters.system import process

    if finished.code:
        raise NoAnswer(process.last_lines(finished.errors).strip() or f"exit code {finished.code}")
    return str(finished.out.decode("utf-8", "replace"))


def _texts(files: Iterable[str]) -> Iterator[str]:
    """The text of these files, without those that are no small regular files."""
    for file in files:
        try:
            status = Path(file).stat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
                yield Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue


def resolve(asked: EngineClient, guarded: Callable[[str], ConfiguredProtection]) -> Scene:
    """The state that a call's verdict depends on; `guarded` returns what we protect on the engine with an id.

    An engine that does not answer is no error here: `silent` says so.
    """
    call, stdin, folder = asked.call, standard_input.standard_input(), os.getcwd()  # noqa: PTH109 - as it was typed
    try:
        engine = asked.engine()
    except (NoAnswer, LedgerError, ValueError, KeyError) as error:
        why = error.message if isinstance(error, LedgerError) else f"the engine does not answer: {error}"
        return Scene(silent=why, guarded=guarded(""), stdin=stdin, folder=folder)
    scene = Scene(
        engine=engine,
        guarded=guarded(engine.id),
        stdin=stdin,
        folder=folder,
        socket=engine_api.local_socket(call.chosen, os.environ),
        orphans_go=os.environ.get("COMPOSE_REMOVE_ORPHANS", "").lower() in ("1", "t", "true", "y", "yes"),
        images=asked.images(call.operands[:1]) if call.verb in ("run", "create") else {},
        elsewhere={name: asked.elsewhere(name) for name in call.operands[:1]}
        if call.verb == "context use"
        else {},
    )
    if call.verb == BAKE:
        scene = replace(scene, outputs=tuple(asked.outputs()))
    if call.compose:
        bare = scene
        scene = replace(scene, project=asked.project(engine, lambda found: replace(bare, project=found)))
    folders = scene.folders
    links = _links(set(_paths(call, scene)), folders)
    return replace(scene, links=links, disks={folder: _disk(folder) for folder in folders})


def _paths(call: Call, scene: Scene) -> Iterator[str]:
    """Every path of the host that the verdict depends on, to be resolved."""
    mounted = [mounts.of_call(call, scene)] if call.verb in ("run", "create", "compose run") else []
    mounted += [container.process for container in scene.engine.containers]
    mounted += [service.process for service in scene.project.services] if scene.project else []
    yield from (mount.source for process in mounted for mount in process.mounts if mount.kind == "bind")
    for volume in scene.engine.volumes:
        yield from volume.places
    if call.verb == "volume create":
        yield from host_places(mounts.driver_options(call))
    yield from (on_host(target, scene) for target in (*call.all("output"), *scene.outputs))
    if call.verb in ("cp", "compose cp"):
        yield from (on_host(path, scene) for name, path in map(place, call.operands) if not name)


def _own_variables() -> dict[str, str]:
    """Our variables that `process.run` would change, although Compose substitutes them in its file."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return {**kept, "LC_ALL": os.environ.get("LC_ALL", "")}


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
