"""Parses the arguments of `docker` or `docker-compose` into a call: engine, project, verb, options, operands.

The rules are those of pflag and cobra, on which docker and Compose are built: long options are never
abbreviated, short ones may be joined, `-f=x` and `-fx` both give f the value x, a switch takes a value only
after `=`, `--` ends the options, and if the rest is a program its options are its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ledgerflow_ops.guard.command_line import grammar
from ledgerflow_ops.guard.command_line.grammar import JUDGED, READING, Options

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}

_ADDRESSES = frozenset(("image rm", "network rm"))
_FIRST_NAMES = frozenset(("exec", "attach", "export", "rename"))
_ALL_NAMES = _ADDRESSES | {
    *("start", "restart", "stop", "kill", "rm", "pause", "unpause", "update", "volume rm")
}

Values = Mapping[str, tuple[str, ...]]


class Unparsed(Exception):
    """The line does not follow docker's grammar, or contains something unknown."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command line. `verb` is the command's one name, such as `volume rm`; empty for docker alone.

    `engine` and `project` are the options that choose the engine and the project, as they were typed:
    questions about the line are asked with the same. `trouble` says why the line is not understood.
    """

    program: str
    typed: tuple[str, ...]
    verb: str = ""
    engine: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    chosen: Values = field(default_factory=dict)
    options: Values = field(default_factory=dict)
    operands: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def reads(self) -> bool:
        """Whether it leaves all data as it is, whatever there is on the engine."""
        return not self.trouble and self.verb in READING - {grammar.BAKE} and not self.all("output")

    @property
    def foreign(self) -> bool:
        """Whether its command is not one of those known here: a plugin's, swarm's, or a new one."""
        return bool(self.trouble) and bool(self.verb) and self.verb not in JUDGED and self.verb not in READING

    @property
    def compose(self) -> bool:
        return self.verb.startswith("compose ")

    @property
    def rehearses(self) -> bool:
        """Whether Compose's --dry-run is on: its last occurrence counts, wherever it is."""
        given = (*self.chosen.get("dry-run", ()), *self.options.get("dry-run", ()))
        return self.compose and given[-1:] != () and given[-1] in _TRUE

    def on(self, name: str) -> bool:
        """Whether a switch is on: the last word counts."""
        return self.options.get(name, ("false",))[-1] in _TRUE

    def last(self, name: str) -> str:
        """The value of an option that counts once; empty when it is not given."""
        return self.options.get(name, ("",))[-1]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an option that may be repeated."""
        return self.options.get(name, ())


@dataclass(slots=True)
class _Read:
    """What one command's options were, what was left, and how many words were options."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    operands: tuple[str, ...] = ()
    used: int = 0
    help: bool = False


def parse(program: str, words: Sequence[str]) -> Call:
    """The call that `words` after `program` (docker or docker-compose) make; it never raises."""
    typed = tuple(words)
    try:
        if program == "docker-compose":
            call = _compose(Call(program, typed), typed, grammar.STANDALONE)
            return replace(call, engine=tuple(_engine_words(call.chosen)))
        return _docker(program, typed)
    except Unparsed as why:
        return Call(program, typed, trouble=str(why))


