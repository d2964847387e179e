"""Whether a dump holds all objects of its database: what pg_dump said, and what it left out in silence."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import extension_members, missing_rights
from ledgerflow_ops.adapters.inspection.source import Snapshot
from ledgerflow_ops.adapters.inspection.standby import Standby
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.proof import INCOMPLETE, Proof
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, warned
from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.postgres import dump_warnings
from ledgerflow_ops.core.postgres.dump_warnings import DumpWarning, Meaning
from ledgerflow_ops.core.postgres.qualified_names import quote
from ledgerflow_ops.core.restore.compatibility import Reason
from ledgerflow_ops.operations.context import EnvironmentContext

_OURS = "ledgerflow_ops"
_SHOWN = 10
_PG_DUMP_HINT = Hint(
    "Is pg_dump the real one, without options of its own? ", make("doctor"), " shows where it is taken from."
)
_ENTRY = re.compile(rb"\d+; \d+ \d+ (SUBSCRIPTION|USER MAPPING) (?!TABLE )")


def collect_warnings(
    env: EnvironmentContext, snapshot: Snapshot, said: str, roles_said: str, entries: Sequence[bytes]
) -> tuple[DumpWarning, ...] | None:
    """All that is to be told of a dump; None where there is nothing.

    `said` and `roles_said` are what pg_dump and pg_dumpall printed, `entries` the archive's own list.
    """
    found = [
        *dump_warnings.parse_warnings("pg_dump", said),
        *dump_warnings.parse_warnings("pg_dumpall", roles_said),
    ]
    found += [one.warning() for one in missing_rights.unseen(snapshot.connection)]
    if not any(one.missing for one in found):
        found += _missing_objects(snapshot.connection, entries)
    found += standby_warnings(snapshot.standby)
    return tuple(one.within(env.environment) for one in found) or None


def _missing_objects(connection: Connection, entries: Iterable[bytes]) -> Iterator[DumpWarning]:
    """Kinds that no comparison of the restored copy covers: as many in the archive as in the catalogs?"""
    kinds = [match[1] for line in entries if (match := _ENTRY.match(line))]
    for kind, there in (
        ("SUBSCRIPTION", missing_rights.subscriptions(connection)),
        ("USER MAPPING", missing_rights.mappings(connection)),
    ):
        held = kinds.count(kind.encode())
        if held < len(there):
            text = f"{kind.lower()}s: {len(there)} in the database, {held} in the dump"
            yield DumpWarning(program=_OURS, text=text, meaning=Meaning.MISSING, hint=_PG_DUMP_HINT)


def standby_warnings(standby: Standby | None) -> list[DumpWarning]:
    """What a standby does not have: unlogged data, and what its primary has done since."""
    if standby is None:
        return []
    found = []
    if standby.unlogged:
        names = [name.key for name in standby.unlogged]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        found.append(
            "the source is a standby, which has no data of what is unlogged, so neither has the dump: "
            f"{', '.join(names[:_SHOWN])}{more}"
        )
    if not standby.current:
        since = f"{standby.replayed:%Y-%m-%d %H:%M:%S %Z}" if standby.replayed else "an instant not known"
        found.append(
            f"the source is a standby that does not keep up with its primary: its data is of {since}"
        )
    return [DumpWarning(program=_OURS, text=text, meaning=Meaning.NOTED) for text in found]


def restore_notes(manifest: Manifest, proof: Proof | None) -> Iterator[Reason]:
    """What a restore of this backup does not bring back."""
    message, hint = proof.incomplete if proof and not manifest.lacks else ("", NO_HINT)
    if message:
        yield Reason("incomplete", message, hint)
    if manifest.lacks:
        yield Reason(
            "incomplete", f"The dump does not hold all of its database: {manifest.lacks}.", manifest.remedy
        )
    if manifest.unheld:
        text = f"It was taken from a standby: these come back empty: {', '.join(manifest.unheld)}."
        yield Reason("unlogged", text, Hint("Unlogged data is on the primary alone."))


def incomplete_checks(manifest: Manifest) -> Iterator[Check]:
    """What keeps a backup that equals its seal from being more than that."""
    if manifest.ceiling < Rung.VALID:
        message = f"The dump does not hold all of the database, and cannot be proven: {manifest.lacks}."
        yield warned("restorable", INCOMPLETE, message, Hint(manifest.remedy, " Then: ", make("backup")))


def extension_member_checks(
    manifest: Manifest, copy: Database, extensions: Mapping[str, str]
) -> Iterator[Check]:
    """Relations that belong to an extension and that its script, of the same version, does not make.

    Somebody has added them (ALTER EXTENSION … ADD): pg_dump leaves them to the extension, with their rows.
    `extensions` are those of the copy, with their versions.
    """
    there = {name for name, version in extensions.items() if manifest.seal.extensions.get(name) == version}
    with copy.connect() as connection:
        made = extension_members.relations(connection)
    gone = {
        name: extension
        for name, extension in (manifest.members or {}).items()
        if name not in made and extension in there
    }
    if gone:
        listed = ", ".join(f"{name} (of the extension {extension})" for name, extension in gone.items())
        name, extension = next(iter(gone.items()))
        yield warned(
            "restorable",
            INCOMPLETE,
            f"The dump does not hold all of the database, and cannot be proven: {listed}. They belong to an "
            "extension that does not make them, and pg_dump leaves them to it.",
            Hint(
                f"Take each out of it: ALTER EXTENSION {quote(extension)} DROP {name}; Then: ", make("backup")
            ),
        )
