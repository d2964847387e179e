"""Command-line options as GNU getopt_long reads them: clusters, attached values, abbreviations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


class Unreadable(Exception):
    """The text or command line cannot be read for certain."""


def names(text: str) -> frozenset[str]:
    """The names of a list separated by spaces."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Parsed:
    """The options in order, under their long names, and what is left."""

    options: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def has(self, *names: str) -> bool:
        return any(name in names for name, _ in self.options)

    def values(self, *names: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.options if name in names)


@cache
def _spec(text: str) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """`a|echo-all c|command= help?` as two tables: name → (long name, whether it takes a value)."""
    short: dict[str, tuple[str, str]] = {}
    long: dict[str, tuple[str, str]] = {}
    for entry in text.split():
        takes = entry[-1] if entry[-1] in "=?" and len(entry) > 1 else ""
        names = entry.removesuffix(takes).split("|") if takes else entry.split("|")
        for name in names:
            (long if len(name) > 1 else short)[name] = (names[-1], takes)
    return short, long


def parse(args: Sequence[str], spec: str, *, permute: bool = True) -> Parsed:
    """Read `args` by `spec`; Unreadable where getopt_long would complain.

    In `spec`, `a|all` is an option, `f|file=` takes a value and `c|compress?` may take one, attached.
    Without `permute` the first operand ends the options, as for programs that start others.
    """
    short, long = _spec(spec)
    options: list[tuple[str, str]] = []
    operands: list[str] = []
    rest = list(reversed(args))
    while rest:
        arg = rest.pop()
        if arg == "--":
            return Parsed(tuple(options), (*operands, *reversed(rest)))
        if arg.startswith("--"):
            options.append(_long(arg[2:], long, rest))
        elif arg.startswith("-") and arg != "-":
            options.extend(_cluster(arg[1:], short, rest))
        elif permute:
            operands.append(arg)
        else:
            return Parsed(tuple(options), (arg, *reversed(rest)))
    return Parsed(tuple(options), tuple(operands))


def _long(text: str, known: dict[str, tuple[str, str]], rest: list[str]) -> tuple[str, str]:
    written, given, value = text.partition("=")
    matches = [written] if written in known else [name for name in known if name.startswith(written)]
    if len(matches) != 1 or not written:
        raise Unreadable(f"the option --{written}")
    name, takes = known[matches[0]]
    if given and not takes:
        raise Unreadable(f"a value for --{matches[0]}")
    if takes == "=" and not given:
        if not rest:
            raise Unreadable(f"--{matches[0]} without a value")
        value = rest.pop()
    return name, value


def _cluster(letters: str, known: dict[str, tuple[str, str]], rest: list[str]) -> list[tuple[str, str]]:
    options: list[tuple[str, str]] = []
    for place, letter in enumerate(letters):
        if letter not in known:
            raise Unreadable(f"the option -{letter}")
        name, takes = known[letter]
        if takes:
            value = letters[place + 1 :]
            if not value and takes == "=":
                if not rest:
                    raise Unreadable(f"-{letter} without a value")
                value = rest.pop()
            return [*options, (name, value)]
        options.append((name, ""))
    return options
