"""Command lines in every spelling that docker's grammar has for them, and wild ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from ledgerflow_ops.guard.command_line.grammar import JUDGED, Options
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.docker_sandboxes import DATA

_GROUPED = ("run", "create", "start", "restart", "stop", "kill", "rm", "exec", "attach", "cp", "export")


@dataclass(frozen=True, slots=True)
class Line:
    """A command before anybody has typed it: options by their long names, a switch with None."""

    verb: str
    options: tuple[tuple[str, str | None], ...] = ()
    operands: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()
    """docker's or Compose's own options, as typed before the verb."""


@st.composite
def spelled(draw: DrawFn, line: Line) -> list[str]:
    """One way to type it."""
    known = JUDGED[line.verb]
    words = [word for name, value in line.options for word in draw(_option(known, name, value))]
    switches = [name for name, value in line.options if value is None and name in known.short.values()]
    if len(switches) > 1 and draw(st.booleans()):
        words = _clustered(draw, known, line, switches)
    head = draw(st.sampled_from(_heads(line.verb)))
    if line.verb.startswith("compose "):
        head = ["compose", *line.leading, *head[1:]]
    if not known.anywhere:
        return [*head, *words, *line.operands]
    if draw(st.booleans()):
        return [*head, *words, *draw(st.sampled_from([[], ["--"]])), *line.operands]
    return [*head, *line.operands, *words]


def _clustered(draw: DrawFn, known: Options, line: Line, switches: Sequence[str]) -> list[str]:
    letters = {long: short for short, long in known.short.items()}
    cluster = "-" + "".join(letters[name] for name in switches)
    rest = [(name, value) for name, value in line.options if name not in switches]
    return [cluster, *(word for name, value in rest for word in draw(_option(known, name, value)))]


@st.composite
def _option(draw: DrawFn, known: Options, name: str, value: str | None) -> list[str]:
    letters = [short for short, long in known.short.items() if long == name]
    if value is None:
        ways = [[f"--{name}"], [f"--{name}=true"], [f"--{name}=1"], [f"--{name}=T"]]
        ways += [[f"-{letter}"] for letter in letters] + [[f"-{letter}=true"] for letter in letters]
    else:
        ways = [[f"--{name}", value], [f"--{name}={value}"]]
        for letter in letters:
            ways += [[f"-{letter}", value], [f"-{letter}={value}"], [f"-{letter}{value}"]]
    return draw(st.sampled_from(ways))


def _heads(verb: str) -> list[list[str]]:
    """The names that a command goes by."""
    heads = [verb.split()]
    if verb in _GROUPED:
        heads.append(["container", verb])
    if verb in ("rm", "volume rm"):
        heads.append(["container", "remove"] if verb == "rm" else ["volume", "remove"])
    if verb == "image save":
        heads.append(["save"])
    return heads


_ENDLESS = {"attach", "compose attach", "compose watch", "compose wait", "compose restart"}
"""Commands that wait for something: they are judged elsewhere, not run a hundred times."""
_VOLUMES = ("ledger-dev_ledger_postgres", "loose", "attic", "plain", "ledger-dev_ledger_redis", "new")
_CONTAINERS = ("ledger-dev-postgres-1", "ledger-dev-redis-1", "db", "olddb", "web", "idle", "nobody")
_SERVICES = ("postgres", "redis", "nobody")
_PROGRAMS = (
    ("true",), ("ls", "-la", DATA), ("cat", f"{DATA}/PG_VERSION"), ("id",), ("sh", "-c", "ls /"),
    ("rm", "-rf", f"{DATA}/base"), ("rm", "-rf", "/x/base"), ("touch", f"{DATA}/x"), ("touch", "/tmp/x"),
    ("sh", "-c", "echo x > /x/PG_VERSION"), ("find", "/", "-name", "PG_VERSION", "-delete"), ("env",),
    ("cp", "/etc/passwd", f"{DATA}/PG_VERSION"), ("tar", "-C", DATA, "-cf", "-", "."), ("date",),
    ("mv", f"{DATA}/base", "/tmp/base"), ("dd", "if=/dev/zero", f"of={DATA}/PG_VERSION", "count=1"),
    ("sed", "-i", "s/1/2/", f"{DATA}/PG_VERSION"), ("bash", "-c", f"cd {DATA}; rm -r base"), (),
    ("tail", "-n", "1", f"{DATA}/base/1"), ("stat", DATA), ("mkdir", f"{DATA}/more"), ("postgres",),
)  # fmt: skip
_MOUNTS = (
    "loose:/x", "loose:/x:ro", "attic:/x:ro,z", "plain:/x", "new:/x", "/x", "backups:/x:ro", "./backups:/x",
    f"plain:{DATA}", f"loose:{DATA}", "./:/x:ro", "loose:/x:rw,nocopy", "LOOSE:/x",
)  # fmt: skip
_LONG_MOUNTS = (
    "type=volume,src=loose,dst=/x", "type=volume,source=loose,target=/x,readonly", "src=plain,dst=/x",
    "type=volume,src=loose,dst=/x,ro=false", "type=tmpfs,dst=/x", "type=bind,src=/tmp,dst=/x,ro",
    "type=volume,dst=/x", "type=volume,src=attic,dst=/x,readonly=1", "TYPE=volume,SRC=loose,DST=/x",
)  # fmt: skip
_PLACES = (
    ".", "backups/kept", "nothing", "backups", "-", "/tmp", "web:/srv", "olddb:/tmp", f"olddb:{DATA}",
    f"db:{DATA}/", "ledger-dev-postgres-1:/etc/passwd", f"ledger-dev-postgres-1:{DATA}/PG_VERSION",
    "postgres:/tmp", f"postgres:{DATA}", "redis:/data", "docker-compose.dev.yml", "web:/var/../srv",
)  # fmt: skip
_VALUES = {
    "volume": _MOUNTS, "mount": _LONG_MOUNTS, "volumes-from": (*_CONTAINERS, "olddb:ro", "db:rw"),
    "network": ("none", "host"), "net": ("none",), "workdir": (DATA, "/tmp"), "user": ("root", "70"),
    "entrypoint": ("rm", "ls", "", "sh"), "env": ("A=b", f"PGDATA={DATA}"), "tmpfs": ("/x", DATA),
    "filter": ("label=com.ledgerflow.protect", "label!=com.ledgerflow.protect", "until=1h", "label=a=b"),
    "output": _PLACES, "scale": ("postgres=1", "postgres=2", "redis=2"), "timeout": ("0",), "time": ("0",),
    "opt": ("type=none", "o=bind", "device=/tmp"), "signal": ("TERM", "0"), "pull": ("never",),
    "project-name": ("ledger-dev",), "restart": ("no",), "name": ("made",), "index": ("1",),
}  # fmt: skip
_ODD = ("-", "--", "x", "0", "true", "", ".")


@st.composite
def wild(draw: DrawFn) -> list[str]:
    """Any command that is judged, with options of its own and operands that may well make sense."""
    verb = draw(st.sampled_from(sorted(JUDGED.keys() - _ENDLESS)))
    known = JUDGED[verb]
    usual = [name for name in known.takes_value if name in _VALUES or not known.takes_value[name]]
    chosen = draw(st.lists(st.sampled_from(sorted(usual) or ["help"]), max_size=3, unique=True))
    options = ["--detach"] if "detach" in known.takes_value else []
    for name in chosen:
        if name in known.takes_value and name not in ("sig-proxy", "interactive", "tty"):
            values = st.sampled_from((*_VALUES.get(name, ()), *_ODD[:1]))
            options += draw(_option(known, name, draw(values) if known.takes_value[name] else None))
    head = draw(st.sampled_from(_heads(verb)))
    if head[0] == "compose":
        lead = draw(st.sampled_from([["-f", "docker-compose.dev.yml"], ["-p", "ledger-dev"], []]))
        head = ["compose", *lead, *head[1:]]
    odd = draw(st.lists(st.sampled_from(_ODD), max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    return [*head, *options, *_operands(draw, verb), *odd]


def _operands(draw: DrawFn, verb: str) -> list[str]:
    """What the command is about: a container, a service, two places, a program."""
    compose, name = verb.startswith("compose "), verb.rpartition(" ")[2]
    things = st.sampled_from(_SERVICES if compose else _VOLUMES if verb.startswith("volume") else _CONTAINERS)
    if name in ("run", "exec") or verb == "create":
        first = image.SYSTEM if verb in ("run", "create") else draw(things)
        return [first, *draw(st.sampled_from(_PROGRAMS))]
    if name == "cp":
        return [draw(st.sampled_from(_PLACES)), draw(st.sampled_from(_PLACES))]
    if name == "scale":
        return [draw(st.sampled_from(_VALUES["scale"]))]
    if name in ("prune", "config", "down") or verb.startswith("context"):
        return []
    return draw(st.lists(things, max_size=2))
