"""The effects of a call on protected data, by each command's rules, and the environment of its target."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ledgerflow_ops.core.hints import Hint, command
from ledgerflow_ops.guard.command_line.grammar import READING
from ledgerflow_ops.guard.command_line.parse import Call, place
from ledgerflow_ops.guard.context import Scene
from ledgerflow_ops.guard.effects import DataEffect, Judgement, reads, uncertain
from ledgerflow_ops.guard.rules import compose, containers, copying, removals

_RULES: Mapping[str, Callable[[Call, Scene], Iterable[DataEffect]]] = {
    **dict.fromkeys(("run", "create"), containers.new_container),
    **dict.fromkeys(("start", "restart", "compose start", "compose restart"), containers.started_again),
    **dict.fromkeys(("exec", "compose exec"), containers.executed),
    **dict.fromkeys(("attach", "compose attach"), containers.attached),
    **dict.fromkeys(("context use", "context update"), containers.context_changed),
    "volume create": containers.volume_made,
    "network connect": containers.network_joined,
    **dict.fromkeys(("volume rm", "rm", "stop", "kill"), removals.removed),
    **dict.fromkeys(("compose rm", "compose stop", "compose kill"), removals.removed),
    **dict.fromkeys(("compose down", "compose wait"), removals.down),
    "volume prune": removals.volume_sweep,
    **dict.fromkeys(("container prune", "system prune"), removals.sweep),
    **dict.fromkeys(("cp", "compose cp"), copying.copied),
    **dict.fromkeys(("export", "image save", "compose config", "compose export"), copying.output),
    **dict.fromkeys(("compose up", "compose create", "compose scale", "compose watch"), compose.up),
    "compose run": compose.one_off,
}
"""Command that may lose data → its rule."""

_FILE = re.compile(r".*\.(dev|test|prod)\.ya?ml|(?:.*\.)?env\.(dev|test|prod)")
_NEEDS_FILE = frozenset({"compose up", "compose create", "compose scale", "compose watch", "compose run"})
"""What cannot be determined without the compose file; the others act on what is there, by its labels."""
_HOOKED = compose.STOPPING | compose.STARTING
_REHEARSED = frozenset({"compose down", "compose rm", "compose stop", "compose kill"})
"""What Compose's --dry-run leaves undone, as tried. Other commands are judged as without the option: `config
--output` writes its file despite it, and `up -d` once recreated containers (docker/compose 14029)."""
_START = Hint("Start the engine; ", command("docker", "info"), " shows what is wrong. Then run this again.")
_SWEEPS = frozenset({"volume prune", "system prune", "container prune"})
_LEADS_OUT = re.compile(r"--(?:privileged|pid|device|cap-add|volumes-from|use-api-socket|net)")
_UNTARGETED = frozenset({"compose config", "export", "image save", "help"})
_FIRST = frozenset({"exec", "attach", "rename"})
_BY_NAME = frozenset({"start", "restart", "stop", "kill", "rm", "pause", "unpause", "update", "cp"})


def judge(call: Call, scene: Scene) -> Judgement:
    """The effects of the call on what it reaches; `unknown` if they cannot be determined."""
    if call.reads or call.verb == "help" or (scene.silent and call.foreign):
        return Judgement()
    if scene.silent:
        return Judgement(unknown=scene.silent, way_out=_START)
    targets = tuple(_targets(call, scene))
    if call.foreign:
        return Judgement(tuple(_named_by(call, scene)), targets)
    unknown = call.trouble if call.trouble and _in_reach(call, scene) else _unread(call, scene)
    if unknown or call.trouble or (call.rehearses and call.verb in _REHEARSED):
        return Judgement(targets=targets, unknown=unknown)
    rule = copying.output if call.verb in READING else _RULES.get(call.verb, lambda _call, _scene: ())
    hooked = compose.hooks_of_call(call, scene) if call.verb in _HOOKED else ()
    impacts = dict.fromkeys((*rule(call, scene), *hooked))
    return Judgement(tuple(sorted(impacts, key=lambda impact: -impact.effect)), targets)


def _names(scene: Scene) -> list[str]:
    """The protected volumes, and what docker calls the containers that hold data."""
    databases = scene.databases()
    return [*scene.protected, *(name for it in databases for name in (it.name, it.id[:12]))]


def _in_reach(call: Call, scene: Scene) -> bool:
    """Whether a line that is not understood could reach something protected, by any word of it."""
    text = " ".join(call.typed)
    ours = call.compose and (not scene.project_name or bool(scene.environment()))
    named = any(name in text for name in (*_names(scene), *scene.folders))
    wide = not call.verb or call.verb in _SWEEPS or ours or bool(_LEADS_OUT.search(text))
    return bool(scene.protected) and (wide or named)


def _named_by(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """A plugin's or new command that names a protected object or is about an environment's project."""
    project = scene.project_name if call.compose and scene.environment() else ""
    for name in (*_names(scene), *filter(None, [project])):
        if any(name in word for word in call.typed) or name == project:
            holder = scene.engine.container(name)
            whose = scene.environment_of(holder.labels) if holder else scene.environment_of_volume(name)
            what = f"it runs docker {call.verb}, which is not known here, on {name}"
            yield uncertain(what, whose or scene.environment_of_project(name))


def _unread(call: Call, scene: Scene) -> str:
    """Why the compose file could not be read, where the verdict depends on it.

    A file that Compose cannot read either is Compose's to report, unless the project is an environment's.
    """
    project = scene.project
    if not (project and project.unread and scene.protected) or call.verb in _UNTARGETED:
        return ""
    streamed = "-" in project.files
    if not streamed and not scene.environment():
        return ""
    declares = call.verb == "compose down" and call.on("volumes") and bool(project.files)
    declares = declares or (call.verb in _HOOKED and streamed)  # and hooks that we do not get to see
    return project.unread if call.verb in _NEEDS_FILE or declares or not project.name else ""


def _targets(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """What indicates the environment of the call's target: its project, that one's files, its containers."""
    if call.verb in _UNTARGETED:
        return
    project, ours = scene.project, scene.environment()
    if call.compose and project and ours:
        yield reads(f"the project {project.name}", ours)
        for name in map(posixpath.basename, (*project.files, *project.env_files)):
            if match := _FILE.fullmatch(name):
                yield reads(f"the file {name}", match[1] or match[2])
    operands = call.operands[:1] if call.verb in _FIRST else call.operands if call.verb in _BY_NAME else ()
    for operand in operands:
        container = scene.engine.container(place(operand)[0] if call.verb == "cp" else operand)
        if container and (environment := scene.environment_of(container.labels)):
            yield reads(f"the container {container.name}", environment)
