"""The GRANT and REVOKE lines that pg_dump writes of one object, made comparable.

They are the difference from what the object began with: the rights of its first owner, and for what initdb
or an extension's script makes, those that it was made with (pg_init_privs). Each right has a grantor, its
owner. So of an object with another owner than its first, pg_dump takes back and gives again what nobody has
changed, and takes from the first owner what that has. A dump does not say who the first owner of an
extension's object was.
"""

import re
from collections import Counter

_LINE = re.compile(r"(?P<word>GRANT|REVOKE) (?P<what>.+?) ON (?P<object>.+) (?:TO|FROM) (?P<grantee>.+?);")
_PUBLIC = "PUBLIC"

Right = tuple[str, str, str, str]


def effect(text: str, *, made_elsewhere: bool) -> Counter[Right | str]:
    """What the lines come to, in any order. What is no such line stands for itself.

    `made_elsewhere`: whether the script does not make the object itself, but has it made by an extension.
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
    """Without what is taken and given again."""
    for key in [key for key in lines if key[0] == "REVOKE"]:
        given = ("GRANT", *key[1:])
        if given in lines:
            del lines[key], lines[given]
    return lines
