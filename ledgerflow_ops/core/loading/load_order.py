"""In which order an archive's entries are loaded, so that loading in parallel does what loading in turn does.

pg_restore with several jobs starts an entry as soon as what it depends on is there. A partitioned table
holds no data itself, so its triggers wait for none: they come while its partitions are being filled, and
fire. So the data is complete before anything of the post-data section is begun. Within that, pg_restore's
own passes are kept: grants, then materialized views (`RestorePass` in PostgreSQL's pg_backup_archiver.h).
Triggers are made in pg_dump's own order: a partition's trigger that is switched off has to wait for the one
of the table above, and the archive does not say so where another partition is between them (getTriggers in
pg_dump.c leaves that one's out). Comments come with them: some are on triggers.
Indexes of partitions are attached to those of their parents one by one: of two that are attached at once
neither sees that the other was the last one missing, and the parent's index stays invalid for ever; or they
end in a deadlock (`validatePartitionedIndex` in tablecmds.c). Foreign keys may need such an index.
Event triggers come last of all: pg_restore refreshes materialized views after it has made them, which
fires them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

_ENTRY = re.compile(rb"(\d+); \d+ \d+ (.*)")
"""A line of `pg_restore --list`: the entry's number, two oids, its kind, schema, name and owner."""
_GRANTS = (b"ACL ", b"ACL LANGUAGE ", b"DEFAULT ACL ")
_TRIGGER, _SAID = b"TRIGGER ", (b"COMMENT ", b"SECURITY LABEL ")
_ATTACHED, _AFTER_ATTACHED = b"INDEX ATTACH ", (b"FK CONSTRAINT ", b"COMMENT ")
"""What may need an attached index, or belong to what does. Nothing needs a comment."""
_REFRESHED = (b"MATERIALIZED VIEW DATA ", b"STATISTICS DATA ")
_EVENT_TRIGGERS = tuple(kind + b"EVENT TRIGGER " for kind in (b"", b"COMMENT - ", b"SECURITY LABEL - "))
_DEFINES_NOTHING = (
    *(*_GRANTS, *_REFRESHED, *_EVENT_TRIGGERS, *_SAID),
    *(b"SUBSCRIPTION ", b"SUBSCRIPTION TABLE ", b"USER MAPPING "),
)


PRE_DATA, _POST_DATA = "pre-data", "post-data"


class Pass(IntEnum):
    """What is loaded together, in this order."""

    MAIN = 1
    """Objects, data, then indexes, constraints, triggers, rules."""
    GRANTS = 2
    REFRESHED = 3
    """What is computed of other data, by its owner's rights."""
    EVENT_TRIGGERS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of pg_restore: the sections it takes of these entries, and whether it may use several jobs."""

    name: str
    sections: tuple[str, ...]
    entries: tuple[bytes, ...]
    parallel: bool = True

    @property
    def list(self) -> bytes:
        """What `--use-list` is given: the entries' numbers, in the archive's own order."""
        return b"".join(number + b";\n" for number in self.entries)


def stages(listed: Iterable[bytes]) -> Iterator[Stage]:
    """The runs that load an archive of which `pg_restore --list` prints these lines."""
    entries = [match for line in listed if (match := _ENTRY.match(line))]
    passes = {step: tuple(entry[1] for entry in entries if _pass(entry[2]) is step) for step in Pass}
    main, last = passes[Pass.MAIN], passes[Pass.EVENT_TRIGGERS]
    described = [(entry[1], entry[2]) for entry in entries if _pass(entry[2]) is Pass.MAIN]
    in_turn = _serial_entries(described)
    yield Stage("data", (PRE_DATA, "data"), main)
    yield from _post_data_stages([entry for entry in described if entry[0] not in in_turn])
    if in_turn:
        yield Stage(
            "triggers", (_POST_DATA,), tuple(entry for entry in main if entry in in_turn), parallel=False
        )
    if derived := (*passes[Pass.GRANTS], *passes[Pass.REFRESHED]):
        yield Stage("grants", (), derived)
    if last:
        yield Stage("event triggers", (), last, parallel=False)


def _post_data_stages(entries: Sequence[tuple[bytes, bytes]]) -> Iterator[Stage]:
    """The post-data section but for triggers, cut where indexes are attached.

    The archive lists what depends on something after it, so whatever stands before the last attached index
    can be made before them all, but for what needs one of them.
    """
    attached = tuple(number for number, what in entries if what.startswith(_ATTACHED))
    last = max((at for at, entry in enumerate(entries) if entry[0] in attached[-1:]), default=-1)
    later = tuple(
        number
        for at, (number, what) in enumerate(entries)
        if not what.startswith(_ATTACHED) and (at > last or what.startswith(_AFTER_ATTACHED))
    )
    if attached:
        held = {*attached, *later}
        yield Stage("indexes", (_POST_DATA,), tuple(number for number, _ in entries if number not in held))
        yield Stage("attached indexes", (_POST_DATA,), attached, parallel=False)
        yield Stage("constraints", (_POST_DATA,), later)
    else:
        yield Stage("constraints", (_POST_DATA,), tuple(number for number, _ in entries))


def definitions_stage(listed: Iterable[bytes]) -> Stage:
    """The run that makes all definitions of an archive, and nothing that fires, reads data or connects."""
    entries = (match for line in listed if (match := _ENTRY.match(line)))
    made = tuple(entry[1] for entry in entries if not entry[2].startswith(_DEFINES_NOTHING))
    return Stage("definitions", (PRE_DATA, _POST_DATA), made, parallel=False)


def _serial_entries(entries: Sequence[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The numbers of triggers and of what may be said of them; none where there are no triggers."""
    if not any(described.startswith(_TRIGGER) for _, described in entries):
        return frozenset()
    return frozenset(number for number, described in entries if described.startswith((_TRIGGER, *_SAID)))


def _pass(described: bytes) -> Pass:
    if described.startswith(_GRANTS):
        return Pass.GRANTS
    if described.startswith(_REFRESHED):
        return Pass.REFRESHED
    return Pass.EVENT_TRIGGERS if described.startswith(_EVENT_TRIGGERS) else Pass.MAIN