def _engine_words(chosen: Values) -> Iterator[str]:
    """docker's options for those of docker-compose that choose the engine."""
    for name in ("host", "context", "config", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey"):
        yield from (f"--{name}={value}" for value in chosen.get(name, ()))


def _docker(program: str, typed: tuple[str, ...]) -> Call:
    read = _read(grammar.DOCKER, typed)
    call = Call(program, typed, engine=_words(typed[: read.used]), chosen=read.values)
    if read.help or not read.operands:
        return replace(call, verb="help")
    first, *rest = read.operands
    if first == "compose":
        return _compose(call, tuple(rest), grammar.COMPOSE)
    if first in grammar.GROUPS:
        if not rest or rest[0] in ("--help", "-h"):
            return replace(call, verb="help")
        if rest[0].startswith("-"):
            raise Unparsed(f"{rest[0]} is between {first} and its command")
        first = f"{first} {rest.pop(0)}"
    return _command(call, grammar.SAME_COMMAND.get(first, first), tuple(rest))


def _compose(call: Call, words: tuple[str, ...], known: Options) -> Call:
    read = _read(known, words)
    # Compose reads its own options once more after docker has read its: those are the project's.
    call = replace(call, project=_words(words[: read.used]), chosen={**call.chosen, **read.values})
    if "--" in words[: read.used]:
        raise Unparsed("-- stands before Compose's command")
    if read.help or not read.operands:  # --version before a command does not keep Compose from running it
        return replace(call, verb="help")
    name = f"compose {read.operands[0]}"
    return _command(call, grammar.SAME_COMMAND.get(name, name), read.operands[1:])


def _command(call: Call, verb: str, words: tuple[str, ...]) -> Call:
    """The call with its command. Of one that reads, only the files that it writes on the host count."""
    if verb in READING:
        files = tuple(_written(words)) if verb.partition(" ")[0] in grammar.WRITING else ()
        options = {"output": files} if files else {}
        return replace(call, verb=verb, operands=words, options=options, trouble=_misnamed(verb, words))
    try:
        if verb not in JUDGED and words != ("--help",):
            raise Unparsed(f"docker {verb} is not a known command")
        read = _read(JUDGED.get(verb, grammar.DOCKER), words)
    except Unparsed as why:
        return replace(call, verb=verb, operands=words, trouble=str(why))
    if read.help:
        return replace(call, verb="help")
    trouble = _misnamed(verb, read.operands)
    return replace(call, verb=verb, options=read.values, operands=read.operands, trouble=trouble)


def _misnamed(verb: str, operands: tuple[str, ...]) -> str:
    """Why an operand is no plain name; empty if each is. Docker puts names into URLs, and normalizes those.

    Tested: `volume rm ./loose`, `volume rm loose/` and `volume rm " loose"` remove the volume loose, and so
    do `rm ../volumes/loose`, `rmi ../volumes/loose` and `network rm ../volumes/loose`. Images have steps in
    their names.
    """
    names = [*operands] if verb in _ALL_NAMES else [*operands[:1]] if verb in _FIRST_NAMES else []
    names = [place(operand)[0] for operand in operands] if verb == "cp" else names
    for name in filter(None, names):
        bare = name.removeprefix("/") if verb not in _ADDRESSES else name
        steps = bare.split("/")
        if bare != bare.strip() or {"", ".", ".."} & {*steps} or (len(steps) > 1 and verb not in _ADDRESSES):
            return f"{name!r} is not a plain name, and docker may resolve it to another object"
    return ""


def place(operand: str) -> tuple[str, str]:
    """`container:path` as two parts; the container of a path of the host is empty.

    Docker's rule, and Compose's for services: a word that begins with / or . is a path.
    """
    if operand.startswith(("/", ".")) or ":" not in operand:
        return "", operand
    name, _, path = operand.partition(":")
    return name, path


def _written(words: tuple[str, ...]) -> Iterator[str]:
    """The files that a build writes: `-o DIR`, `--output type=tar,dest=FILE`, `--set *.output=DIR`."""
    for word, after in pairwise((*words, "")):
        name, equals, value = word.partition("=")
        if name.endswith(".output") or value.partition("=")[0].endswith(".output"):
            yield from written_by(word.partition(".output=")[2])
        if word.startswith("-o") and not equals:
            yield from written_by(word[2:] or after)
        elif word.startswith("-o") or name in grammar.WRITTEN:
            yield from written_by(value if equals else after)


def written_by(output: str) -> list[str]:
    """The files of an output: `DIR`, `type=tar,dest=FILE`."""
    fields = [part.partition("=") for part in output.split(",")]
    found = [text for key, _, text in fields if key.strip().lower() in ("dest", "dir")]
    return found or ([output] if output and output != "-" and "=" not in output else [])


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word != "--")


def _read(known: Options, words: tuple[str, ...]) -> _Read:
    """The options among `words`, by pflag's rules."""
    read, operands = _Read(), []
    while read.used < len(words):
        word = words[read.used]
        if word != "--" and (len(word) < 2 or word[0] != "-"):
            if not known.anywhere:
                break
            operands.append(word)
            read.used += 1
            continue
        read.used += 1
        if word == "--":
            break
        if word == "--help" and "help" not in known.takes_value:
            read.help = True
            continue
        for name, value in (_long if word.startswith("--") else _short)(known, word):
            if value is None:
                if read.used >= len(words):
                    raise Unparsed(f"--{name} has no value")
                value, read.used = words[read.used], read.used + 1
            read.help = read.help or _asks_for_help(known, name, value)
            usual = known.same.get(name, name)
            read.values[usual] = (*read.values.get(usual, ()), value)
    read.operands = (*operands, *words[read.used :])
    return read


def _asks_for_help(known: Options, name: str, value: str) -> bool:
    """Whether an option requests help. `--help=false` is refused, because the command would run."""
    if name == "help" and value not in _TRUE:
        raise Unparsed(f"--help={value} is not a request for help")
    if not known.takes_value.get(name, False) and value not in _TRUE | _FALSE:
        raise Unparsed(f"--{name}={value} is neither true nor false")
    return name == "help"


def _long(known: Options, word: str) -> list[tuple[str, str | None]]:
    """`--name`, `--name=value`; a value of None is the next word."""
    name, equals, value = word[2:].partition("=")
    if name not in known.takes_value:
        raise Unparsed(f"the option --{name} is unknown")
    return [(name, value if equals else None if known.takes_value[name] else "true")]


def _short(known: Options, word: str) -> list[tuple[str, str | None]]:
    """`-n`, `-nm`, `-nvalue`, `-n=value`; a value of None is the next word."""
    options: list[tuple[str, str | None]] = []
    letters = word[1:]
    while letters:
        name = known.short.get(letters[0], "help" if letters[0] == "h" else "")
        if not name:
            raise Unparsed(f"the option -{letters[0]} is unknown")
        if len(letters) > 2 and letters[1] == "=":
            return [*options, (name, letters[2:])]
        if known.takes_value.get(name, False):
            return [*options, (name, letters[1:] or None)]
        options.append((name, "true"))
        letters = letters[1:]
    return options
