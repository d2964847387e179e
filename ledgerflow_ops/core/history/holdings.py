"""What the history says of each backup, and what in the folder contradicts it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ledgerflow_ops.core.catalog import naming
from ledgerflow_ops.core.catalog.naming import DUMPS, BackupName
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.chain import Fault
from ledgerflow_ops.core.history.entry import Entry, Kind, Statement

_COMMITS = (Kind.EARLIER, Kind.BACKUP, Kind.ADOPTION, Kind.REPAIR, Kind.REKEY)
_REMOVES = (Kind.ROTATION, Kind.QUARANTINE)


@dataclass(frozen=True, slots=True)
class Holding:
    """A backup by the history. Hashes are of whole files; `n` is the entry that committed it.

    `proof` is empty where none was written, `proof_n` the entry of it, `proofs` are older ones, `manifests`
    older manifests of that name. `earlier` says that it was there before the history began: whoever signed it
    then knows nothing of how it was made.
    """

    file: str
    n: int
    manifest: str
    dump: str
    proof: str = ""
    proof_n: int = 0
    proofs: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    present: bool = True
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A backup as the folder has it. A hash is empty where there is no such file; `unread` says that its
    records are only in a cloud. `files` are those of the backup; `dump` is the dump's hash where it was read.
    """

    manifest: str
    proof: str = ""
    files: frozenset[str] = frozenset()
    dump: str = ""
    unread: bool = False


def holdings(entries: Iterable[Entry]) -> dict[str, Holding]:
    """What the history says, by the backups' stems."""
    held: dict[str, Holding] = {}
    for entry in entries:
        if entry.stem:
            _apply(held, entry)
    return held


def _apply(held: dict[str, Holding], entry: Entry) -> None:
    stem, before = entry.stem, held.get(entry.stem)
    if entry.kind in _COMMITS or (entry.kind is Kind.ACCEPTED and entry.manifest):
        held[stem] = Holding(
            file=entry.file,
            n=entry.n,
            manifest=entry.manifest,
            dump=entry.dump,
            proof=entry.proof,
            proof_n=entry.n if entry.proof else 0,
            manifests=(*before.manifests, before.manifest) if before else (),
            earlier=entry.kind is Kind.EARLIER,
        )
    elif before is None:
        return
    elif entry.kind is Kind.PROOF:
        proofs = (*before.proofs, before.proof) if before.proof else before.proofs
        held[stem] = replace(before, proof=entry.proof, proof_n=entry.n, proofs=proofs, present=True)
    elif entry.kind is Kind.UNDO:
        held[stem] = replace(before, present=True)
    elif entry.kind in _REMOVES or entry.kind is Kind.ACCEPTED:
        held[stem] = replace(before, present=False, earlier=False)


def states(held: Mapping[str, Holding], statement: Statement) -> bool:
    """Whether the history says already what `statement` does."""
    known = held.get(BackupName.of(statement.file).stem) if statement.file else None
    if known is None:
        return False
    if statement.kind is Kind.PROOF:
        return known.proof == statement.proof
    return known.present and known.manifest == statement.manifest


def contradictions(
    histories: Sequence[Mapping[str, Holding]], observed: Mapping[str, Observed], head: int
) -> list[Fault]:
    """What in the folder contradicts the history, the first entry first.

    `histories` are those of all trusted keys, our own first: what one of them says is enough. `head` is the
    number of our last entry; what no entry speaks of comes after it.
    """
    stems = sorted({*observed, *(stem for held in histories for stem in held)})
    faults = [fault for stem in stems if (fault := _judge(histories, stem, observed.get(stem), head))]
    return sorted(faults, key=lambda fault: (fault.n, fault.file))


def _judge(
    histories: Sequence[Mapping[str, Holding]], stem: str, seen: Observed | None, head: int
) -> Fault | None:
    every = [held[stem] for held in histories if stem in held]
    known = [holding for holding in every if not holding.earlier] or every
    verdicts = [_contradiction(holding, seen, histories) for holding in known]
    if known:
        return None if None in verdicts else verdicts[0]
    if seen is None or seen.unread or not seen.manifest:
        return None
    name = next((file for file in sorted(seen.files) if file.endswith(DUMPS)), BackupName(stem).dump)
    return Fault(
        head + 1, "unknown", f"No entry of the history says that {name} was made here.", _unknown(name), name
    )


def _contradiction(
    holding: Holding, seen: Observed | None, histories: Sequence[Mapping[str, Holding]]
) -> Fault | None:
    """What the folder contradicts of one holding; None where nothing does."""
    file, n = holding.file, holding.n
    if seen is None or not (seen.manifest or seen.unread):
        return _gone(holding) if holding.present else None
    if seen.unread:
        return None
    if seen.manifest != holding.manifest:
        message = f"The manifest of {file} is not the one that entry {n} commits: it was exchanged or edited."
        return Fault(n, "manifest", message, _changed(file), file)
    if not holding.present:
        return None  # a removal that is under way, or that somebody has taken back
    if file not in seen.files:
        return Fault(
            n, "dump", f"The dump {file} is gone; its manifest is still there.", _changed(file), file
        )
    if seen.dump and seen.dump != holding.dump:
        message = f"The bytes of {file} are not those that entry {n} commits."
        return Fault(n, "dump", message, _changed(file), file)
    return _proof_contradiction(holding, seen, histories)


def _proof_contradiction(
    holding: Holding, seen: Observed, histories: Sequence[Mapping[str, Holding]]
) -> Fault | None:
    if seen.proof == holding.proof:
        return None
    file, n = holding.file, holding.proof_n or holding.n
    owners = [other.file for held in histories for other in held.values() if seen.proof in _proofs(other)]
    if not seen.proof:
        text = f"The proof of {file}, written by entry {n}, is gone."
    elif seen.proof in holding.proofs:
        text = f"The proof of {file} is an older one: the newest was written by entry {n}."
    elif owners:
        text = f"The proof of {file} is that of {owners[0]}: it was copied."
    else:
        text = f"The proof of {file} was forged: no entry of the history wrote it."
    prove = Hint("Prove it again: ", make("restore-test", FILE=file))
    return Fault(n, "proof", text, prove, file)


def _proofs(holding: Holding) -> Iterator[str]:
    yield from (proof for proof in (*holding.proofs, holding.proof) if proof)


def _gone(holding: Holding) -> Fault:
    message = (
        f"{holding.file} is no backup any more: its manifest is gone, and no entry says that a rotation or a "
        "quarantine removed it."
    )
    day = naming.claimed_instant(BackupName.of(holding.file))
    back = ("Get it back from another location: ", make("backfill", DAY=day.date()), "; or, ") if day else ()
    hint = Hint(*back, "if you removed it: ", make("audit", ACCEPT=1, WHY="why it is gone"))
    return Fault(holding.n, "removed", message, hint, holding.file)


def _changed(file: str) -> Hint:
    return Hint(
        "Do not restore it. Compare it with another location's copy; then ", make("quarantine", FILE=file)
    )


def _unknown(file: str) -> Hint:
    return Hint(
        "If you put it there: ",
        make("verify", FILE=file),
        "; then ",
        make("audit", ACCEPT=1, WHY="where it is from"),
        ". If nobody did: ",
        make("quarantine", FILE=file),
    )
