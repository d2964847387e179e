"""The rights that a backup's account lacks, as sentences and as statements that can be typed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.dump_warnings import AS_SUPERUSER, DumpWarning, Meaning

_SHOWN = 5
_READ_ALL = 140000
"""pg_read_all_data is there from PostgreSQL 14 on."""
_COVERED = ("schema", "table", "sequence")
"""What pg_read_all_data gives; it does not give large objects (up to 18), nor a way past row security."""

DENIED = re.compile(
    r"permission denied|must be owner of|row-level security policy|row security|insufficient.privilege",
    re.IGNORECASE,
)
"""What PostgreSQL and pg_dump say when the account may not."""


@dataclass(frozen=True, slots=True)
class MissingRight:
    """An object that a dump reads and `account`, quoted for SQL, may not; `statement` gives the right."""

    kind: str
    name: str
    owner: str
    statement: str
    account: str


@dataclass(frozen=True, slots=True)
class OmittedObject:
    """An object that pg_dump leaves out for `account` while it says that all is well."""

    kind: str
    name: str
    account: str

    @property
    def text(self) -> str:
        return f"{self.kind} {self.name} is not in the dump: {self.account} may not read it"

    @property
    def hint(self) -> Hint:
        return Hint(f"{AS_SUPERUSER}: ALTER ROLE {self.account} SUPERUSER;")

    def warning(self) -> DumpWarning:
        return DumpWarning(program="ledgerflow_ops", text=self.text, meaning=Meaning.MISSING, hint=self.hint)


def sentence(lacking: Sequence[MissingRight]) -> str:
    """What may not be read, kind by kind, with the owners."""
    return "; ".join(
        _named(kind, list(rights)) for kind, rights in groupby(lacking, lambda right: right.kind)
    )


def _named(kind: str, rights: Sequence[MissingRight]) -> str:
    shown = ", ".join(f"{right.name} (owner {right.owner})" for right in rights[:_SHOWN])
    more = f" and {len(rights) - _SHOWN} more" if len(rights) > _SHOWN else ""
    if kind == "row security":
        return f"row-level security filters {shown}{more}"
    return f"{kind} {shown}{more}"


def statements(lacking: Sequence[MissingRight], version: int) -> str:
    """What an owner or a superuser types; where many objects of a kind are concerned, one for all of them."""
    account = lacking[0].account
    commands: list[str] = []
    plain = [right for right in lacking if right.kind in _COVERED]
    if len(plain) > _SHOWN and version >= _READ_ALL:
        commands.append(f"GRANT pg_read_all_data TO {account};")
    else:
        commands += [right.statement for right in plain]
    for kind, rights in groupby(lacking, lambda right: right.kind):
        if kind == "row security":
            commands.append(next(rights).statement)
        elif kind == "large object":
            commands.append(_large([right.name for right in rights], account))
    return " ".join(commands)


def _large(oids: Sequence[str], account: str) -> str:
    if len(oids) <= 10 * _SHOWN:
        return f"GRANT SELECT ON LARGE OBJECT {', '.join(oids)} TO {account};"
    return f"ALTER ROLE {account} SET lo_compat_privileges = on;"


def hint(lacking: Sequence[MissingRight], version: int) -> Hint:
    """What to type, by whom, and what does for all objects at once."""
    account, kinds = lacking[0].account, {right.kind for right in lacking}
    owners = sorted({right.owner for right in lacking})
    by = f"{owners[0]} or a superuser" if len(owners) == 1 and "row security" not in kinds else "a superuser"
    text = f"As {by}: {statements(lacking, version)}"
    ways = []
    if kinds & set(_COVERED) and "pg_read_all_data" not in text and version >= _READ_ALL:
        ways.append(f"every table, schema and sequence: GRANT pg_read_all_data TO {account};")
    if "large object" in kinds and "lo_compat_privileges" not in text:
        ways.append(
            "every large object, also those that come later: "
            f"ALTER ROLE {account} SET lo_compat_privileges = on;"
        )
    return Hint(" For ".join([text, *ways]))
