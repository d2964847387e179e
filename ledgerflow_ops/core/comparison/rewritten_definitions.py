"""Definitions that the server prints in other words once it has loaded them, with the same meaning.

PostgreSQL stores a parsed definition and prints it (ruleutils.c) on request. Its output, loaded and printed
again, can be another text: a function's alias list gains the columns that its row type got later, `(- 1)`
becomes `'-1'::integer`, a repeated `GROUP BY 'x'::text` is printed once. The seal holds a digest of the
source's text, the archive holds the text itself, and the copy has its own. A sealed digest that differs from
the copy's is still right if it is that of the copy's definition with the archive's words in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from ledgerflow_ops.core.catalog.manifest import ObjectDigest
from ledgerflow_ops.core.comparison import expressions

_WORD = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|.""", re.DOTALL)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MOST = 4_000_000
"""The most pairs of words that are compared: a longer stretch counts as one change."""

Span = tuple[int, int, int]
"""A common stretch: its start in the loaded text, its start in the dumped text, its length."""


@dataclass(frozen=True)
class RewordedDefinition:
    """An object's DDL in the archive and in the copy loaded from it: the same meaning in other words."""

    dumped: str
    loaded: str

    def sources(self, definition: str) -> Iterator[str]:
        """The texts that `definition`, in the copy's words, may have had in the source.

        It consists of parts separated by `|`; the last one must occur in the copy's DDL. The semicolon at the
        end of a query may follow later there: after WITH NO DATA or CHECK OPTION.
        """
        if definition.endswith(";"):
            yield from (f"{beginning};" for beginning in self.sources(definition[:-1]))
            return
        for start in _starts(definition):
            part = definition[start:]
            if part not in self.loaded:
                continue
            for source in self._dumped(part):
                if start == 0:
                    yield source
                    continue
                head = definition[: start - 1]
                yield from (f"{beginning}|{source}" for beginning in (head, *self.sources(head)))
            return

    def _dumped(self, part: str) -> Iterator[str]:
        """The archive's texts at the places where the copy has `part`."""
        place = self.loaded.find(part)
        while place >= 0:
            for begin in self._places(place):
                for end in self._places(place + len(part)):
                    if begin <= end:
                        yield self.dumped[begin:end]
            place = self.loaded.find(part, place + 1)

    def _places(self, place: int) -> set[int]:
        """The positions in the archive's text that match a position in the copy's."""
        return {
            dumped + place - loaded for loaded, dumped, size in self._same if loaded <= place <= loaded + size
        }

    @cached_property
    def _same(self) -> list[Span]:
        """The common stretches of both texts: whole lines, and words of lines that differ."""
        return list(_common(self.loaded, self.dumped, _LINE, 0, 0))


def as_loaded(
    sealed: Mapping[str, ObjectDigest],
    found: Mapping[str, ObjectDigest],
    definitions: Mapping[str, str],
    reworded: Sequence[RewordedDefinition],
) -> dict[str, ObjectDigest]:
    """The sealed objects; those whose definition the copy only prints in other words get the copy's digest.

    `definitions` are the copy's own texts. `reworded` are pairs of texts shown to mean the same, whichever
    object they occur in.
    """
    objects = dict(sealed)
    for name in sealed.keys() & found.keys() & definitions.keys() if reworded else ():
        digest = found[name].definition
        if sealed[name].definition != digest and _is_reworded(
            sealed[name].definition, definitions[name], reworded
        ):
            objects[name] = sealed[name].model_copy(update={"definition": digest})
    return objects


def _is_reworded(digest: str, definition: str, reworded: Sequence[RewordedDefinition]) -> bool:
    """Whether `digest` is that of `definition` in the archive's words, with or without column titles."""
    sources = (source for pair in reworded for source in pair.sources(definition))
    return any(
        digest in (expressions.digest(expressions.untitled(source)), expressions.digest(source))
        for source in sources
    )


def _starts(definition: str) -> Iterator[int]:
    """The positions at which the last part may begin, the longest ending first."""
    yield 0
    yield from (match.end() for match in re.finditer(r"\|", definition))


def _common(a: str, b: str, cut: re.Pattern[str], at_a: int, at_b: int) -> Iterator[Span]:
    """The common stretches of `a` and `b`, split by `cut`; the texts begin at `at_a` and `at_b`."""
    ours, theirs = cut.findall(a), cut.findall(b)
    head = _alike(ours, theirs)
    tail = _alike(ours[head:][::-1], theirs[head:][::-1])
    middle = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    first = sum(map(len, ours[:head]))
    yield at_a, at_b, first
    if len(middle[0]) * len(middle[1]) <= _MOST:
        yield from _within(*middle, cut, at_a + first, at_b + first)
    last = sum(map(len, ours[len(ours) - tail :]))
    yield at_a + len(a) - last, at_b + len(b) - last, last


def _within(ours: list[str], theirs: list[str], cut: re.Pattern[str], at_a: int, at_b: int) -> Iterator[Span]:
    """Like `_common`, for pieces; lines that differ are compared word by word."""
    for kind, i, j, k, m in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        start_a, start_b = at_a + sum(map(len, ours[:i])), at_b + sum(map(len, theirs[:k]))
        if kind == "equal":
            yield start_a, start_b, sum(map(len, ours[i:j]))
        elif kind == "replace" and cut is _LINE:
            yield from _common("".join(ours[i:j]), "".join(theirs[k:m]), _WORD, start_a, start_b)


def _alike(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many pieces are equal from the beginning."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
