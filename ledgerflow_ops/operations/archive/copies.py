"""What is known of a backup's copies in all locations, from names, sizes, manifests and proofs alone."""

from collections.abc import Iterable, Sequence

from ledgerflow_ops.core.archive.copies import CopyState, Place, PlacedCopy
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext

PRIMARY = "primary"
"""The name of the environment's own folder among its locations."""


def archive_contexts(env: EnvironmentContext) -> list[EnvironmentContext]:
    """The environment in each of its archive locations."""
    return env.locations()[1:]


def place_name(at: EnvironmentContext) -> str:
    """The name of a location."""
    return at.archive.name if at.archive else PRIMARY


def place_of(at: EnvironmentContext) -> Place:
    """A location as the 3-2-1 rule sees it: all folders of one disk are one medium, as is each service."""
    archive, root = at.archive, at.store.root()
    if archive and root is None:
        medium = f"{archive.kind} {archive.endpoint or archive.service}".rstrip()
    else:
        medium = _disk(at)
    return Place(place_name(at), medium, elsewhere=bool(archive and archive.is_offsite))


def places(env: EnvironmentContext) -> list[Place]:
    """All locations of the environment, the primary one first."""
    return [place_of(at) for at in env.locations()]


def copy_in(at: EnvironmentContext, name: BackupName, digest: str) -> PlacedCopy:
    """The state of one copy. `digest` is that of the manifest which it should have, empty for any."""
    place = place_of(at)
    try:
        state, note = _state(at, name, digest)
    except LedgerError as error:
        state, note = CopyState.UNKNOWN, error.message
    return PlacedCopy(place, state, note)


def copies_of(env: EnvironmentContext, name: BackupName, digest: str) -> list[PlacedCopy]:
    """The backup's copy in each location, the primary one first."""
    return [copy_in(at, name, digest) for at in env.locations()]


def committed_digest(ats: Iterable[EnvironmentContext], name: BackupName) -> str:
    """The digest of the backup's manifest in the first location where a sound one can be read; else empty."""
    for at in ats:
        if manifest := sound_manifest(at, name):
            return manifest.digest
    return ""


def sound_manifest(at: EnvironmentContext, name: BackupName) -> Manifest | None:
    """The backup's manifest in a location; None where there is none, or it cannot be read."""
    try:
        return catalog.read_manifest(at, name) if at.store.reachable() else None
    except LedgerError:
        return None


def all_names(ats: Sequence[EnvironmentContext]) -> list[BackupName]:
    """The backups that have a manifest in at least one of these locations that can be read, by name."""
    names = set[BackupName]()
    for at in ats:
        try:
            if at.store.reachable():
                names |= {entry.name for entry in catalog.entries(at) if at.store.taken(entry.name.manifest)}
        except LedgerError as error:
            at.ctx.reporter.say(f"{place_name(at)} cannot be read: {error.message}")
    return sorted(names, key=lambda name: name.stem)


def _state(at: EnvironmentContext, name: BackupName, digest: str) -> tuple[CopyState, str]:
    store = at.store
    if not store.reachable():
        return CopyState.UNKNOWN, f"{store.home} is not there"
    if not store.taken(name.manifest):
        begun = any(store.taken(file) for both in name.both for file in (both.dump, both.globals))
        return (CopyState.INCOMPLETE if begun else CopyState.MISSING), ""
    entry = catalog.entry(at, name.among(store.taken))
    if entry.unread:
        return CopyState.UNKNOWN, entry.problem
    if digest and entry.manifest and entry.manifest.digest != digest:
        return CopyState.FOREIGN, "its manifest commits other bytes"
    if entry.bad:
        return CopyState.BAD, entry.problem or "its proof says so"
    if entry.manifest is None:
        return CopyState.UNKNOWN, "its manifest is only in the cloud"
    return (CopyState.GOOD if entry.proven else CopyState.UNPROVEN), entry.unjudged


def _disk(at: EnvironmentContext) -> str:
    """The disk of a folder, by its device; a folder that is not there is a disk of its own."""
    try:
        space = at.store.space() if at.store.reachable() else None
    except LedgerError:
        space = None
    return f"disk {space.number}" if space else f"disk of {at.store.home}"
