"""Keeps a database and its files a pair: both are the backup's, or both are those from before.

The database is swapped in one transaction; after it, each root of the files takes a rename or two. After a
crash the server's databases show how far the swap came: while `…__restoring_ID` exists, it has not taken
place; while `…__before_ID` exists, it has not been taken back.
"""

from collections.abc import Iterator

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.restore.compatibility import Reason
from ledgerflow_ops.core.restore.file_swap import FileSwap, SwapPhase
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_plan, files_restore


def restores_files(env: EnvironmentContext, manifest: Manifest) -> bool:
    """Whether files are restored with the database: only into the backup's own environment."""
    return manifest.files is not None and manifest.environment is env.environment


def restore_obstacles(env: EnvironmentContext, manifest: Manifest, ident: str) -> Iterator[Reason]:
    """The obstacles to restoring the files."""
    if not restores_files(env, manifest):
        return
    state = files_plan.files_of(manifest)
    listed = {str(path) for path in env.settings.files}
    if strange := sorted(set(state.roots) - listed):
        yield Reason(
            "files",
            f"The backup's files belong to {', '.join(strange)}, which {env.environment} does not list.",
            Hint("List them in `files` in ledgerflow.toml, or restore on the machine that has them."),
        )
        return
    try:
        planned = files_plan.plan_files(env, manifest, ident, env.ctx.clock())
    except Refused as error:
        yield Reason("files", error.message, error.hint)
        return
    for obstacle in planned.obstacles:
        yield Reason("files", obstacle, Hint("Move it away, or fix its folder."))
    for room in planned.lacking:
        message = f"Not enough space for files at {room.where}: {room.figures}."
        yield Reason("room", message, Hint("Free space there."))


def restore_notes(env: EnvironmentContext, manifest: Manifest) -> Iterator[Reason]:
    """Notes about files that are not restored."""
    if manifest.files is not None and not restores_files(env, manifest):
        yield Reason("files", f"The files of {manifest.environment} are not restored into {env.environment}.")


def stage_files(
    env: EnvironmentContext, origin: EnvironmentContext, manifest: Manifest, ident: str
) -> FileSwap | None:
    """Unpack the files beside their roots and compare them; None where none are restored."""
    if not restores_files(env, manifest):
        return None
    return files_restore.stage_files(origin, manifest, ident, env.ctx.clock())


def settle_interrupted(env: EnvironmentContext, restoring: set[str], before: set[str]) -> list[str]:
    """Finish or undo interrupted swaps of files, so that they match their database; returns the ids.

    `restoring` and `before` are the ids of the databases beside the live one.
    """
    settled = []
    for swap in files_restore.unfinished_swaps(env):
        if swap.phase is SwapPhase.SWAPPING and swap.id not in restoring:
            files_restore.put_in_place(env, swap)
        elif swap.phase is SwapPhase.TAKING_BACK and swap.id in before:
            files_restore.announce_take_back(env, swap, really=False)
        else:
            files_restore.take_back(env, swap)
        settled.append(swap.id)
    return settled
