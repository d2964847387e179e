"""SQL cut into tokens as PostgreSQL's own scanner does, for either setting of standard_conforming_strings."""

import re
from dataclasses import dataclass
from enum import Enum

from ledgerflow_ops.guard.inside.options import Unreadable


class Kind(Enum):
    WORD = "word"
    QUOTED = "quoted name"
    STRING = "string"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Token:
    """Words are lower case as the server folds them; strings and quoted names are without their quotes."""

    kind: Kind
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind is Kind.WORD and self.text in words

    def is_mark(self, mark: str) -> bool:
        return self.kind is Kind.MARK and self.text == mark

    @property
    def name(self) -> str:
        """What it calls, if it calls anything."""
        return self.text if self.kind in (Kind.WORD, Kind.QUOTED) else ""


LONGEST = 100_000
_SPACE = re.compile(r"[ \t\n\r\f\v]+|--[^\n\r]*")
_COMMENT = re.compile(r"/\*|\*/")
# Letters are A to Z, the underscore and all beyond ASCII. A negated class compiles quickly.
_START = r"[^\x00-@\[-^`{-\x7f]"
_INSIDE = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_WORD = re.compile(f"{_START}{_INSIDE}*")
_NUMBER = re.compile(r"[0-9]+")
_DOLLAR = re.compile(rf"\$(?:{_START}(?:(?!\$){_INSIDE})*)?\$")
_PLAIN = re.compile(r"'((?:[^']|'')*)'")
_ESCAPED = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_UPPER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def tokens(text: str) -> list[Token]:
    """Every token of `text`; Unreadable if a quote does not end or could be read in two ways."""
    if "\0" in text:
        raise Unreadable("a NUL character")
    scanned: list[Token] = []
    place = 0
    if len(text) > LONGEST:
        raise Unreadable("more text than anybody types")
    while (place := _skip(text, place)) < len(text):
        token, place = _next(text, place)
        scanned.append(token)
    return scanned


def _skip(text: str, place: int) -> int:
    """Past white space and comments, which nest."""
    while True:
        if space := _SPACE.match(text, place):
            place = space.end()
        elif text.startswith("/*", place):
            place = _comment_end(text, place)
        else:
            return place


def _comment_end(text: str, place: int) -> int:
    depth = 0
    while edge := _COMMENT.search(text, place):
        depth += 1 if edge[0] == "/*" else -1
        place = edge.end()
        if depth == 0:
            return place
    raise Unreadable("a comment without an end")


def _next(text: str, place: int) -> tuple[Token, int]:
    sign = text[place]
    if sign == "'":
        return _string(text, place)
    if sign == '"':
        return _quoted_name(text, place)
    if sign == "$" and (opening := _DOLLAR.match(text, place)):
        return _dollar(text, opening)
    if word := _WORD.match(text, place):
        return _word(text, word)
    if number := _NUMBER.match(text, place):
        return Token(Kind.MARK, number[0]), number.end()
    return Token(Kind.MARK, sign), place + 1


def _word(text: str, word: re.Match[str]) -> tuple[Token, int]:
    """A word, unless it is the prefix of a string or of a quoted name: E'…', U&"…"."""
    folded, after = word[0].translate(_UPPER), word.end()
    if folded == "e" and text.startswith("'", after):
        literal = _match(_ESCAPED, text, after)
        return Token(Kind.STRING, literal[1].replace("''", "'")), literal.end()
    if folded in ("b", "x", "n") and text.startswith("'", after):
        return _string(text, after)
    if folded == "u" and text.startswith("&'", after):
        return _string(text, after + 1)
    if folded == "u" and text.startswith('&"', after):
        return _quoted_name(text, after + 1)
    return Token(Kind.WORD, folded), after


def _string(text: str, place: int) -> tuple[Token, int]:
    """A plain string. Whether a backslash escapes the quote after it depends on a setting unknown here."""
    literal = _match(_PLAIN, text, place)
    if "\\'" in literal[0]:
        raise Unreadable("a string with a backslash before a quote")
    return Token(Kind.STRING, literal[1].replace("''", "'")), literal.end()


def _quoted_name(text: str, place: int) -> tuple[Token, int]:
    name = _match(_QUOTED, text, place)
    if "\\" in name[0] and text[place - 1 : place] == "&":
        raise Unreadable("a name written in escapes")
    return Token(Kind.QUOTED, name[1].replace('""', '"')), name.end()


def _dollar(text: str, opening: re.Match[str]) -> tuple[Token, int]:
    end = text.find(opening[0], opening.end())
    if end < 0:
        raise Unreadable("a dollar-quoted string without an end")
    return Token(Kind.STRING, text[opening.end() : end]), end + len(opening[0])


def _match(pattern: re.Pattern[str], text: str, place: int) -> re.Match[str]:
    match = pattern.match(text, place)
    if not match:
        raise Unreadable("a quote without an end")
    return match
