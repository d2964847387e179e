"""What shell text could do: each of its commands is judged as if it ran."""

import re
from collections.abc import Iterator, Sequence

from ledgerflow_ops.guard.inside import paths
from ledgerflow_ops.guard.inside.effects import (
    Effect,
    Finding,
    Judge,
    Surroundings,
    interactive,
    opaque,
    reads,
    unread,
    worst,
)
from ledgerflow_ops.guard.inside.environment import variable
from ledgerflow_ops.guard.inside.files import HARMLESS
from ledgerflow_ops.guard.inside.options import Unreadable, names
from ledgerflow_ops.guard.inside.words import Simple, Word, commands

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_TRANSPARENT = names(
    """
    if then else elif fi while until do done { } !
    """
)
_UNREAD = names(
    """
    case esac function select coproc eval . source trap alias hash enable bind complete pushd popd
    let declare typeset local mapfile readarray shopt [[ in
    """
)
_QUIET = names(
    """
    : true false set unset wait exit return break continue umask ulimit times jobs shift read type
    """
)
_MOST = 500
_FOLDERS = 4


def script(text: str, around: Surroundings, judge: Judge) -> Finding:
    """The worst finding for the commands of a shell text, in every folder that it may have changed to."""
    try:
        parsed = commands(text)
        if len(parsed) > _MOST:
            raise Unreadable("more commands than anybody types")
        return worst(_Script(around, judge).all(parsed), "does nothing")
    except Unreadable as trouble:
        return unread(f"is shell text that cannot be read in advance: {trouble}")


class _Script:
    """Keeps the folders that a text may be in, since `cd` may fail or stand in a shell of its own."""

    def __init__(self, around: Surroundings, judge: Judge) -> None:
        self.around = around
        self.judge = judge
        self.fed = False
        self.folders = [around.workdir]

    def all(self, parsed: Sequence[Simple]) -> list[Finding]:
        # A pipe or a file may feed a whole group of commands, whichever of them it is written at.
        self.fed = any(command.fed for command in parsed)
        return [finding for command in parsed for finding in self._simple(command)]

    def _simple(self, command: Simple) -> Iterator[Finding]:
        for target in command.outputs:
            yield from (self._output(target, around) for around in self._arounds())
        words = list(command.words)
        while words and not words[0].quoted and words[0].text in _TRANSPARENT:
            words.pop(0)
        if words and not words[0].quoted and words[0].text == "for":
            yield from (self._kept(Word(f"{word.text}=?")) for word in words[1:2])
            return
        assigned: list[Word] = []
        while words and _ASSIGNMENT.match(words[0].text):
            assigned.append(words.pop(0))
        if words:
            yield from (self._assignment(word) for word in assigned)
            yield from self._program(words)
        else:
            yield from (self._kept(word) for word in assigned)

    def _arounds(self) -> list[Surroundings]:
        """The surroundings of a command, once for each folder that it may run in."""
        terminal, attached = self.around.terminal and not self.fed, self.around.input or self.fed
        return [Surroundings(self.around.data, terminal, attached, folder) for folder in self.folders]

    def _output(self, target: Word, around: Surroundings) -> Finding:
        if not target.sure:
            return opaque("writes a file whose name is unknown", around)
        return paths.written(target.text, around)

    def _assignment(self, word: Word) -> Finding:
        name, _, value = word.text.partition("=")
        return variable(f"{name.removesuffix('+')}={value if word.sure else '?'}", self.around)

    def _kept(self, word: Word) -> Finding:
        """Setting a shell variable: it matters only if it affects the programs that are run."""
        finding = self._assignment(word)
        known = variable(word.text, Surroundings((), terminal=False, input=False))
        return finding if known.effect is Effect.DESTROYS else reads("sets a variable of the shell")

    def _program(self, words: list[Word]) -> Iterator[Finding]:
        first = words[0]
        name = first.text
        if not first.sure or (first.pattern and name != "[") or name.startswith("~"):
            raise Unreadable("a command whose name is unknown")
        if name in _UNREAD:
            raise Unreadable(f"what {name} does")
        texts = tuple(word.text for word in words)
        if name in _QUIET or name in HARMLESS or name in ("cd", "export", "readonly"):
            yield from self._builtin(name, words)
        elif all(word.sure for word in words):
            yield from (self.judge(texts, around) for around in self._arounds())
        else:
            raise Unreadable(f"the value of a variable that is given to {name}")

    def _builtin(self, name: str, words: list[Word]) -> Iterator[Finding]:
        """The finding for a command that is harmless with any arguments, except those that the shell runs."""
        if name not in ("grep", "echo", "awk") and any(re.search(r"\$\(|`", word.text) for word in words):
            raise Unreadable(f"an argument of {name} that may be run")
        if name in ("export", "readonly"):
            yield from (self._assignment(word) for word in words[1:] if "=" in word.text)
        if name == "printf" and any(word.text.startswith("-v") or not word.sure for word in words[1:2]):
            raise Unreadable("what printf sets")
        if name == "cd":
            self._go([word for word in words[1:] if word.text not in ("--", "-P", "-L")])
        yield reads(f"{name} does not change data")

    def _go(self, words: list[Word]) -> None:
        if len(words) != 1 or not words[0].sure or words[0].pattern or words[0].text == "-":
            raise Unreadable("where it goes")
        target = words[0].text
        for folder in list(self.folders):
            self.folders.append(target if target.startswith("/") else f"{folder}/{target}")
        self.folders = list(dict.fromkeys(self.folders))
        if len(self.folders) > _FOLDERS:
            raise Unreadable("where it goes")


_LETTERS = frozenset("abefhikmnptuvxBCEHPTlrsD")


def shell(args: Sequence[str], around: Surroundings, judge: Judge) -> Finding:
    """sh, bash, dash and ash: a text behind -c, a file, or what is typed."""
    rest = list(args)
    letters = ""
    while rest and rest[0][:1] in ("-", "+") and rest[0] not in ("-", "--"):
        option = rest.pop(0)
        if option in ("--login", "--norc", "--noprofile", "--posix"):
            continue
        letters += option[1:] if option[0] == "-" else ""
        unknown = set(option[1:]) - _LETTERS - {"c", "o"}
        if unknown or not option[1:]:
            raise Unreadable(f"the option {option}")
        if "o" in option and rest:
            rest.pop(0)
    if rest and rest[0] in ("-", "--"):
        rest.pop(0)
    if "c" not in letters:
        return _no_text(rest, letters, around)
    if not rest:
        raise Unreadable("-c without a text")
    finding = script(rest[0], around, judge)
    return (
        worst([finding, interactive("a shell", around)], "") if "i" in letters or "s" in letters else finding
    )


def _no_text(rest: Sequence[str], letters: str, around: Surroundings) -> Finding:
    if rest and "s" not in letters:
        return opaque(f"runs the script {rest[0]}, which is not read here", around)
    return interactive("a shell", around)
