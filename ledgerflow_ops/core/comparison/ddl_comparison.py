"""Compares the DDL of a dump with that of the database restored from it, object by object.

pg_dump writes everything that a dump can carry, and nothing else: its output for the restored copy must equal
its output for the source. Both are texts of pg_dump or pg_restore, in which a comment names each object.
The comparison ignores what may differ between equal databases: casts, parentheses and white space of
expressions (see expressions.py); the order of a child table's columns, of grants, of a policy's roles and of
an operator family's members; tablespaces; and column options that a server sets for itself (see
column_options.py).

A server may also print a definition in other words once it has loaded it, in ways that cannot be listed. Then
the archive's DDL is loaded once more, into another database. Where that prints the same as the copy, the copy
has the archive's meaning. This applies to definitions, not to properties.
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
"""Kinds whose DDL may hold a password: none of it is shown."""
_UNORDERED = ("DEFAULT ACL", "OPERATOR CLASS", "OPERATOR FAMILY")
"""Kinds whose lines pg_dump lists in the catalog's physical order."""
_MAKES_NOTHING = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL", "ROW SECURITY"})
_QUERIES = frozenset({"VIEW", "MATERIALIZED VIEW", "RULE", "POLICY", "FUNCTION", "PROCEDURE"})
"""Kinds whose definition may be or hold a query."""
_DEFINED = _QUERIES | {
    *("TABLE", "FOREIGN TABLE", "TABLE ATTACH", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "DOMAIN"),
    *("INDEX", "STATISTICS", "TRIGGER", "PUBLICATION TABLE"),
}
"""Kinds whose DDL may hold an expression or a query."""
_SETS = re.compile(r"ALTER .*?( SET DEFAULT | ADD CONSTRAINT | ATTACH PARTITION | ADD TABLE )")
"""A statement that sets an expression. All others set properties, which have only one text."""
_ROLE = r'(?:"(?:[^"]|"")+"|\w+)'
_ROLES = re.compile(rf"(?<= TO ){_ROLE}(?:, {_ROLE})+")
_SHOWN = 100

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Object:
    """The script's text of one object. `method` is the default table access method at that point.

    `whole` is the text with its comments and empty lines, some of which may be inside quotes.
    """

    text: str
    method: str
    whole: str = field(compare=False)


def compare_ddl(dumped: bytes, restored: bytes, remade: bytes | None = None) -> list[Difference]:
    """The differences between the DDL of an archive and that of the database restored from it.

    `remade` is the DDL of a second database made from the archive's definitions, where there is one.
    """
    scripts = _scripts(dumped, restored, remade)
    sentences, worded = _difference_sentences(*scripts[:2]), {key for key, _ in _reworded_objects(*scripts)}
    return [_difference(key, sentence) for key, sentence in sentences.items() if key not in worded]


def reworded_definitions(dumped: bytes, restored: bytes, remade: bytes) -> tuple[RewordedDefinition, ...]:
    """Definitions that the copy prints in other words than the archive, with the same meaning."""
    return tuple(definition for _, definition in _reworded_objects(*_scripts(dumped, restored, remade)))


def _scripts(*texts: bytes | None) -> list[Mapping[Key, "_Object"]]:
    """The objects of each script, without column options that servers set for themselves."""
    present = [text for text in texts if text is not None]
    skipped = frozenset[str]().union(*map(column_options.unknown_options, present))
    return [_objects(column_options.without_options(text, skipped)) for text in present]


def _difference_sentences(
    expected: Mapping[Key, "_Object"], found: Mapping[Key, "_Object"]
) -> dict[Key, str]:
    """A sentence for each object that differs."""
    sentences = {}
    made = {(schema, name) for kind, schema, name in expected if kind not in _MAKES_NOTHING}
    for key in sorted({*expected, *found}):
        if key[0] == "ACL" and _same_rights(key, expected.get(key), found.get(key), made):
            continue
        if key not in found:
            sentences[key] = "it is in the dump and missing from the copy"
        elif key not in expected:
            sentences[key] = "it is in the copy and not in the dump"
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
    """Whether only the wording of definitions differs: no property, and no statement is in one text alone."""
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
    """Whether grants have the same effect. Their name is the kind and the name of their object."""
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
    """The objects of a script, split at its comments. Texts with one name (grants) are joined."""
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
    """Whether it is PL/pgSQL: it is in every new database, and only a recreated one is in the script."""
    kind, _, name = key
    return (kind, name) in (("EXTENSION", "plpgsql"), ("COMMENT", "EXTENSION plpgsql"))


def _takes_method(key: Key, text: str) -> bool:
    return key[0] in _WITH_METHOD and "\nPARTITION BY " not in text


def _method(text: str, before: str) -> str:
    """The table access method that is set at the end of `text`."""
    methods = [match[1] for line in text.splitlines() if (match := _METHOD.match(line))]
    return methods[-1] if methods else before


def _own_text(key: Key, text: str) -> str:
    """The object's own lines; a policy's roles are sorted by name."""
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
    """Whether the texts are equal except for column titles (`AS name`) that only one of them has.

    The titles of a view's own columns are compared by the seal, as column names.
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
