"""Where a database's objects are kept on a server's disks, and what of it another server can keep."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ledgerflow_ops.core.restore.compatibility import Reason

_PLACED = re.compile(
    rb"^-- Name: (.*); Type: (TABLE|MATERIALIZED VIEW|INDEX|CONSTRAINT); Schema: (.*); Owner: .*; "
    rb"Tablespace: (.*)$",
    re.MULTILINE,
)
"""The comment that pg_restore writes above each object that is not in its database's own tablespace."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """An object and its tablespace. A constraint's `name` is its table's and its own, as pg_restore's."""

    kind: str
    schema: str
    name: str
    tablespace: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def placed_objects(ddl: bytes) -> list[PlacedObject]:
    """What an archive, of which this is the DDL, keeps in tablespaces of its own."""
    fields = (part.decode("utf-8", "surrogateescape") for match in _PLACED.findall(ddl) for part in match)
    return [
        PlacedObject(kind, schema, name, where)
        for name, kind, schema, where in zip(*[fields] * 4, strict=True)
    ]


def unavailable_tablespaces(
    objects: Iterable[PlacedObject], own: str | None, usable: Collection[str]
) -> set[str]:
    """The tablespaces that are wanted, `own` for the database itself, and cannot be had."""
    return {*(item.tablespace for item in objects), *([own] if own else [])} - set(usable)


def tablespace_notes(
    objects: Collection[PlacedObject], own: str | None, usable: Collection[str]
) -> Iterator[Reason]:
    """What a restore will not keep where it was, for its plan."""
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
