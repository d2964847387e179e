"""The GRANT and REVOKE lines that pg_dump writes for one object, in a form that can be compared.

They are the difference between the object's rights and its initial ones: its first owner's rights, or for
objects made by initdb or an extension's script, those in pg_init_privs. Every right records its grantor, the
owner. So for an object whose owner has changed, pg_dump revokes and grants again rights that nobody changed,
and revokes the first owner's. A dump does not say who the first owner of an extension's object was.
"""

import re
from collections import Counter

_LINE = re.compile(r"(?P<word>GRANT|REVOKE) (?P<what>.+?) ON (?P<object>.+) (?:TO|FROM) (?P<grantee>.+?);")
_PUBLIC = "PUBLIC"

Right = tuple[str, str, str, str]


def effect(text: str, *, made_elsewhere: bool) -> Counter[Right | str]:
    """The net effect of the lines, whatever their order. Any other line counts as it is.

    `made_elsewhere`: an extension creates the object, not the script itself.
    """
    lines: Counter[Right | str] = Counter()
    for line in filter(None, text.split("\n")):
        match = _LINE.fullmatch(line)
        if match is None:
            lines[line] += 1
        elif not (made_elsewhere and _of_first_owner(match)):
            lines[match["word"], match["what"], match["object"], match["grantee"]] += 1
    return _without_pairs(lines)


def _of_first_owner(match: re.Match[str]) -> bool:
    return match["word"] == "REVOKE" and match["what"] == "ALL" and match["grantee"] != _PUBLIC


def _without_pairs(lines: Counter[Right | str]) -> Counter[Right | str]:
    """The lines without each REVOKE that a GRANT of the same right undoes, and without that GRANT."""
    for key in [key for key in lines if key[0] == "REVOKE"]:
        grant = ("GRANT", *key[1:])
        if grant in lines:
            del lines[key], lines[grant]
    return lines
