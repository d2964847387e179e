"""Which database belongs to an environment, and when another one is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint, make


@dataclass(frozen=True, slots=True)
class Observation:
    """Where a database was seen, and its server's WAL position. What is unknown is None or empty.

    `addresses` are host:port, or a container's label: the one that answered, then the others that the URL
    names. `oids` are the database's own OID and those that our restores gave or left it. `lsn` is the flushed
    WAL position (text of pg_lsn) on `timeline`; for a standby it is the replayed position.
    """

    addresses: tuple[str, ...] = ()
    oids: tuple[int, ...] = ()
    timeline: int | None = None
    lsn: str | None = None
    standby: bool = False

    def __str__(self) -> str:
        parts = [
            f"at {self.addresses[0]}" if self.addresses else "",
            f"OID {self.oids[0]}" if self.oids else "",
            f"timeline {self.timeline}" if self.timeline else "",
            f"{'replayed to ' if self.standby else ''}LSN {self.lsn}" if self.lsn else "",
        ]
        return ", ".join(part for part in parts if part) or "place unknown"


@dataclass(frozen=True, slots=True)
class Identity:
    """A database: its cluster's system identifier (set once by initdb) and its name.

    Every copy of the cluster's files has the same. The other facts, in `seen`, can change while the database
    stays the same. They are no part of its identity, but a person has to accept a change of them.
    """

    system_identifier: str
    database: str
    seen: Observation | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"database {self.database!r} of server {self.system_identifier}"


def is_remembered(environment: Environment, current: Identity, known: Mapping[Environment, Identity]) -> bool:
    """Whether `current` is this environment's database, given what is `known`.

    Returns True when it is the remembered one, False when the environment has none yet and this one belongs
    to no other. Refused (exit 3) when it belongs to another environment, or differs from the remembered one.
    """
    for other, identity in known.items():
        if other is not environment and identity == current:
            raise Refused(
                f"LEDGER_ENV is {environment}, but its URL leads to {other}'s {current}.",
                hint=Hint(
                    f"Correct LEDGER_{environment.upper()}_DATABASE_URL or compose; nothing was changed."
                ),
            )
    remembered = known.get(environment)
    if remembered is not None and remembered != current:
        raise Refused(
            f"{environment} used to be {remembered}, but its URL now leads to {current}.",
            hint=Hint(
                "If it has really moved: ",
                make("identity", environment, ACCEPT=1),
                " accepts it. If not, find out why before anything else: the old database may be gone.",
            ),
        )
    return remembered is not None


def require_unchanged(environment: Environment, current: Identity, remembered: Identity) -> None:
    """Refused (exit 3) when the database is at another address than remembered, or behind its last backup.

    A clone of the cluster has the same system identifier and database name, and so has the cluster itself
    after a failover or a move. They cannot be told apart from here, so a person has to accept the change,
    once.
    """
    if not (current.seen and remembered.seen):
        return
    if changes := list(_changes(remembered.seen, current.seen)):
        raise Refused(
            f"{environment}'s {current} is not as it was at the last backup: {'; '.join(changes)}. "
            f"Then: {remembered.seen}. Now: {current.seen}.",
            hint=Hint(
                "It may be a clone, or restored from an older copy: check it before you back it up. "
                "If it was moved, failed over or restored on purpose: ",
                make("identity", environment, ACCEPT=1),
            ),
        )


def _changes(then: Observation, now: Observation) -> Iterator[str]:
    if then.addresses and now.addresses and not {*then.addresses} & {*now.addresses}:
        yield f"it was at {then.addresses[0]}, and is at {now.addresses[0]}"
    if then.oids and now.oids and now.oids[0] not in then.oids:
        yield f"its OID was {then.oids[0]}, and is {now.oids[0]}: it was dropped and created again"
    if now.standby:  # a standby may lag, or be on its primary's earlier timeline for a while
        return
    if then.timeline and now.timeline and now.timeline < then.timeline:
        yield f"its server was on timeline {then.timeline}, and is on {now.timeline}"
    if then.lsn and now.lsn and lsn_position(now.lsn) < lsn_position(then.lsn):
        yield f"its server is at LSN {now.lsn}, before the {then.lsn} of the last backup"


def lsn_position(lsn: str) -> int:
    """A pg_lsn as a byte position in the WAL; ValueError for text that is none."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def merge_observation(current: Identity, remembered: Identity | None) -> Identity:
    """The identity to remember: `current`, with the OIDs that were remembered before."""
    if remembered is None or remembered != current or remembered.seen is None:
        return current
    if current.seen is None:
        return remembered
    oids = tuple(dict.fromkeys([*current.seen.oids, *remembered.seen.oids]))
    return Identity(current.system_identifier, current.database, _with_oids(current.seen, oids))


def with_oids(remembered: Identity, oids: tuple[int, ...]) -> Identity:
    """The same identity with these OIDs added."""
    if remembered.seen is None:
        return remembered
    known = tuple(dict.fromkeys([*remembered.seen.oids, *oids]))
    seen = _with_oids(remembered.seen, known)
    return Identity(remembered.system_identifier, remembered.database, seen)


def _with_oids(seen: Observation, oids: tuple[int, ...]) -> Observation:
    return Observation(seen.addresses, oids, seen.timeline, seen.lsn, seen.standby)
