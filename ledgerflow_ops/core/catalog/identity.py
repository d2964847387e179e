"""Which database an environment is, and when to refuse it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused


@dataclass(frozen=True, slots=True)
class Observation:
    """Where a database was met, and how far its server had come. What could not be told is None or empty.

    `addresses` are host:port, or a container's label: the one that answered, then the others that the URL
    names. `oids` are the database's own OID and those that restores of ours gave or left it. `lsn` is flushed
    WAL (pg_lsn's text) on `timeline`; of a standby it is what it had replayed.
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
        return ", ".join(part for part in parts if part) or "place not known"


@dataclass(frozen=True, slots=True)
class Identity:
    """A database of a server: the cluster's system identifier (set once by initdb) and the name.

    Every copy of the cluster's files has the same. What else was `seen` of it can change in a database that
    is still the same one, and is no part of its identity: a change is asked about.
    """

    system_identifier: str
    database: str
    seen: Observation | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"database {self.database!r} of server {self.system_identifier}"


def is_remembered(environment: Environment, current: Identity, known: Mapping[Environment, Identity]) -> bool:
    """Whether `found` is this environment's database, given what is `known`.

    Returns True when it is the remembered one, False when the environment has none yet and this one is
    free to be taken. Refused when it is another environment's, or not the one remembered.
    """
    for other, identity in known.items():
        if other is not environment and identity == current:
            raise Refused(
                f"LEDGER_ENV is {environment}, but its URL leads to {other}'s {current}.",
                hint=f"Mend LEDGER_{environment.upper()}_DATABASE_URL or compose; nothing was touched.",
            )
    remembered = known.get(environment)
    if remembered is not None and remembered != current:
        raise Refused(
            f"{environment} used to be {remembered}, but its URL now leads to {current}.",
            hint=f"If it has really moved: LEDGER_ENV={environment} make identity ACCEPT=1 "
            "accepts it. If not, look before you do anything else: the old database may be gone.",
        )
    return remembered is not None


def require_unchanged(environment: Environment, current: Identity, remembered: Identity) -> None:
    """Refused when the remembered database is met in another place, or behind what was backed up of it.

    A clone of the cluster has its system identifier and its database's name; so has the same cluster after
    a failover or a move. Which it is, nobody can tell from here: a person is asked, once.
    """
    if not (current.seen and remembered.seen):
        return
    if changes := list(_changes(remembered.seen, current.seen)):
        raise Refused(
            f"{environment}'s {current} is not as it was at the last backup: {'; '.join(changes)}. "
            f"Then: {remembered.seen}. Now: {current.seen}.",
            hint="It may be a clone, or have been restored from an older copy: look before it is backed up. "
            f"If it was moved, failed over or restored on purpose: LEDGER_ENV={environment} make identity "
            "ACCEPT=1",
        )


def _changes(then: Observation, now: Observation) -> Iterator[str]:
    if then.addresses and now.addresses and not {*then.addresses} & {*now.addresses}:
        yield f"it was at {then.addresses[0]}, and is at {now.addresses[0]}"
    if then.oids and now.oids and now.oids[0] not in then.oids:
        yield f"its OID was {then.oids[0]}, and is {now.oids[0]}: it was dropped and made again"
    if now.standby:  # it lags, or is on its primary's earlier timeline for a while: no sign of anything
        return
    if then.timeline and now.timeline and now.timeline < then.timeline:
        yield f"its server was on timeline {then.timeline}, and is on {now.timeline}"
    if then.lsn and now.lsn and lsn_position(now.lsn) < lsn_position(then.lsn):
        yield f"its server stands at LSN {now.lsn}, before the {then.lsn} of the last backup"


def lsn_position(lsn: str) -> int:
    """A pg_lsn as bytes of WAL; ValueError for what is none."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def merge_observation(current: Identity, remembered: Identity | None) -> Identity:
    """What is to be remembered of `found`: OIDs that are known to be its own stay so."""
    if remembered is None or remembered != current or remembered.seen is None:
        return current
    if current.seen is None:
        return remembered
    oids = tuple(dict.fromkeys([*current.seen.oids, *remembered.seen.oids]))
    return Identity(current.system_identifier, current.database, _with_oids(current.seen, oids))


def with_oids(remembered: Identity, oids: tuple[int, ...]) -> Identity:
    """The same identity, to which these OIDs belong as well."""
    if remembered.seen is None:
        return remembered
    known = tuple(dict.fromkeys([*remembered.seen.oids, *oids]))
    seen = _with_oids(remembered.seen, known)
    return Identity(remembered.system_identifier, remembered.database, seen)


def _with_oids(seen: Observation, oids: tuple[int, ...]) -> Observation:
    return Observation(seen.addresses, oids, seen.timeline, seen.lsn, seen.standby)
