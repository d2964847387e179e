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
from ledgerflow_ops.guard.host_paths import host_places
from ledgerflow_ops.guard.model import ConfiguredProtection, Engine, Process, Project

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
        version = self._docker("version", "--format", "{{.Client.APIVersion}}")
        major, _, minor = version.strip().partition(".")
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
        bare = Project(self._named(), files=files, env_files=self._files("env-file", "COMPOSE_ENV_FILES"))
        if "-" in files:
            return replace(bare, unread=_STREAMED)
        if simple := self._by_text(bare, known):
            return simple
        profiles = ("--profile", "*") if self.call.verb in _WITH_ALL_PROFILES else ()
        try:
            config = self._json(*profiles, "config", "--format", "json", *self._services())
        except _Streamed:
            return replace(bare, files=(*files, "-"), unread=_STREAMED)
        except (NoAnswer, ValueError) as error:
            return replace(bare, unread=f"{error}")
        wanted = [entry.get("image") or "" for entry in (config.get("services") or {}).values()]
        found = engine_output.project(config, self.images(wanted), engine)
        return replace(found, files=files, env_files=bare.env_files)

    def _by_text(self, bare: Project, known: Callable[[Project], Scene]) -> Project | None:
        """The project as far as the text of its files shows it for certain; None if Compose must be asked."""
        files, folder = bare.files, str(Path(bare.files[0]).parent if bare.files else Path.cwd())
        folder = str(Path(self.call.chosen.get("project-directory", (folder,))[-1]).absolute())
        texts, defaults = list(_texts(files)), Path(folder, ".env")
        values = list(_texts([*bare.env_files, *([str(defaults)] if defaults.exists() else [])]))
        name = bare.name or compose_text.project_name(texts, folder)
        # Compose takes the folder's name as the shell has it, by whatever link it was entered.
        shell = os.environ.get("PWD", "")
        entered = _identity(shell) != _identity(".") or Path(shell).name == Path.cwd().name
        unsure = self.call.verb not in _BY_TEXT or "COMPOSE_" in "".join(values) or not (name and entered)
        if unsure or len(texts) < len(files) or not (files or bare.name):
            return None
        found = replace(bare, name=name)
        scene = known(found)
        if self.call.verb in _BY_NAME_ALONE:
            return found
        ours = [*scene.protected, *scene.own_names()]
        if name in ours or scene.environment() or any(one.startswith(f"{name}_") for one in scene.protected):
            return None
        paths = list(compose_text.sources(texts, folder))
        near = replace(scene, links=_links(paths, scene.folders))
        apart = all(path and not near.reaches(path, one) for path in paths for one in scene.folders)
        plain = files and apart and compose_text.plain(texts, [*values, *os.environ.values()], ours)
        return found if plain and not self.call.options.keys() & {"volume", "volumes"} else None

    def _services(self) -> tuple[str, ...]:
        """The services that a call names; Compose then also lists their dependencies."""
        call = self.call
        if call.verb in _WITHOUT_SERVICES | _WITH_ALL_PROFILES or call.foreign:
            return ()
        first = call.verb in ("compose exec", "compose run", "compose attach")
        named = call.operands[:1] if first else call.operands
        return tuple(name.partition("=")[0] for name in named) if call.verb == "compose scale" else named

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
        lines = "".join(_texts([str(folder / ".env")])).splitlines()
        pairs = (line.partition("=") for line in lines)
        values = [value for name, _, value in pairs if name.strip() == variable]
        return values[-1].strip().strip("\"'") if values else ""

    def _default_files(self) -> tuple[str, ...]:
        """The files that Compose uses by default: the nearest with a usual name, and its override."""
        start = Path(self.call.chosen.get("project-directory", (".",))[-1]).absolute()
        places = (folder / name for folder in (start, *start.parents) for name in _DEFAULTS)
        found = next((place for place in places if place.exists()), None)
        if found is None:
            return ()
        ends = dict.fromkeys((found.suffix, ".yml", ".yaml"))
        over = (found.with_name(f"{found.stem}.override{end}") for end in ends)
        return (str(found), *(str(path) for path in over if path.exists()))

    def outputs(self) -> Iterator[str]:
        """The files that `buildx bake` would write, as it prints them itself; none if it cannot."""
        import json

        try:
            printed = self._docker(*self.call.verb.split(), *self.call.operands, "--print")
            targets = json.loads(printed).get("target") or {}
        except (NoAnswer, ValueError):
            return
        for given in (entry for target in targets.values() for entry in target.get("output") or ()):
            yield from written_by(given) if isinstance(given, str) else filter(None, [given.get("dest")])

    def elsewhere(self, name: str) -> bool:
        """Whether a context leads to an engine other than the call's own; False for an unknown context."""
        asked, form = ("context", "inspect"), ("--format", "{{.Endpoints.docker.Host}}")
        try:
            there = _printed([self.docker, *asked, name, *form])
            here = os.environ.get("DOCKER_HOST") or self._docker(*asked, *form)
        except NoAnswer:
            return False
        return there.strip() != here.strip()

    def _docker(self, *words: str) -> str:
        return _printed([self.docker, *self.call.engine, *words])

    def _json(self, *words: str) -> Any:
        """Compose's answer in JSON, from the program that the call is for."""
        import json

        start = [self.compose] if self.compose else [self.docker, *self.call.engine, "compose"]
        with standard_input.detecting_reads() as (bait, taken):
            try:
                return json.loads(_printed([*start, *self.call.project, *words], stdin=bait))
            finally:
                if taken():
                    raise _Streamed


