"""The DDL of a dump against that of what was restored from it, object by object.

pg_dump writes everything that a dump can carry, and nothing else: what it writes of the restored copy must be
what it wrote of the source. The text is that of pg_dump and pg_restore, in which a comment line names each
object. What is left out of the comparison, because it may differ between two databases that are equal:
casts, parentheses and white space of expressions (see expressions.py), the order in which a table that
inherits has its columns, in which grants, a policy's roles and an operator family's members are listed,
tablespaces, and options of columns that a server keeps for itself (see column_options.py).

Beyond that a server may word a definition otherwise once it has loaded it, in ways that no list holds. Then
the archive's DDL is loaded once more, into another database: where that says the same as the copy, the copy
is what the archive's text means. It holds for definitions, not for properties.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ledgerflow_ops.core.comparison import column_options, expressions
from ledgerflow_ops.core.comparison.rewritten_definitions import RewordedDefinition
from ledgerflow_ops.core.comparison.seal_comparison import Difference
from ledgerflow_ops.core.postgres import grants

_HEADER = re.compile(
    r"^--\n-- Name: (?P<name>.*?); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*?); Owner: .*\n--\n",
    re.MULTILINE,
)
"""The comment above each object. pg_dump writes a line feed in a name as a space."""
_METHOD = re.compile(r"^SET default_table_access_method = (.*);$")
_STATE = ("SET default_table", "\\restrict", "\\unrestrict")
"""Lines that belong to the script and not to the object above them."""
_WITH_METHOD = ("TABLE", "MATERIALIZED VIEW")
_PRIVATE = frozenset({"USER MAPPING", "SUBSCRIPTION", "SERVER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE"})
"""Kinds whose DDL may hold a password: none of it is told."""
_UNORDERED = ("DEFAULT ACL", "OPERATOR CLASS", "OPERATOR FAMILY")
"""Kinds whose lines pg_dump lists in the order in which the catalog happens to hold them."""
_MAKES_NOTHING = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL", "ROW SECURITY"})
_QUERIES = frozenset({"VIEW", "MATERIALIZED VIEW", "RULE", "POLICY", "FUNCTION", "PROCEDURE"})
"""Kinds whose definition may be or hold a query."""
_DEFINED = _QUERIES | {
    *("TABLE", "FOREIGN TABLE", "TABLE ATTACH", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "DOMAIN"),
    *("INDEX", "STATISTICS", "TRIGGER", "PUBLICATION TABLE"),
}
"""Kinds whose DDL may hold an expression or a query."""
_SETS = re.compile(r"ALTER .*?( SET DEFAULT | ADD CONSTRAINT | ATTACH PARTITION | ADD TABLE )")
"""A statement that sets an expression. All others set properties, which have one text."""
_ROLE = r'(?:"(?:[^"]|"")+"|\w+)'
_ROLES = re.compile(rf"(?<= TO ){_ROLE}(?:, {_ROLE})+")
_SHOWN = 100

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Object:
    """What the script says of one object. `method` is the access method that it sets for tables to come.

    `whole` is the text with its comments and empty lines, which may be within quotes.
    """

    text: str
    method: str
    whole: str = field(compare=False)


def compare_ddl(dumped: bytes, restored: bytes, remade: bytes | None = None) -> list[Difference]:
    """The differences between the DDL of an archive and that of the database restored from it.

    `remade` is the DDL of what the server made of the archive's definitions once more, where it did.
    """
    scripts = _scripts(dumped, restored, remade)
    sentences, worded = _difference_sentences(*scripts[:2]), {key for key, _ in _reworded_objects(*scripts)}
    return [_difference(key, sentence) for key, sentence in sentences.items() if key not in worded]


def reworded_definitions(dumped: bytes, restored: bytes, remade: bytes) -> tuple[RewordedDefinition, ...]:
    """What the copy words otherwise than the archive, and is what the server makes of the archive's text."""
    return tuple(definition for _, definition in _reworded_objects(*_scripts(dumped, restored, remade)))


def _scripts(*texts: bytes | None) -> list[Mapping[Key, "_Object"]]:
    """The objects of each script; what only servers set is left out of all of them."""
    present = [text for text in texts if text is not None]
    skipped = frozenset[str]().union(*map(column_options.unknown_options, present))
    return [_objects(column_options.without_options(text, skipped)) for text in present]


def _difference_sentences(
    expected: Mapping[Key, "_Object"], found: Mapping[Key, "_Object"]
) -> dict[Key, str]:
    """What is to be told of each object that is not alike in both."""
    sentences = {}
    made = {(schema, name) for kind, schema, name in expected if kind not in _MAKES_NOTHING}
    for key in sorted({*expected, *found}):
        if key[0] == "ACL" and _same_rights(key, expected.get(key), found.get(key), made):
            continue
        if key not in found:
            sentences[key] = "the dump makes it, and it is not there"
        elif key not in expected:
            sentences[key] = "it is there, and the dump does not make it"
        elif not _alike(key, expected[key], found[key]):
            sentences[key] = _sentence(key, expected[key], found[key])
    return sentences


def _reworded_objects(
    expected: Mapping[Key, "_Object"],
    found: Mapping[Key, "_Object"],
    remade: Mapping[Key, "_Object"] | None = None,
) -> Iterator[tuple[Key, RewordedDefinition]]:
    if remade is None:
        return
    for key in expected.keys() & found.keys() & remade.keys():
        dumped, loaded = expected[key], found[key]
        if (
            not _alike(key, dumped, loaded)
            and _alike(key, remade[key], loaded)
            and _differs_in_wording(key, dumped, loaded)
        ):
            yield key, RewordedDefinition(dumped.whole, loaded.whole)


