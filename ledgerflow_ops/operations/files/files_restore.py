"""Restores the files of a backup: unpacks them beside the present ones, compares them, swaps by renaming.

Requires the environment's lock, which the calling operation holds. A half-unpacked folder is never in place:
between two renames nothing is, and the record of the restore says how to continue after a crash.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ledgerflow_ops.adapters.files import file_swap
from ledgerflow_ops.adapters.storage.safe_path import remove_tree
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import Manifest, decode_sealed, encode_sealed
from ledgerflow_ops.core.comparison.seal_comparison import Difference
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restore.file_swap import (
    FileSwap,
    OccupiedNames,
    Rename,
    SwappedRoot,
    SwapPhase,
    backward_renames,
    forward_renames,
    require_id,
)
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_verification
from ledgerflow_ops.operations.files.files_plan import (
    RECORD_SUFFIX,
    UNTOUCHED,
    files_of,
    plan_files,
    require_possible,
    swap_records,
)

_SHOWN = 20

PlanRenames = Callable[[FileSwap, SwappedRoot, OccupiedNames], tuple[Rename, ...]]


def stage_files(env: EnvironmentContext, manifest: Manifest, restore_id: str, now: datetime) -> FileSwap:
    """Unpack the files of a backup beside their roots and compare them, ready to be put in place.

    Refused (3) or BadBackup (4) with nothing touched; LedgerError (1) with everything as it was.
    """
    planned, state = plan_files(env, manifest, restore_id, now), files_of(manifest)
    require_possible(planned)
    if problem := files_verification.archive_problem(env, state):
        raise BadBackup(
            f"{problem} {UNTOUCHED}", hint=Hint("Restore another backup: ", make("status"), " lists them.")
        )
    swap_records(env).prepare()
    swap = _write_record(env, planned.swap)
    try:
        _unpack(env, state, swap)
        return _write_record(env, swap.at(SwapPhase.SWAPPING))
    except BaseException:
        take_back(env, swap)
        raise


def put_in_place(env: EnvironmentContext, swap: FileSwap) -> FileSwap:
    """Swap the unpacked files in. If that fails, the caller has to repeat it or to take it back."""
    _rename_roots(env, swap, forward_renames)
    return _write_record(env, swap.at(SwapPhase.SWAPPED))


def find_swapped(env: EnvironmentContext, restore_id: str) -> FileSwap | None:
    """The restore of that id, if its files are in place."""
    return _find_in_phase(env, restore_id, SwapPhase.SWAPPED)


def find_taken_back(env: EnvironmentContext, restore_id: str) -> FileSwap | None:
    """The restore of that id, if its files were in place and have been taken back beside their roots."""
    return _find_in_phase(env, restore_id, SwapPhase.TAKEN_BACK)


def _find_in_phase(env: EnvironmentContext, restore_id: str, phase: SwapPhase) -> FileSwap | None:
    if f"{env.environment}_{restore_id}{RECORD_SUFFIX}" not in swap_records(env).names(RECORD_SUFFIX):
        return None
    swap = _read_record(env, restore_id)
    return swap if swap.phase is phase else None


def announce_take_back(env: EnvironmentContext, swap: FileSwap, *, really: bool = True) -> FileSwap:
    """Record that the files are about to be taken back, or (not `really`) that they stay after all."""
    return _write_record(env, swap.at(SwapPhase.TAKING_BACK if really else SwapPhase.SWAPPED))


def _unpack(env: EnvironmentContext, state: FilesState, swap: FileSwap) -> None:
    """Unpack the files durably beside their roots; BadBackup unless they equal the backup's."""
    env.ctx.reporter.step(Step.LAY_OUT)
    places = {place.root: Path(swap.restoring(place)) for place in swap.places}
    file_swap.make_parents(places.values())
    files_verification.unpack_files(env, state, places, env.ctx.reporter.moved, durable=True)
    env.ctx.reporter.step(Step.HOLD)
    differences = files_verification.compare_unpacked_files(state, places)
    if differences:
        raise BadBackup(
            f"What was unpacked is not what was backed up:\n{_listed(differences)}\n{UNTOUCHED}",
            hint=Hint("Restore another backup: ", make("status"), " lists them."),
        )


def _listed(differences: list[Difference]) -> str:
    return "\n".join(f"  {difference.sentence}" for difference in differences[:_SHOWN])


def unfinished_swaps(env: EnvironmentContext) -> list[FileSwap]:
    """The restores of files that a crash has interrupted, by id."""
    ids = [
        name.removeprefix(f"{env.environment}_").removesuffix(RECORD_SUFFIX)
        for name in swap_records(env).names(RECORD_SUFFIX)
        if name.startswith(f"{env.environment}_")
    ]
    swaps = [_read_record(env, restore_id) for restore_id in ids]
    return [swap for swap in swaps if swap.phase not in (SwapPhase.SWAPPED, SwapPhase.TAKEN_BACK)]


def remove_previous_files(env: EnvironmentContext, restore_id: str) -> None:
    """Delete what a finished restore has left beside the roots, and its record. This cannot be undone."""
    swap = _read_record(env, restore_id)
    if swap.phase not in (SwapPhase.SWAPPED, SwapPhase.TAKEN_BACK):
        raise Refused(
            f"The restore called {restore_id} is {swap.phase}.",
            hint=Hint(make("backup", env.environment), " finishes it first."),
        )
    for place in swap.places:
        for name in (swap.before(place), swap.undone(place)):
            remove_tree(Path(name))
    swap_records(env).remove(swap.file)


def take_back(env: EnvironmentContext, swap: FileSwap) -> FileSwap:
    """Undo a swap: put back what was set aside, and delete what was not yet put in place.

    Files that were in place, even for a moment, are kept: somebody may have written there.
    """
    if swap.phase is not SwapPhase.UNPACKING:
        swap = _write_record(env, swap.at(SwapPhase.TAKING_BACK))
        _rename_roots(env, swap, backward_renames)
    for place in swap.places:
        remove_tree(Path(swap.restoring(place)))
    if any(file_swap.occupied_names(swap, place).undone for place in swap.places):
        return _write_record(env, swap.at(SwapPhase.TAKEN_BACK))
    swap_records(env).remove(swap.file)
    return swap.at(SwapPhase.TAKEN_BACK)


def _rename_roots(env: EnvironmentContext, swap: FileSwap, way: PlanRenames) -> None:
    """Carry out the remaining renames, root by root, after checking that they can be determined for all."""
    for place in swap.places:
        way(swap, place, file_swap.occupied_names(swap, place))
    for place in swap.places:
        for step in way(swap, place, file_swap.occupied_names(swap, place)):
            aside = step.source == place.root
            env.ctx.reporter.step(Step.SET_ASIDE if aside else Step.PUT_IN_PLACE)
            file_swap.apply_rename(step)


def _write_record(env: EnvironmentContext, swap: FileSwap) -> FileSwap:
    """Write the record durably, before the step that it announces."""
    swap_records(env).replace(swap.file, encode_sealed(swap.model_dump(mode="json")))
    return swap


def _read_record(env: EnvironmentContext, restore_id: str) -> FileSwap:
    require_id(restore_id)
    file = f"{env.environment}_{restore_id}{RECORD_SUFFIX}"
    if file not in swap_records(env).names(RECORD_SUFFIX):
        raise LedgerError(
            f"There is no restore of {env.environment}'s files called {restore_id}.",
            hint=Hint(f"Those that are known have a record in {swap_records(env).path}."),
        )
    return FileSwap.model_validate(decode_sealed(swap_records(env).record(file), file))
