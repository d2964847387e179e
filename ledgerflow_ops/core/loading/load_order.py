"""The order in which an archive's entries are loaded, so that a parallel load does what a serial one does.

pg_restore with several jobs starts an entry as soon as its dependencies are done. That goes wrong in four
cases, and each has its stage:

- Triggers of partitioned tables. Such a table has no data entry, so its triggers depend on none: pg_restore
  may create them while the partitions are being filled, and they fire. So all data is loaded before anything
  of the post-data section.
- A partition's disabled trigger. It must follow the trigger of the parent table. The archive lacks that
  dependency when another partition lies between the two (getTriggers in pg_dump.c leaves its trigger out). So
  triggers are created serially in pg_dump's order. Comments go with them, since some are on triggers.
- Indexes of partitions. Two that are attached to the parent's index at the same time each miss that the other
  completes it, and the parent's index stays invalid; or they deadlock (`validatePartitionedIndex` in
  tablecmds.c). So they are attached serially. Foreign keys may need such an index and come afterwards.
- Event triggers. pg_restore refreshes materialized views after it has created event triggers, which fires
  them. So event triggers come last.

Grants and materialized views keep the order of pg_restore's own passes (`RestorePass` in
pg_backup_archiver.h): grants first.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

_ENTRY = re.compile(rb"(\d+); \d+ \d+ (.*)")
"""A line of `pg_restore --list`: the entry's number, two OIDs, its kind, schema, name and owner."""
_GRANTS = (b"ACL ", b"ACL LANGUAGE ", b"DEFAULT ACL ")
_TRIGGER, _ANNOTATIONS = b"TRIGGER ", (b"COMMENT ", b"SECURITY LABEL ")
_ATTACHED, _AFTER_ATTACHED = b"INDEX ATTACH ", (b"FK CONSTRAINT ", b"COMMENT ")
"""A foreign key may need an attached index; a comment may be on such a foreign key."""
_REFRESHED = (b"MATERIALIZED VIEW DATA ", b"STATISTICS DATA ")
_EVENT_TRIGGERS = tuple(kind + b"EVENT TRIGGER " for kind in (b"", b"COMMENT - ", b"SECURITY LABEL - "))
_DEFINES_NOTHING = (
    *(*_GRANTS, *_REFRESHED, *_EVENT_TRIGGERS, *_ANNOTATIONS),
    *(b"SUBSCRIPTION ", b"SUBSCRIPTION TABLE ", b"USER MAPPING "),
)


PRE_DATA, DATA, _POST_DATA = "pre-data", "data", "post-data"


class Pass(IntEnum):
    """Entries that are loaded together; passes run in this order."""

    MAIN = 1
    """Objects, data, then indexes, constraints, triggers, rules."""
    GRANTS = 2
    REFRESHED = 3
    """Materialized views and statistics: computed from other data, with the owner's rights."""
    EVENT_TRIGGERS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of pg_restore: the entries, the sections loaded of them, and whether several jobs may run."""

    name: str
    sections: tuple[str, ...]
    entries: tuple[bytes, ...]
    parallel: bool = True

    @property
    def list(self) -> bytes:
        """The file for `--use-list`: the entries' numbers, in the archive's order."""
        return b"".join(number + b";\n" for number in self.entries)


def stages(listed: Iterable[bytes]) -> Iterator[Stage]:
    """The pg_restore runs that load an archive; `listed` is the output of `pg_restore --list`."""
    entries = [match for line in listed if (match := _ENTRY.match(line))]
    passes = {step: tuple(entry[1] for entry in entries if _pass(entry[2]) is step) for step in Pass}
    main, last = passes[Pass.MAIN], passes[Pass.EVENT_TRIGGERS]
    described = [(entry[1], entry[2]) for entry in entries if _pass(entry[2]) is Pass.MAIN]
    serial = _serial_entries(described)
    yield Stage("data", (PRE_DATA, DATA), main)
    yield from _post_data_stages([entry for entry in described if entry[0] not in serial])
    if serial:
        yield Stage(
            "triggers", (_POST_DATA,), tuple(entry for entry in main if entry in serial), parallel=False
        )
    if derived := (*passes[Pass.GRANTS], *passes[Pass.REFRESHED]):
        yield Stage("grants", (), derived)
    if last:
        yield Stage("event triggers", (), last, parallel=False)


def _post_data_stages(entries: Sequence[tuple[bytes, bytes]]) -> Iterator[Stage]:
    """The post-data section without triggers, split into before, during and after attaching indexes.

    The archive lists every entry after those it depends on. So an entry listed before the last attached index
    can be created before any index is attached, except entries that may need one (`_AFTER_ATTACHED`).
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
    """The run that creates an archive's definitions, without what fires, reads data or connects elsewhere."""
    entries = (match for line in listed if (match := _ENTRY.match(line)))
    made = tuple(entry[1] for entry in entries if not entry[2].startswith(_DEFINES_NOTHING))
    return Stage("definitions", (PRE_DATA, _POST_DATA), made, parallel=False)


def _serial_entries(entries: Sequence[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The numbers of triggers, comments and security labels; empty if the archive has no trigger."""
    if not any(described.startswith(_TRIGGER) for _, described in entries):
        return frozenset()
    return frozenset(
        number for number, described in entries if described.startswith((_TRIGGER, *_ANNOTATIONS))
    )


def _pass(described: bytes) -> Pass:
    if described.startswith(_GRANTS):
        return Pass.GRANTS
    if described.startswith(_REFRESHED):
        return Pass.REFRESHED
    return Pass.EVENT_TRIGGERS if described.startswith(_EVENT_TRIGGERS) else Pass.MAIN
