"""The rights that a backup's account lacks, as sentences and as SQL that grants them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.dump_warnings import AS_SUPERUSER, DumpWarning, Meaning

_SHOWN = 5
_READ_ALL = 140000
"""The role pg_read_all_data exists since PostgreSQL 14 (as server_version_num)."""
_COVERED = ("schema", "table", "sequence")
"""What pg_read_all_data may read. Up to 18 it may not read large objects, nor bypass row security."""

DENIED = re.compile(
    r"permission denied|must be owner of|row-level security policy|row security|insufficient.privilege",
    re.IGNORECASE,
)
"""Messages of PostgreSQL and pg_dump for an account that lacks a right."""


@dataclass(frozen=True, slots=True)
class MissingRight:
    """An object that a dump has to read and `account` may not. `statement` grants the right.

    `account` is quoted for SQL.
    """

    kind: str
    name: str
    owner: str
    statement: str
    account: str


@dataclass(frozen=True, slots=True)
class OmittedObject:
    """An object that pg_dump leaves out for `account` without a warning."""

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
    """The objects that may not be read, by kind, with their owners."""
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
    """The SQL that grants the rights; many objects of one kind are covered by a single statement."""
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
            commands.append(_large_object_grant([right.name for right in rights], account))
    return " ".join(commands)


def _large_object_grant(oids: Sequence[str], account: str) -> str:
    if len(oids) <= 10 * _SHOWN:
        return f"GRANT SELECT ON LARGE OBJECT {', '.join(oids)} TO {account};"
    return f"ALTER ROLE {account} SET lo_compat_privileges = on;"


def hint(lacking: Sequence[MissingRight], version: int) -> Hint:
    """Which SQL to run as whom, and a shorter statement that covers all objects if there is one."""
    account, kinds = lacking[0].account, {right.kind for right in lacking}
    owners = sorted({right.owner for right in lacking})
    by = f"{owners[0]} or a superuser" if len(owners) == 1 and "row security" not in kinds else "a superuser"
    text = f"As {by}: {statements(lacking, version)}"
    shortcuts = []
    if kinds & set(_COVERED) and "pg_read_all_data" not in text and version >= _READ_ALL:
        shortcuts.append(f"every table, schema and sequence: GRANT pg_read_all_data TO {account};")
    if "large object" in kinds and "lo_compat_privileges" not in text:
        shortcuts.append(
            f"every large object, including later ones: ALTER ROLE {account} SET lo_compat_privileges = on;"
        )
    return Hint(" For ".join([text, *shortcuts]))
