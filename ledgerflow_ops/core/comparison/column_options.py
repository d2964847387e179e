"""Column options in a dump's DDL: which ones it sets, and the DDL without some of them.

PostgreSQL 15.20 keeps a version of its own (`pg_attver`) among the options of every column. The pg_dump of
another minor version takes it for an option that a user set, and writes it. Servers that do not know the
option refuse it, and those that do write their own value.
"""

import re
from collections.abc import Collection

KNOWN = frozenset({"n_distinct", "n_distinct_inherited"})
"""The options that can be set for a column (attribute_reloptions in PostgreSQL's reloptions.c, 9.0 to 19)."""

_NAME = rb'(?:"(?:[^"]|"")+"|\w+)'
_STATEMENT = re.compile(
    rb"^(ALTER (?:FOREIGN |MATERIALIZED )?(?:TABLE|VIEW) (?:ONLY )?"
    + rb"(?:%s\.)?%s ALTER COLUMN %s SET \()([^()]*)(\);\n)" % (_NAME, _NAME, _NAME),
    re.MULTILINE,
)


def unknown_options(ddl: bytes) -> frozenset[str]:
    """The names of options that `ddl` sets for columns and that are not KNOWN."""
    names = {_name(option) for match in _STATEMENT.finditer(ddl) for option in _options(match)}
    return frozenset(names) - KNOWN


def without_options(ddl: bytes, names: Collection[str]) -> bytes:
    """`ddl` without the column options in `names`, and without statements that set nothing else."""

    def less(match: re.Match[bytes]) -> bytes:
        remaining = [option for option in _options(match) if _name(option) not in names]
        return match[1] + b", ".join(remaining) + match[3] if remaining else b""

    return _STATEMENT.sub(less, ddl) if names else ddl


def _options(match: re.Match[bytes]) -> list[bytes]:
    return match[2].split(b", ")


def _name(option: bytes) -> str:
    return option.split(b"=")[0].decode("utf-8", "replace")
