"""Restores the files of a backup: unpacked beside those that are there, compared, swapped by renaming.

Only under the environment's lock, which the operation that calls holds. At no instant is a half-unpacked
folder in its place: between two renames nothing is, and the record of the restore says how to go on.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ledgerflow_ops.adapters import swapping
from ledgerflow_ops.adapters.ways import remove
from ledgerflow_ops.core.compare import Difference
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.file_swap import Phase, Place, Rename, Swap, There, backwards, forwards, require_id
from ledgerflow_ops.core.files import FilesState
from ledgerflow_ops.core.manifest import Manifest, decode_sealed, encode_sealed
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import unfiling
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.files_plan import ENDING, UNTOUCHED, files_of, plan, records, require_possible

_SHOWN = 20

Way = Callable[[Swap, Place, There], tuple[Rename, ...]]


def lay_out(site: Site, manifest: Manifest, restore_id: str, now: datetime) -> Swap:
    """The files of a backup beside their roots, compared and ready to be put in place.

    Refused (3) or BadBackup (4) with nothing touched; LedgerError (1) with everything as it was.
    """
    planned, state = plan(site, manifest, restore_id, now), files_of(manifest)
    require_possible(planned)
    if wrong := unfiling.archives_differ(site, state):
        raise BadBackup(f"{wrong} {UNTOUCHED}", hint="Restore another backup: make status lists them.")
    records(site).prepare()
    swap = _keep(site, planned.swap)
    try:
        _unpack(site, state, swap)
        return _keep(site, swap.at(Phase.SWAPPING))
    except BaseException:
        take_back(site, swap)
        raise


def put_in_place(site: Site, swap: Swap) -> Swap:
    """Swap in what was laid out. When that fails it is for the caller to go on or to take it back."""
    _go(site, swap, forwards)
    return _keep(site, swap.at(Phase.SWAPPED))


def swapped(site: Site, restore_id: str) -> Swap | None:
    """The restore of that id, if its files are in place."""
    return _at(site, restore_id, Phase.SWAPPED)


def taken_back(site: Site, restore_id: str) -> Swap | None:
    """The restore of that id, if its files were in place and lie beside their roots again."""
    return _at(site, restore_id, Phase.TAKEN_BACK)


def _at(site: Site, restore_id: str, phase: Phase) -> Swap | None:
    if f"{site.environment}_{restore_id}{ENDING}" not in records(site).names(ENDING):
        return None
    swap = _read(site, restore_id)
    return swap if swap.phase is phase else None


def announce_back(site: Site, swap: Swap, *, really: bool = True) -> Swap:
    """Note that the files are about to be taken back, or (not `really`) that they are not after all."""
    return _keep(site, swap.at(Phase.TAKING_BACK if really else Phase.SWAPPED))


def _unpack(site: Site, state: FilesState, swap: Swap) -> None:
    """The files beside their roots, durable, and shown to be those of the backup."""
    site.desk.reporter.step(Step.LAY_OUT)
    places = {place.root: Path(swap.restoring(place)) for place in swap.places}
    swapping.make_parents(places.values())
    unfiling.unpack(site.folder, state, places, site.desk.reporter.moved, durable=True)
    site.desk.reporter.step(Step.HOLD)
    differences = unfiling.compare(state, places)
    if differences:
        raise BadBackup(
            f"What was unpacked is not what was backed up:\n{_listed(differences)}\n{UNTOUCHED}",
            hint="Restore another backup: make status lists them.",
        )


def _listed(differences: list[Difference]) -> str:
    return "\n".join(f"  {difference.sentence}" for difference in differences[:_SHOWN])


def unfinished(site: Site) -> list[Swap]:
    """The restores of files that a crash has interrupted, by id."""
    ids = [
        name.removeprefix(f"{site.environment}_").removesuffix(ENDING)
        for name in records(site).names(ENDING)
        if name.startswith(f"{site.environment}_")
    ]
    found = [_read(site, restore_id) for restore_id in ids]
    return [swap for swap in found if swap.phase not in (Phase.SWAPPED, Phase.TAKEN_BACK)]


def drop(site: Site, restore_id: str) -> None:
    """Remove for good what a finished restore has left beside the roots, and its record."""
    swap = _read(site, restore_id)
    if swap.phase not in (Phase.SWAPPED, Phase.TAKEN_BACK):
        raise Refused(
            f"The restore called {restore_id} is {swap.phase}.", hint="make backup finishes it first."
        )
    for place in swap.places:
        for name in (swap.before(place), swap.undone(place)):
            remove(Path(name))
    records(site).remove(swap.file)


def take_back(site: Site, swap: Swap) -> Swap:
    """Everything as it was: what was set aside is back, what was not put in place yet is gone.

    What had been in place, be it for a moment, is kept: somebody may have written there.
    """
    if swap.phase is not Phase.UNPACKING:
        swap = _keep(site, swap.at(Phase.TAKING_BACK))
        _go(site, swap, backwards)
    for place in swap.places:
        remove(Path(swap.restoring(place)))
    if any(swapping.look(swap, place).undone for place in swap.places):
        return _keep(site, swap.at(Phase.TAKEN_BACK))
    records(site).remove(swap.file)
    return swap.at(Phase.TAKEN_BACK)


def _go(site: Site, swap: Swap, way: Way) -> None:
    """Carry out, root by root, the renames that are left; first of all it must be clear what they are."""
    for place in swap.places:
        way(swap, place, swapping.look(swap, place))
    for place in swap.places:
        for step in way(swap, place, swapping.look(swap, place)):
            aside = step.source == place.root
            site.desk.reporter.step(Step.SET_ASIDE if aside else Step.PUT_IN_PLACE)
            swapping.rename(step)


def _keep(site: Site, swap: Swap) -> Swap:
    """Write the record down, durably, before what it announces is begun."""
    records(site).replace(swap.file, encode_sealed(swap.model_dump(mode="json")))
    return swap


def _read(site: Site, restore_id: str) -> Swap:
    require_id(restore_id)
    file = f"{site.environment}_{restore_id}{ENDING}"
    if file not in records(site).names(ENDING):
        raise LedgerError(
            f"There is no restore of {site.environment}'s files called {restore_id}.",
            hint=f"Those that are known have a record in {records(site).path}.",
        )
    return Swap.model_validate(decode_sealed(records(site).record(file), file))
