"""What Compose runs in addition to a service's own program: start and stop hooks, health checks.

Compose takes them from the current file, also for containers that were created long before. Tested with
`stop`, `restart`, `down` and `rm --stop`, which run pre_stop. `kill` and `run` run none.
"""

from collections.abc import Iterator

from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect, changes, destroys
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Effect, Finding, Surroundings, reads
from ledgerflow_ops.guard.model import Hook, Service

STOPPING = frozenset({"compose stop", "compose restart", "compose down", "compose rm", "compose wait"})
STARTING = frozenset({"compose start", "compose restart"})


def of_call(call: Call, scene: Scene) -> Iterator[DataEffect]:
    """The hooks that a command runs in existing containers."""
    services = scene.project.services if scene.project else ()
    for service in services:
        named = not call.operands or service.name in call.operands
        if not named or not scene.engine.of(scene.project_name, [service.name]):
            continue
        if call.verb in STARTING:
            yield from _run(service, service.at_start, scene)
        if call.verb in STOPPING and (call.verb != "compose rm" or call.on("stop")):
            yield from _run(service, service.at_stop, scene)


def of_service(service: Service, scene: Scene) -> Iterator[DataEffect]:
    """The hooks of a service that is brought up, for which it may be stopped and recreated."""
    effect = programs.effect(service.health, around(service, scene)) if service.health else reads("")
    if effect.effect == Effect.DESTROYS and not effect.unread and _concerns(service, scene):
        yield by_program(f"the health check of {service.name}", effect, scene)
    yield from _run(service, (*service.at_start, *service.at_stop, *service.at_change), scene)


def _run(service: Service, hooks: tuple[Hook, ...], scene: Scene) -> Iterator[DataEffect]:
    for hook in hooks:
        if hook.privileged:
            yield destroys(
                f"a hook of {service.name} is not confined to the container: it could reach every volume",
                environment=scene.environment(),
            )
        effect = programs.effect(hook.command, around(service, scene))
        if effect.effect != Effect.READS and _concerns(service, scene):
            yield by_program(f"a hook of {service.name}", effect, scene)


def _concerns(service: Service, scene: Scene) -> bool:
    return bool(scene.environment() or scene.data(service.process))


def around(service: Service, scene: Scene) -> Surroundings:
    """The surroundings of a service's programs: its data, and no input."""
    return Surroundings(data_targets(scene.data(service.process)), terminal=False, input=False)


def by_program(who: str, effect: Finding, scene: Scene) -> DataEffect:
    """The effect of a service's own program; one that cannot be read is not assumed to destroy data."""
    make = destroys if effect.effect == Effect.DESTROYS and not effect.unread else changes
    return make(f"{who} {effect.why}", environment=scene.environment())
