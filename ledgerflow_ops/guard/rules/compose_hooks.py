"""What Compose runs beside a service's own program: hooks when it starts and stops it, health checks.

Compose takes them from the file as it is now, for containers that were made long before: tried with `stop`,
`restart`, `down` and `rm --stop`, which run pre_stop. `kill` and `run` run none.
"""

from collections.abc import Iterator

from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import Touch, changes, destroys
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Around, Effect, Finding, reads
from ledgerflow_ops.guard.model import Hook, Service

STOPPING = frozenset({"compose stop", "compose restart", "compose down", "compose rm", "compose wait"})
STARTING = frozenset({"compose start", "compose restart"})


def of_call(call: Call, scene: Scene) -> Iterator[Touch]:
    """The hooks that a command runs in containers that are there."""
    services = scene.project.services if scene.project else ()
    for service in services:
        named = not call.operands or service.name in call.operands
        if not named or not scene.engine.of(scene.project_name, [service.name]):
            continue
        if call.verb in STARTING:
            yield from _run(service, service.at_start, scene)
        if call.verb in STOPPING and (call.verb != "compose rm" or call.on("stop")):
            yield from _run(service, service.at_stop, scene)


def of_service(service: Service, scene: Scene) -> Iterator[Touch]:
    """Those of a service that is brought up: it may be stopped and made anew for that."""
    found = programs.effect(service.health, around(service, scene)) if service.health else reads("")
    if found.effect == Effect.DESTROYS and not found.unread and _concerns(service, scene):
        yield by_program(f"the health check of {service.name}", found, scene)
    yield from _run(service, (*service.at_start, *service.at_stop, *service.at_change), scene)


def _run(service: Service, hooks: tuple[Hook, ...], scene: Scene) -> Iterator[Touch]:
    for hook in hooks:
        if hook.privileged:
            yield destroys(
                f"a hook of {service.name} is not kept to the container: it could reach every volume",
                environment=scene.environment(),
            )
        found = programs.effect(hook.command, around(service, scene))
        if found.effect != Effect.READS and _concerns(service, scene):
            yield by_program(f"a hook of {service.name}", found, scene)


def _concerns(service: Service, scene: Scene) -> bool:
    return bool(scene.environment() or scene.data(service.process))


def around(service: Service, scene: Scene) -> Around:
    """How the programs of a service are connected: to its data, and to nobody."""
    return Around(data_targets(scene.data(service.process)), terminal=False, input=False)


def by_program(who: str, found: Finding, scene: Scene) -> Touch:
    """A service's own program, as its owner wrote it: what cannot be read is not taken for the worst."""
    make = destroys if found.effect == Effect.DESTROYS and not found.unread else changes
    return make(f"{who} {found.why}", environment=scene.environment())