def _printed(command: Sequence[str | Path], **options: Any) -> str:
    """What a program prints; NoAnswer with its error message."""
    from ledgerflow_ops.adapters.system import process  # most calls start no other program

    # Our variables that `process.run` would change, although Compose substitutes them in its file.
    own = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    own["LC_ALL"] = os.environ.get("LC_ALL", "")
    try:
        finished = process.run(command, timeout=_PATIENCE, extra=own, **options)
    except LedgerError as error:
        raise NoAnswer(error.message) from None
    if finished.code:
        raise NoAnswer(process.last_lines(finished.errors).strip() or f"exit code {finished.code}")
    return finished.out.decode("utf-8", "replace")


def _texts(files: Iterable[str]) -> Iterator[str]:
    """The text of these files, without those that are no small regular files."""
    for file in files:
        try:
            status = Path(file).stat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
                yield Path(file).read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            continue


def resolve(asked: EngineClient, guarded: Callable[[str], ConfiguredProtection]) -> Scene:
    """The state that a call's verdict depends on; `guarded` returns what we protect on the engine with an id.

    An engine that does not answer is no error here: `silent` says so.
    """
    call = asked.call
    scene = Scene(stdin=standard_input.standard_input(), folder=os.getcwd())  # noqa: PTH109 - as it was typed
    try:
        engine = asked.engine()
    except (NoAnswer, LedgerError, ValueError, KeyError) as error:
        why = error.message if isinstance(error, LedgerError) else f"the engine does not answer: {error}"
        return replace(scene, silent=why, guarded=guarded(""))
    named = call.operands[:1]
    scene = replace(
        scene,
        engine=engine,
        guarded=guarded(engine.id),
        socket=engine_api.local_socket(call.chosen, os.environ),
        orphans_go=os.environ.get("COMPOSE_REMOVE_ORPHANS", "").lower() in ("1", "t", "true", "y", "yes"),
        images=asked.images(named) if call.verb in ("run", "create") else {},
        elsewhere={name: asked.elsewhere(name) for name in named} if call.verb == "context use" else {},
        outputs=tuple(asked.outputs()) if call.verb == BAKE else (),
    )
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
    yield from (scene.on_host(target) for target in (*call.all("output"), *scene.outputs))
    if call.verb in ("cp", "compose cp"):
        yield from (scene.on_host(path) for name, path in map(place, call.operands) if not name)


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
        disk = disks.get(_device(real))  # mounting the disk gives access to all that is on it
        for above in (real, *real.parents):
            if folder := known.get(_identity(str(above)) or (0, 0)):
                real = Path(folder, real.relative_to(above))
                break
        if disk or str(real) != path:
            links[path] = disk or str(real)
    return links


def _device(path: Path) -> int:
    """The device number of a block device; 0 for other files."""
    status = _status(path)
    return status.st_rdev if status and stat.S_ISBLK(status.st_mode) else 0


def _identity(path: str) -> tuple[int, int] | None:
    status = _status(Path(path))
    return (status.st_dev, status.st_ino) if status else None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None
