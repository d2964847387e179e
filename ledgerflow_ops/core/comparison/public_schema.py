"""The schema public as pg_dump before 15 writes it: with its grants, and without its owner.

From 15 on pg_dump writes the owner too (`dumpNamespace` and `getNamespaces` in pg_dump.c), and a new database
of those servers starts with another owner and other grants for it.
"""

from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.comparison import expressions

NAME = "schema public"
"""Its name in the inventory."""
_WRITTEN_FROM = 15


def as_dumped(seal: Seal, found: Seal, structure: str, major: int, dumper: int) -> Seal:
    """The seal as far as a pg_dump of the major version `dumper` writes the schema public.

    `structure` is the schema's entry in the inventory of the copy, on a server of major version `major`: its
    owner and, after a bar, its grants.
    """
    if dumper >= _WRITTEN_FROM or NAME not in seal.objects.keys() & found.objects.keys():
        return seal
    grants = structure.partition("|")[2]
    same = {expressions.fingerprint(f"{owner}|{grants}") for owner in (*seal.roles, *found.roles)}
    if major < _WRITTEN_FROM and seal.objects[NAME].structure not in same:
        return seal
    return seal.model_copy(update={"objects": {**seal.objects, NAME: found.objects[NAME]}})
