"""What to do next, as a value: words, and commands that can be typed as they stand.

    Hint("Free space on the disk; then run ", make("backup"), " again.")
    Hint("Make it private: ", command("chmod", "600", path))

A hint renders to one string (`str`), the same for the terminal, JSON, Dagster's metadata and alerts. `within`
adds LEDGER_ENV to the make targets that act on one environment. A finding calls it with its own environment;
for an error or a check, the code that reports it does. A hint is stored as its string, and read back as
words. The guard imports this module, so it must stay cheap to import.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

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
        "quarantine",
        "archive",
        "repair",
        "protect",
        "keys",
        "rekey",
        "recovery-kit",
        "status",
        "audit",
    }
)
"""The make targets that need LEDGER_ENV. `make status` alone summarizes all three environments; with
LEDGER_ENV it lists that environment's backups."""


class Command(Protocol):
    """Something to type at a shell; `str` is the line, quoted."""

    def within(self, environment: str) -> "Command":
        """The command with its environment; unchanged if it has one or needs none."""
        ...


@dataclass(frozen=True, slots=True)
class Make:
    """`LEDGER_ENV=environment make TARGET NAME=value`. The environment may still be empty, or not needed.

    Where there is no Makefile, `by_program` is set once at the start, and the same call is written as
    `LEDGER_ENV=environment NAME=value ledgerflow TARGET`.
    """

    by_program: ClassVar[bool] = False
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
        if self.by_program:
            return " ".join([*named, *given, "ledgerflow", self.target])
        return " ".join([*named, "make", self.target, *given])


@dataclass(frozen=True, slots=True)
class Program:
    """Another program's command line; `into` is the file that its output is redirected to."""

    argv: tuple[str, ...]
    into: str = ""

    def within(self, environment: str) -> "Program":  # noqa: ARG002 - other programs know no environment
        return self

    def __str__(self) -> str:
        return shlex.join(self.argv) + (f" > {shlex.quote(self.into)}" if self.into else "")


def make(target: str, environment: str = "", /, **variables: object) -> Make:
    """A make target of ours. If `environment` is empty and needed, `within` adds it later."""
    given = tuple((name, str(value)) for name, value in variables.items())
    return Make(target, given, str(environment))


def command(*argv: object, into: object = "") -> Program:
    """Another program with its arguments, and the file that its output is redirected to."""
    return Program(tuple(str(word) for word in argv), str(into))


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Hint:
    """Words and commands in reading order. Hints are equal if their strings are."""

    parts: tuple[str | Command, ...]

    def __init__(self, *parts: "str | Command | Hint") -> None:
        nested = (part.parts if isinstance(part, Hint) else (part,) for part in parts)
        object.__setattr__(self, "parts", tuple(part for group in nested for part in group))

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(part for part in self.parts if not isinstance(part, str))

    def within(self, environment: str | None) -> "Hint":
        """The hint with `environment` in its commands; unchanged if that is empty."""
        if not environment:
            return self
        name = str(environment)
        return Hint(*(part if isinstance(part, str) else part.within(name) for part in self.parts))

    def escaped(self) -> "Hint":
        """The hint with lone surrogates escaped, since JSON records cannot hold them."""
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
    """The text with lone surrogates (from a file name that is not UTF-8) written as \\udcff."""
    return text.encode("utf-8", "backslashreplace").decode()


NO_HINT = Hint()
"""The hint of a check that passed, or where there is nothing to do."""


def joined(hints: Iterable[Hint], between: str = " ") -> Hint:
    """The hints joined by `between`, without duplicates and empty ones."""
    parts: list[str | Hint] = []
    for hint in dict.fromkeys(hints):
        parts += [between, hint] if hint and parts else [hint] if hint else []
    return Hint(*parts)
