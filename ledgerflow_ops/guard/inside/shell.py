"""Shell text cut into simple commands, as far as it has the words that it is written with."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ledgerflow_ops.guard.effects import names

_SIGNS = ";&|()<>\n"
_REDIRECTIONS = frozenset((">", ">>", ">&", "&>", "&>>", ">|", "<", "<>", "<&"))
_KEYWORDS = names("if then else elif fi while until do done { } !")
_UNREADABLE = ("$", "`", "<<", "~", "\\", "\r", "\0", "#", "{", "*", "?", "[")
"""What makes a shell put other words in place of those that are written, or cut them otherwise."""
_MOST = 500


@dataclass(slots=True)
class Simple:
    """A simple command, and the files that its output goes to."""

    words: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Script:
    """A text's commands. `sure`: they are all there is, word by word; `fed`: one gets another's output."""

    commands: tuple[Simple, ...] = ()
    sure: bool = True
    fed: bool = False


def read(text: str) -> Script:
    """The commands of a shell text; those up to the first mistake where it cannot be cut into words."""
    sure = not any(sign in text for sign in _UNREADABLE)
    try:
        words = list(_words(text))
    except ValueError:
        return Script(tuple(_commands(text.replace("'", " ").replace('"', " ").split())), sure=False)
    found = tuple(_commands(words))
    signs = [word for word in words if word and set(word) <= set(_SIGNS)]
    fed = any("|" in sign.replace("||", "") or "<" in sign for sign in signs)
    sure = sure and not any({"<", ">"} & set(sign) and sign not in _REDIRECTIONS for sign in signs)
    return Script(found[:_MOST], sure and len(found) <= _MOST, fed)


def _words(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_SIGNS)
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    return iter(lexer)


def _commands(words: Sequence[str]) -> Iterator[Simple]:
    simple, target = Simple(), False
    for word in words:
        if word and set(word) <= set(_SIGNS):
            target = ">" in word
            if target and simple.words and simple.words[-1].isdigit():
                simple.words.pop()
            if word not in _REDIRECTIONS:  # a run such as `;>` parts two commands as well
                yield from [simple] if simple.words or simple.outputs else []
                simple = Simple()
        elif target:
            simple.outputs += [] if word.isdigit() or word == "-" else [word]
            target = False
        elif simple.words or word not in _KEYWORDS:
            simple.words.append(word)
    if simple.words or simple.outputs:
        yield simple
