"""Names of containers and volumes. Docker puts them into URLs, and normalizes those.

Tested: `volume rm ./loose`, `volume rm loose/` and `volume rm " loose"` remove the volume loose, and so do
`rm ../volumes/loose`, `rmi ../volumes/loose` and `network rm ../volumes/loose`. So a word is accepted as a
name only if it is written as one.
"""

from collections.abc import Iterator

_NO_STEPS = {"", ".", ".."}

_FIRST = frozenset({"exec", "attach", "export", "rename"})
_ALL = frozenset(["start", "restart", "stop", "kill", "rm", "pause", "unpause", "update"]) | {"volume rm"}
REMOVING = frozenset({"image rm", "network rm"})
"""What else is removed by an address. Names of images have steps in them."""


def not_plain_name(verb: str, operands: tuple[str, ...]) -> str:
    """The first operand that should be a name but contains path syntax; empty if there is none."""
    if verb in REMOVING:
        names: Iterator[str] = filter(_wanders, operands)
    else:
        bare = ((name, name.removeprefix("/")) for name in _names(verb, operands))
        names = (name for name, rest in bare if "/" in rest or _wanders(rest))
    return next(names, "")


def _names(verb: str, operands: tuple[str, ...]) -> Iterator[str]:
    if verb in _ALL:
        yield from filter(None, operands)
    elif verb in _FIRST:
        yield from filter(None, operands[:1])
    elif verb == "cp":
        yield from (name for name, _ in map(place, operands) if name)


def _wanders(word: str) -> bool:
    return word != word.strip() or bool(_NO_STEPS & set(word.split("/")) and word)


def place(operand: str) -> tuple[str, str]:
    """`container:path` as two parts; the container of a path of the host is empty.

    Docker's rule, and Compose's for services: a word that begins with / or . is a path.
    """
    if operand.startswith(("/", ".")) or ":" not in operand:
        return "", operand
    name, _, path = operand.partition(":")
    return name, path
