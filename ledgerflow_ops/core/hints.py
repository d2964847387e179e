"""What to do next, as a value: words, and commands that can be typed as they stand.

    Hint("Free room on the disk; then run ", make("backup"), " again.")
    Hint("Make it private: ", command("chmod", "600", path))

A hint renders to one string (`str`), the same for the terminal, JSON, Dagster's metadata and alerts. A make
target that acts on one environment gets its LEDGER_ENV from `within`, which whoever knows the environment
calls: a finding for itself, else the border where an error or a check leaves the program. A stored hint is
that string, and is read back as words. The guard imports this module: it stays light.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

ON_ONE = frozenset(
    {
        "backup",
        "backfill",
        "verify",
        "restore-test",
        "restore",
        "restore-force",
        "rollback",
        "recover",
        "discard",
        "identity",
        "rotate",
        "pin",
        "unpin",
        "protect",
        "status",
    }
)
"""The make targets that are named with their environment. `make status` alone shows all three in brief, and
an environment's backups only when it is named."""


class Command(Protocol):
    """Something to type at a shell; `str` is the line, quoted."""

    def within(self, environment: str) -> "Command":
        """The command with the environment that it needs; itself where it has one or needs none."""
        ...


@dataclass(frozen=True, slots=True)
class Make:
    """`LEDGER_ENV=environment make TARGET NAME=value`. Without one, none is known yet or needed."""

    target: str
    variables: tuple[tuple[str, str], ...] = ()
    environment: str = ""

    def within(self, environment: str) -> "Make":
        if self.environment or not environment or self.target not in ON_ONE:
            return self
        return replace(self, environment=environment)

    def __str__(self) -> str:
        named = [f"LEDGER_ENV={self.environment}"] if self.environment else []
        given = [f"{name}={shlex.quote(value)}" for name, value in self.variables]
        return " ".join([*named, "make", self.target, *given])


@dataclass(frozen=True, slots=True)
class Program:
    """Another program's command line; `into` is the file that takes its output."""

    argv: tuple[str, ...]
    into: str = ""

    def within(self, environment: str) -> "Program":  # noqa: ARG002 - other programs know no environment
        return self

    def __str__(self) -> str:
        return shlex.join(self.argv) + (f" > {shlex.quote(self.into)}" if self.into else "")


def make(target: str, environment: str = "", /, **variables: object) -> Make:
    """A make target of ours. Without `environment` the border fills it in, where the target needs one."""
    given = tuple((name, str(value)) for name, value in variables.items())
    return Make(target, given, str(environment))


def command(*argv: object, into: object = "") -> Program:
    """Another program with its arguments, and the file that its output goes into."""
    return Program(tuple(str(word) for word in argv), str(into))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Hint:
    """Words and commands, in the order in which they are read. Equal to another one that reads the same."""

    parts: tuple[str | Command, ...]

    def __init__(self, *parts: "str | Command | Hint") -> None:
        flat = (part.parts if isinstance(part, Hint) else (part,) for part in parts)
        object.__setattr__(self, "parts", tuple(one for some in flat for one in some))

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(part for part in self.parts if not isinstance(part, str))

    def within(self, environment: str | None) -> "Hint":
        """The hint with its commands on `environment`; as it is where that is empty."""
        if not environment:
            return self
        name = str(environment)
        return Hint(*(part if isinstance(part, str) else part.within(name) for part in self.parts))

    def escaped(self) -> "Hint":
        """The hint as words where a name in it has bytes that are no text, which no record takes."""
        text = str(self)
        return self if text == escaped(text) else Hint(escaped(text))

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)

    def __bool__(self) -> bool:
        return any(str(part) for part in self.parts)

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, Hint) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


def escaped(text: str) -> str:
    """The text with what is no text (lone surrogates, from a file's name) written as \\udcff."""
    return text.encode("utf-8", "backslashreplace").decode()


NO_HINT = Hint()
"""Where there is nothing to do."""


def joined(hints: Iterable[Hint], between: str = " ") -> Hint:
    """The hints one after the other: each once, the empty ones left out."""
    parts: list[str | Hint] = []
    for hint in dict.fromkeys(hints):
        parts += [between, hint] if hint and parts else [hint] if hint else []
    return Hint(*parts)
