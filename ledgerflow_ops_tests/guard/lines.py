"""Command lines in every spelling that docker's grammar has for them, and wild ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from ledgerflow_ops.guard.grammar import JUDGED, Options

_GROUPED = ("run", "create", "start", "restart", "stop", "kill", "rm", "exec", "attach", "cp", "export")


@dataclass(frozen=True, slots=True)
class Line:
    """A command before anybody has typed it: options by their long names, a switch with None."""

    verb: str
    options: tuple[tuple[str, str | None], ...] = ()
    operands: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()
    """docker's or Compose's own options, as typed before the verb."""

    def with_options(self, *options: tuple[str, str | None]) -> "Line":
        return replace(self, options=(*self.options, *options))


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


_WORDS = ("-", "--", "true", "ls", "rm", "-rf", "sh", "-c", "touch", "prune")
_ENDLESS = {"attach", "compose attach", "compose watch", "compose wait", "compose restart"}
"""Commands that wait for something: they are judged elsewhere, not run a hundred times."""


@st.composite
def wild(draw: DrawFn, names: Sequence[str]) -> list[str]:
    """Any command of the judged ones with any of its options and any names: most make no sense."""
    verb = draw(st.sampled_from(sorted(JUDGED.keys() - _ENDLESS)))
    known, words = JUDGED[verb], st.sampled_from([*names, *_WORDS])
    chosen = draw(st.lists(st.sampled_from(sorted(known.takes_value) or ["help"]), max_size=2))
    options = ["--detach"] if "detach" in known.takes_value else []
    for name in chosen:
        if name in known.takes_value:
            value = draw(words) if known.takes_value[name] else None
            options += draw(_option(known, name, value))
    return [*draw(st.sampled_from(_heads(verb))), *options, *draw(st.lists(words, max_size=4))]