def _differs_in_wording(key: Key, dumped: _Object, loaded: _Object) -> bool:
    """Whether what differs are words of definitions: no property, and no statement that is in one alone."""
    if key[0] not in _DEFINED or dumped.method != loaded.method:
        return False
    lines, others = dumped.text.split("\n"), loaded.text.split("\n")
    if key[0] in _QUERIES:
        return True
    return len(lines) == len(others) and all(
        not a.startswith("ALTER ") or (_SETS.match(a) and _SETS.match(b))
        for a, b in zip(lines, others, strict=True)
        if _line(a) != _line(b)
    )


def _same_rights(
    key: Key, dumped: "_Object | None", restored: "_Object | None", made: set[tuple[str, str]]
) -> bool:
    """Whether grants come to the same. Their name is the kind and the name of what they are on."""
    kind, _, name = key[2].partition(" ")
    elsewhere = (key[1], name.rpartition(".")[0] if kind == "COLUMN" else name) not in made
    before, after = (
        grants.effect(item.text if item else "", made_elsewhere=elsewhere) for item in (dumped, restored)
    )
    return before == after


def _difference(key: Key, sentence: str) -> Difference:
    kind, schema, name = key
    place = "" if schema == "-" else f"{schema}."
    return Difference("schema", f"{kind.lower()} {place}{name}: {sentence}")


def _objects(ddl: bytes) -> Mapping[Key, _Object]:
    """The script cut at its comments. What bears one name (overloaded grants) is taken together."""
    script = ddl.decode("utf-8", "surrogateescape")
    texts: dict[Key, list[str]] = defaultdict(list)
    wholes: dict[Key, str] = defaultdict(str)
    methods: dict[Key, str] = {}
    headers = list(_HEADER.finditer(script))
    method = _method(script[: headers[0].start()] if headers else "", "")
    ends = [*(header.start() for header in headers[1:]), len(script)]
    for header, end in zip(headers, ends, strict=False):
        text = script[header.end() : end]
        key = (header["kind"], header["schema"], header["name"])
        if not _is_preinstalled(key):
            texts[key].append(_own_text(key, text))
            wholes[key] += text
            methods[key] = method if _takes_method(key, text) else ""
        method = _method(text, method)
    return {key: _Object("\n".join(parts), methods[key], wholes[key]) for key, parts in texts.items()}


def _is_preinstalled(key: Key) -> bool:
    """PL/pgSQL is in every new database; that somebody made it anew shows in one of the two only."""
    kind, _, name = key
    return (kind, name) in (("EXTENSION", "plpgsql"), ("COMMENT", "EXTENSION plpgsql"))


def _takes_method(key: Key, text: str) -> bool:
    return key[0] in _WITH_METHOD and "\nPARTITION BY " not in text


def _method(text: str, before: str) -> str:
    """The table access method that is set at the end of `text`."""
    methods = [match[1] for line in text.splitlines() if (match := _METHOD.match(line))]
    return methods[-1] if methods else before


def _own_text(key: Key, text: str) -> str:
    """What of the script is the object's own; a policy's roles in the order of their names."""
    own = "\n".join(_lines(text))
    if key[0] != "POLICY":
        return own
    return _ROLES.sub(lambda match: ", ".join(sorted(re.findall(_ROLE, match[0]))), own, count=1)


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.strip() and not line.startswith(("--", *_STATE)):
            yield line


def _alike(key: Key, dumped: _Object, restored: _Object) -> bool:
    if dumped == restored:
        return True
    if dumped.method != restored.method:
        return False
    a, b = (expressions.normalised(item.text) for item in (dumped, restored))
    if a == b or (key[0] in _QUERIES and _equal_without_titles(dumped.text, restored.text)):
        return True
    unordered = key[0] in _UNORDERED or "\nINHERITS (" in dumped.text
    return unordered and _multiset(dumped.text) == _multiset(restored.text)


def _equal_without_titles(a: str, b: str) -> bool:
    """Whether the texts are the same but for columns that have a title (`AS name`) in one of them alone.

    The titles that a view's own columns have are compared by the seal, as the columns' names.
    """
    titles_a, titles_b = (list(expressions.titles(text)) for text in (a, b))
    bare_a, bare_b = (expressions.normalised(expressions.untitled(text)) for text in (a, b))
    few, many = sorted((titles_a, titles_b), key=len)
    left = iter(many)
    return bare_a == bare_b and all(title in left for title in few)


def _multiset(text: str) -> Counter[str]:
    return Counter(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    return expressions.normalised(line.rstrip(" ,;"))


def _sentence(key: Key, dumped: _Object, restored: _Object) -> str:
    if dumped.method != restored.method:
        return f"its access method is {restored.method}, in the dump {dumped.method}"
    gone = _multiset(dumped.text) - _multiset(restored.text)
    if key[0] in _PRIVATE or not gone:
        return "it is not as the dump makes it"
    before = set(gone)
    lines = (line.strip() for line in dumped.text.split("\n"))
    first = next(line for line in lines if _line(line) in before)
    return f"it is not as the dump makes it, beginning with: {first[:_SHOWN]}"
