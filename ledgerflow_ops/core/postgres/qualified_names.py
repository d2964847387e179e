"""Qualified names of tables and sequences, in one spelling whatever program wrote them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = r'(?:"(?:[^"]|"")+"|[^\s".(),]+)'
_COLUMN = re.compile(r'"(?:[^"]|"")+"|[^\s",()]+')
_QUALIFIED = re.compile(rf"\s*({_PART})\.({_PART})")


def quote(part: str) -> str:
    """An identifier as SQL: bare if it is plain lower case, in double quotes otherwise."""
    return part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"'


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def column_list(names: Iterable[str]) -> str:
    """Columns in the spelling that manifests use: `(id, "Name")`; empty if there are none."""
    listed = ", ".join(map(quote, names))
    return f"({listed})" if listed else ""


def columns_in(text: str) -> tuple[str, ...]:
    """The names in a COPY statement's list of columns, unquoted."""
    return tuple(_unquote(part) for part in _COLUMN.findall(text))


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A schema and a name, unquoted. pg_dump and the server quote by different keyword lists.

    `key` is the spelling that manifests use, so that names from both can be compared.
    """

    schema: str
    name: str

    @property
    def key(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def pattern(self) -> str:
        """The name as a pattern for pg_dump's options: inside double quotes no character is a wildcard."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))

    @classmethod
    def parse(cls, text: str) -> "QualifiedName":
        """The qualified name at the start of `text`, whatever follows; ValueError if there is none."""
        return cls.split(text)[0]

    @classmethod
    def split(cls, text: str) -> tuple["QualifiedName", str]:
        """The qualified name at the start of `text`, and what follows it; ValueError if there is none."""
        match = _QUALIFIED.match(text)
        if not match:
            raise ValueError(f"no qualified name in {text!r}")
        return cls(_unquote(match[1]), _unquote(match[2])), text[match.end() :]
