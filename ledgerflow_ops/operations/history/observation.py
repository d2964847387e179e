"""What a folder of backups holds, as an audit compares it with the history."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.storage.stored_file import Listing, Version
from ledgerflow_ops.core.catalog.naming import OURS, BackupName
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.chain import Fault
from ledgerflow_ops.core.history.holdings import Holding, Observed

_NOT_A_FILE = "not a file"
"""Stands for the hash of what is no regular file: it equals none."""


def observe(store: BackupStore) -> dict[str, Observed]:
    """The backups in a store by their stems: hashes of manifests and proofs, names of the other files.

    An unchanged file is not read again by the same process. LedgerError if the store cannot be reached.
    """
    listing, files = store.listing(), dict[str, set[str]]()
    for file in listing.files:
        if file.endswith(OURS) and not file.startswith("."):
            files.setdefault(BackupName.of(file).stem, set()).add(file)
    return {
        stem: _observe_one(store, listing, BackupName(stem), frozenset(own))
        for stem, own in files.items()
        if BackupName(stem).manifest in own
    }


def with_dumps(
    store: BackupStore,
    observed: Mapping[str, Observed],
    held: Mapping[str, Holding],
    moved: Callable[[int, int], object],
) -> dict[str, Observed]:
    """The same, with the hash of every dump that the history commits: all their bytes are read."""
    read = dict(observed)
    for number, (stem, holding) in enumerate(sorted(held.items())):
        moved(number, len(held))
        seen = observed.get(stem)
        if seen and holding.present and holding.file in seen.files and not store.evicted(holding.file):
            read[stem] = replace(seen, dump=_sha256(store, holding.file))
    moved(len(held), len(held))
    return read


def changed_copies(store: BackupStore, held: Mapping[str, Holding]) -> list[Fault]:
    """The manifests in a further location that are not those that the history commits."""
    faults = []
    for stem, seen in observe(store).items():
        holding = held.get(stem)
        if holding and seen.manifest and seen.manifest not in (holding.manifest, *holding.manifests):
            place = store.location
            message = f"The manifest of {holding.file} in {place} is not the one of entry {holding.n}."
            hint = Hint(
                f"Do not restore that copy. Move it out of {place}; the primary one: ",
                make("verify", FILE=holding.file),
            )
            faults.append(Fault(holding.n, "copied backup", message, hint, holding.file))
    return faults


def _observe_one(store: BackupStore, listing: Listing, name: BackupName, files: frozenset[str]) -> Observed:
    unread = any(listing.files[file].evicted for file in (name.manifest, name.proof) if file in files)
    if unread:
        return Observed("", files=files, unread=True)
    try:
        manifest, proof = (_hash(store, listing, file) for file in (name.manifest, name.proof))
    except LedgerError:
        return Observed("", files=files, unread=True)
    return Observed(manifest, proof, files)


def _hash(store: BackupStore, listing: Listing, file: str) -> str:
    stat = listing.files.get(file)
    return _cached_sha256(store, file, stat.version) if stat else ""


@lru_cache(maxsize=50_000)
def _cached_sha256(store: BackupStore, file: str, _version: Version) -> str:
    return _sha256(store, file)


def _sha256(store: BackupStore, file: str) -> str:
    try:
        return store.content(file)[1]
    except BadBackup:
        return _NOT_A_FILE
