"""The effects of a call on protected data, by each command's rules, and the environment of its target."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.guard.command_line.grammar import READING
from ledgerflow_ops.guard.command_line.object_names import place
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, Judgement, Target, distinct
from ledgerflow_ops.guard.rules import compose, compose_hooks, containers, copying, removals

_FILE = re.compile(r".*\.(dev|test|prod)\.ya?ml")
_ENV_FILE = re.compile(r"(?:.*\.)?env\.(dev|test|prod)|\.env\.(dev|test|prod)")

Rule = Callable[[Call, Scene], Iterable[DataEffect]]


def _nothing(_call: Call, _scene: Scene) -> Iterator[DataEffect]:
    yield from ()


_RULES: Mapping[str, Rule] = {
    "run": containers.new_container,
    "create": containers.new_container,
    "start": containers.started,
    "restart": containers.started,
    "stop": removals.stopped,
    "kill": removals.stopped,
    "rm": removals.containers,
    "exec": containers.executed,
    "attach": containers.attached,
    "cp": copying.copied,
    "export": copying.output,
    "image save": copying.output,
    "volume rm": removals.volumes_by_name,
    "volume prune": removals.volume_sweep,
    "volume create": containers.volume_made,
    "container prune": removals.container_sweep,
    "system prune": removals.system_sweep,
    "context use": containers.context_changed,
    "context update": containers.context_changed,
    "compose up": compose.up,
    "compose create": compose.up,
    "compose scale": compose.up,
    "compose watch": compose.up,
    "compose start": compose.started,
    "compose restart": compose.started,
    "compose run": compose.one_off,
    "compose exec": compose.executed,
    "compose cp": compose.copied,
    "compose attach": compose.attached,
    "compose rm": removals.service_containers,
    "compose down": removals.down,
    "compose wait": removals.down,
    "compose stop": removals.stopped_services,
    "compose kill": removals.stopped_services,
    "compose config": copying.output,
    "compose export": copying.output,
}
"""Command that may lose data → its rule."""

_NEEDS_FILE = frozenset({"compose up", "compose create", "compose scale", "compose watch", "compose run"})
"""What cannot be determined without the compose file; the others act on what is there, by its labels."""
_HOOKED = compose_hooks.STOPPING | compose_hooks.STARTING
_REHEARSED = frozenset({"compose down", "compose rm", "compose stop", "compose kill"})
"""What Compose's --dry-run leaves undone, as tried. Other commands are judged as without the option: `config
--output` writes its file despite it, and `up -d` once recreated containers (docker/compose 14029)."""
_START = Hint("Start the engine; ", command("docker", "info"), " shows what is wrong. Then run this again.")
_UNTARGETED = frozenset({"compose config", "export", "image save"})
_FIRST = frozenset({"exec", "attach", "rename"})
_BY_NAME = _FIRST | {"start", "restart", "stop", "kill", "rm", "pause", "unpause", "update"}


def judge(call: Call, scene: Scene) -> Judgement:
    """The effects of the call; `unknown` if they cannot be determined and the engine has protected data."""
    if call.reads:
        return Judgement()
    if scene.silent and call.verb != "help":
        return Judgement(unknown=scene.silent, way_out=_START)
    unknown = _unknown(call, scene)
    if unknown:
        return Judgement(unknown=unknown, targets=tuple(_targets(call, scene)))
    targets = tuple(_targets(call, scene))
    if call.rehearses and call.verb in _REHEARSED:
        return Judgement(targets=targets)
    rule = copying.output if call.verb in READING else _RULES.get(call.verb, _nothing)
    hooked = compose_hooks.of_call(call, scene) if call.verb in _HOOKED else ()
    return Judgement(distinct((*rule(call, scene), *hooked)), targets)


def _unknown(call: Call, scene: Scene) -> str:
    if call.verb == "help":
        return ""
    if call.trouble:
        return call.trouble if _within_reach(scene) else ""
    unread = scene.project.unread if scene.project else ""
    files = scene.project.files if scene.project else ()  # they may declare any volume as the project's own
    declares = call.verb == "compose down" and call.on("volumes") and bool(files)
    declares = declares or (call.verb in _HOOKED and "-" in files)  # and hooks that we do not get to see
    nameless = call.verb in _NEEDS_FILE or declares or not (scene.project and scene.project.name)
    return unread if call.compose and nameless and _within_reach(scene) else ""


def _within_reach(scene: Scene) -> bool:
    return bool(scene.protected)


def _targets(call: Call, scene: Scene) -> Iterator[Target]:
    """Every indication of the environment of the call's target."""
    if call.verb in _UNTARGETED or call.verb == "help":
        return
    if call.compose and scene.project:
        yield from _of_project(scene)
    elif call.verb in _BY_NAME:
        names = call.operands[:1] if call.verb in _FIRST else call.operands
        for name in names:
            yield from _of_container(name, scene)
    elif call.verb == "cp":
        for operand in call.operands:
            yield from _of_container(place(operand)[0], scene)


def _of_container(name: str, scene: Scene) -> Iterator[Target]:
    container = scene.engine.container(name) if name else None
    environment = scene.environment_of(container.labels) if container else ""
    if container and environment:
        yield Target(environment, f"the container {container.name}")


def _of_project(scene: Scene) -> Iterator[Target]:
    """The project's name, and if it is one of ours the names of its files."""
    project = scene.project
    named = scene.environment_of_project(project.name) if project else ""
    if project and named:
        yield Target(named, f"the project {project.name}")
        yield from _said_by_names(project.files, _FILE)
        yield from _said_by_names(project.env_files, _ENV_FILE)


def _said_by_names(paths: Iterable[str], pattern: re.Pattern[str]) -> Iterator[Target]:
    for path in paths:
        match = pattern.fullmatch(posixpath.basename(path))
        if match:
            yield Target(next(filter(None, match.groups())), f"the file {posixpath.basename(path)}")
