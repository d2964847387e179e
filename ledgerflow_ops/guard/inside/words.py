"""Splits shell text into commands, as far as it can be read reliably."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ledgerflow_ops.guard.inside.environment import TRUSTED
from ledgerflow_ops.guard.inside.options import Unreadable

_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_REDIRECTION = re.compile(r"(\d*)(<<<|<<|<>|<&|>>|>\||>&|&>>|&>|<|>)")
_SEPARATOR = re.compile(r"&&|\|\||\|&|;;|[;&|\n()]")
_PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()]+")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|([?$#!0-9@*-]))")
_INSIDE = re.compile(r'[^"\\$`]+')
_PATTERN = re.compile(r"[*?\[]")


@dataclass(slots=True)
class Word:
    """A word as the program gets it. `sure` is false if it contains a variable of unknown value."""

    text: str = ""
    sure: bool = True
    quoted: bool = False
    pattern: bool = False
    braces: bool = False


@dataclass(slots=True)
class Simple:
    """A simple command: its words, and where its output goes. `fed`: a pipe or a file is its input."""

    words: list[Word] = field(default_factory=list)
    outputs: list[Word] = field(default_factory=list)
    fed: bool = False


def commands(text: str) -> list[Simple]:
    """Every simple command of `text`, in any nesting; Unreadable if that cannot be determined."""
    if "\0" in text or "\r" in text:
        raise Unreadable("a character that shell text cannot contain")
    return list(_Reader(text).read())


class _Reader:
    """Reads from left to right, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.known = {name for name in TRUSTED if _only_read(name, text)}

    def read(self) -> Iterator[Simple]:
        command = Simple()
        while self.place < len(self.text):
            if blank := _BLANK.match(self.text, self.place):
                self.place = blank.end()
            elif self.text[self.place] == "#":
                self.place = (self.text + "\n").index("\n", self.place)
            elif redirection := _REDIRECTION.match(self.text, self.place):
                self._redirect(command, redirection)
            elif separator := _SEPARATOR.match(self.text, self.place):
                self.place = separator.end()
                if separator[0] == "(" and command.words:
                    raise Unreadable("a function or a pattern")
                yield command
                command = Simple(fed=separator[0] in ("|", "|&"))
            else:
                command.words.append(self._word())
        yield command

    def _redirect(self, command: Simple, match: re.Match[str]) -> None:
        sign = match[2]
        self.place = match.end()
        if sign.startswith("<<"):
            raise Unreadable("a here-document")
        if blank := _BLANK.match(self.text, self.place):
            self.place = blank.end()
        if self.text[self.place : self.place + 1] in ("", "(", "<", ">", ";", "&", "|", "\n"):
            raise Unreadable("a redirection to nothing that can be read")
        target = self._word()
        if sign == "<":
            command.fed = command.fed or target.text != "/dev/null"
        elif sign in (">&", "<&") and re.fullmatch(r"\d+|-", target.text):
            command.fed = command.fed or sign == "<&"
        else:
            command.outputs.append(target)
            command.fed = command.fed or sign == "<>"

    def _word(self) -> Word:
        word = Word()
        start = self.place
        while self.place < len(self.text):
            sign = self.text[self.place]
            if sign in " \t\n;&|<>()":
                break
            self._piece(word, sign)
        if self.place == start:
            raise Unreadable("a word that does not begin")
        if word.braces and word.text not in ("{", "{}"):
            raise Unreadable("braces that make several words")
        return word

    def _piece(self, word: Word, sign: str) -> None:
        """The next piece of a word, up to where the way of quoting changes."""
        if sign == "'":
            word.text += self._until_quote()
            word.quoted = True
        elif sign == '"':
            self.place += 1
            self._double(word)
            word.quoted = True
        elif sign == "\\":
            self._escape(word)
        elif sign in "$`":
            self._expansion(word)
        else:
            match = _PLAIN.match(self.text, self.place)
            if not match:  # white space that the shell takes for a letter
                raise Unreadable(f"the character {sign!r}")
            self.place = match.end()
            word.text += match[0]
            word.pattern = word.pattern or bool(_PATTERN.search(match[0]))
            word.braces = word.braces or "{" in match[0]

    def _until_quote(self) -> str:
        end = self.text.find("'", self.place + 1)
        if end < 0:
            raise Unreadable("a quote without an end")
        inside = self.text[self.place + 1 : end]
        self.place = end + 1
        return inside

    def _double(self, word: Word) -> None:
        while self.place < len(self.text):
            sign = self.text[self.place]
            if sign == '"':
                self.place += 1
                return
            if sign == "\\":
                after = self.text[self.place + 1 : self.place + 2]
                if after in ("$", "`", '"', "\\", "\n") and after:
                    word.text += after.replace("\n", "")
                    self.place += 2
                else:
                    word.text += sign
                    self.place += 1
            elif sign in "$`":
                self._expansion(word, inside=True)
            else:
                match = _INSIDE.match(self.text, self.place)
                assert match
                word.text += match[0]
                self.place = match.end()
        raise Unreadable("a quote without an end")

    def _escape(self, word: Word) -> None:
        after = self.text[self.place + 1 : self.place + 2]
        if not after:
            raise Unreadable("a backslash at the end")
        word.text += after.replace("\n", "")
        word.quoted = word.quoted or after != "\n"
        self.place += 2

    def _expansion(self, word: Word, *, inside: bool = False) -> None:
        """`$NAME` is kept as one word's worth; what runs commands to find its value is not read."""
        match = _VARIABLE.match(self.text, self.place)
        if not match:
            after = self.text[self.place + 1 : self.place + 2]
            if self.text[self.place] == "$" and (after in (" ", "", "\n") or (inside and after == '"')):
                word.text += "$"
                self.place += 1
                return
            raise Unreadable("a part that runs commands or makes text to put in its place")
        self.place = match.end()
        name = match[1] or match[2] or match[3]
        word.sure = word.sure and (name in self.known or name in "?$#")
        word.quoted = True
        word.text += name if name in self.known else "0"


def _only_read(name: str, text: str) -> bool:
    """Whether `text` never names the variable but to read it."""
    return len(re.findall(rf"\b{name}\b", text)) == len(re.findall(rf"\$\{{?{name}\b", text))
