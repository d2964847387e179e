"""Decides whether a backup may be moved into quarantine, or back, and what is moved."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make

_NAMED = 5


@dataclass(frozen=True, slots=True)
class QuarantineFacts:
    """A backup as it is now: its entry, its files in the folder, and what speaks against moving it.

    `pinned` is its pin's reason, `user` who uses it now, both empty for none; `evicted` are files whose bytes
    are only in the cloud. `needed` says that another backup needs its archive of files, which then stays.
    """

    entry: CatalogEntry
    files: Sequence[str]
    pinned: str = ""
    user: str = ""
    evicted: Collection[str] = ()
    needed: bool = False


@dataclass(frozen=True, slots=True)
class QuarantinePlan:
    """The files to move, manifest first, those that stay, and why nothing is moved (None: it may be)."""

    name: BackupName
    moves: tuple[str, ...]
    stays: tuple[str, ...]
    refusal: LedgerError | None = None


def plan_quarantine(facts: QuarantineFacts, confirm: str) -> QuarantinePlan:
    """What a quarantine would do. `confirm` is the name of the file, typed.

    A backup that was shown to be bad needs no confirmation. Any other one does: it may be the last that can
    be restored.
    """
    name = facts.entry.name
    order = (name.manifest, name.dump, name.globals, name.files, name.proof)
    present = [file for file in order if file in facts.files]
    stays = (name.files,) if facts.needed and name.files in present else ()
    moves = tuple(file for file in present if file not in stays)
    return QuarantinePlan(name, moves, stays, _refusal(facts, confirm))


def _refusal(facts: QuarantineFacts, confirm: str) -> LedgerError | None:
    file, entry = facts.entry.name.dump, facts.entry
    if facts.pinned:
        hint = Hint(make("unpin", FILE=file), "; then ", make("quarantine", FILE=file))
        return Refused(f"{file} is pinned: {facts.pinned}. Nothing was moved.", hint=hint)
    if facts.user:
        hint = Hint("Wait until that has ended; then ", make("quarantine", FILE=file))
        return Refused(f"{file} is in use: {facts.user}. Nothing was moved.", hint=hint)
    if facts.evicted:
        hint = Hint("Download it first; ", make("status"), " shows what is only in the cloud.")
        return Refused(f"{', '.join(facts.evicted)}: only in the cloud. Nothing was moved.", hint=hint)
    if entry.bad or confirm == file:
        return None
    mistyped = f" CONFIRM={confirm!r} is not its name." if confirm else ""
    is_ = "is proven and whole" if entry.proven else f"has not been shown to be bad (it is {entry.state!r})"
    hint = Hint("If it must go all the same: ", make("quarantine", FILE=file, CONFIRM=file))
    return Refused(f"{file} {is_}.{mistyped} Nothing was moved.", hint=hint)


def known_names_hint(names: Sequence[str], undo: bool = False) -> Hint:
    """A hint that names the files that could have been meant, as commands for the first ones."""
    if not names:
        return Hint(make("status"), " lists the backups and what is in quarantine.")
    others = f"; also known: {', '.join(names[1:_NAMED])}" if names[1:] else ""
    first = names[0]
    return Hint(make("quarantine", FILE=first, UNDO=1) if undo else make("quarantine", FILE=first), others)
