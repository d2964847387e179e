"""Which tablespaces a database's objects are in, and which of these another server has."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ledgerflow_ops.core.restore.compatibility import Reason

_PLACED = re.compile(
    rb"^-- Name: (.*); Type: (TABLE|MATERIALIZED VIEW|INDEX|CONSTRAINT); Schema: (.*); Owner: .*; "
    rb"Tablespace: (.*)$",
    re.MULTILINE,
)
"""The comment that pg_restore writes above each object outside the database's default tablespace."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """An object and its tablespace. The `name` of a constraint is `table constraint`, as in pg_restore."""

    kind: str
    schema: str
    name: str
    tablespace: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def placed_objects(ddl: bytes) -> list[PlacedObject]:
    """The objects outside the default tablespace, from the archive's DDL as pg_restore prints it."""
    fields = (part.decode("utf-8", "surrogateescape") for match in _PLACED.findall(ddl) for part in match)
    return [
        PlacedObject(kind, schema, name, tablespace)
        for name, kind, schema, tablespace in zip(*[fields] * 4, strict=True)
    ]


def unavailable_tablespaces(
    objects: Iterable[PlacedObject], own: str | None, usable: Collection[str]
) -> set[str]:
    """The tablespaces that the objects, or the database itself (`own`), use and that are not `usable`."""
    return {*(item.tablespace for item in objects), *([own] if own else [])} - set(usable)


def tablespace_notes(
    objects: Collection[PlacedObject], own: str | None, usable: Collection[str]
) -> Iterator[Reason]:
    """Notes for a restore's plan: which objects will move to the default tablespace."""
    for name in sorted(unavailable_tablespaces(objects, own, usable)):
        moved = [str(item) for item in objects if item.tablespace == name]
        more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        listed = ["the database itself"] if name == own else []
        listed += moved[:_SHOWN]
        yield Reason(
            "tablespace",
            f"The server has no tablespace {name} that our account may use: "
            f"{', '.join(listed)}{more} will be in the default one.",
        )
