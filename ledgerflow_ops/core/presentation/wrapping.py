"""Wraps lines at a terminal's width. Names, paths and commands stay whole, to be copied."""

from collections.abc import Sequence

from ledgerflow_ops.core.hints import Hint

_GAP = 3
"""The spaces between two parts of a line."""


def words(text: str | Hint) -> list[str]:
    """The words of a text; each command of a hint is one word, whatever spaces it has."""
    if isinstance(text, str):
        return text.split()
    found, open_word = list[str](), ""
    for part in text.parts:
        if not isinstance(part, str):
            open_word += str(part)
            continue
        first, *rest = part.replace("\n", " ").split(" ")
        open_word += first
        for word in rest:
            found.append(open_word)
            open_word = word
    return [word for word in [*found, open_word] if word]


def wrap(text: str | Hint, columns: int, *, indent: int = 0, hanging: int = 2) -> list[str]:
    """The lines of a text: the first indented by `indent` spaces, the others by `hanging` more.

    A word that is longer than a line has a line of its own, and is longer than `columns`.
    """
    lines, begin = list[str](), " " * indent
    line = begin
    for word in words(text):
        if line.strip() and len(line) + len(word) + (not line.isspace()) > columns:
            lines.append(line)
            begin = " " * (indent + hanging)
            line = begin
        line += word if line == begin else f" {word}"
    return [*lines, line] if line.strip() else lines


def flow(lengths: Sequence[int], columns: int, *, indent: int = 2) -> list[list[int]]:
    """The indexes of the parts on each line. `lengths` are the parts' widths, `columns` is a line's."""
    lines, used = list[list[int]](), 0
    for number, length in enumerate(lengths):
        if lines and used + _GAP + length <= columns:
            lines[-1].append(number)
            used += _GAP + length
        else:
            lines.append([number])
            used = indent + length
    return lines
