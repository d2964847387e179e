"""Programs in containers: they are judged by what they run where they reach a protected database."""

from collections.abc import Iterable, Iterator

from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.guard.command_line.parse import Call
from ledgerflow_ops.guard.context import Scene, data_targets
from ledgerflow_ops.guard.effects import DataEffect
from ledgerflow_ops.guard.inside import programs
from ledgerflow_ops.guard.inside.effects import Effect, Finding, Surroundings, names, uncertain, worst
from ledgerflow_ops.guard.model import Container, Mount, Stdin

BACKUP = Hint(
    make("backup"),
    " keeps what is there now. Put this before a command, to see what it would do: ",
    command("ledger_docker", "--explain"),
)
_HARMLESS_VARIABLES = names(
    """
    PGPASSWORD PGUSER PGHOST PGPORT PGDATABASE PGAPPNAME PGCONNECT_TIMEOUT PGSSLMODE LANG TZ TERM
    COLUMNS LINES NO_COLOR CI DEBUG LOG_LEVEL DJANGO_SETTINGS_MODULE DJANGO_DEBUG LEDGER_ENV
    PYTHONUNBUFFERED
    """
)


def around(call: Call, scene: Scene, data: Iterable[Mount], workdir: str = "/") -> Surroundings:
    """A program's surroundings. Compose attaches its input by default, docker only on request."""
    attached = (
        call.on("interactive")
        if not call.compose
        else "interactive" not in call.options or call.on("interactive")
    )
    person = scene.stdin is Stdin.TERMINAL and (not call.on("no-tty") if call.compose else call.on("tty"))
    given = attached and scene.stdin is not Stdin.NOTHING
    return Surroundings(data_targets(data), given and person, given and not person, workdir or "/")


def program(
    argv: tuple[str, ...],
    who: str,
    near: list[Container],
    where: Surroundings,
    scene: Scene,
    call: Call | None = None,
    own: Iterable[Mount] = (),
) -> Iterator[DataEffect]:
    """The effect of a program on the databases `near` it, or on its `own` data; none if there are none."""
    own = tuple(own)
    if near or own:
        found = worst([programs.effect(argv, where), *(_variables(call) if call else ())], "")
        yield from on_databases(found, f"in {who} it", near, scene, own)


def on_databases(
    finding: Finding, who: str, near: list[Container], scene: Scene, own: Iterable[Mount] = ()
) -> Iterator[DataEffect]:
    """A finding as an effect on these databases, each environment by itself."""
    volumes: dict[str, set[str]] = {}
    for container in near:
        held = {mount.source for mount in scene.data(container.process) if mount.kind == "volume"}
        volumes.setdefault(scene.environment_of(container.labels), set()).update(held)
    for mount in own if not near else ():
        volumes.setdefault(scene.environment_of_volume(mount.source), set()).add(mount.source)
    for environment, touched in sorted(volumes.items()) if finding.effect is not Effect.READS else ():
        yield DataEffect(finding.effect, f"{who} {finding.why}", environment, tuple(sorted(touched)), BACKUP)


def _variables(call: Call) -> Iterator[Finding]:
    """The variables that a program is given, some of which redirect it."""
    for name in (text.partition("=")[0] for text in call.all("env")):
        if name not in _HARMLESS_VARIABLES:
            yield uncertain(f"is given {name}, which can change what runs")
    if call.all("env-file") or call.all("env-from-file"):
        yield uncertain("is given variables from a file")
