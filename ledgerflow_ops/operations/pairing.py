"""Keeps a database and its files a pair: both are the backup's, or both are what was there before.

The database is swapped in one transaction; files take a rename or two for each root, after it. What says on
which side of the swap a crash came is the server: while there is a database `…__restoring_ID`, it has not
taken place; while there is one `…__before_ID`, it has not been taken back.
"""

from collections.abc import Iterator

from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.file_swap import Phase, Swap
from ledgerflow_ops.core.fitting import Reason
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.sizes import human
from ledgerflow_ops.operations import files, files_plan
from ledgerflow_ops.operations.desk import Site


def concerned(site: Site, manifest: Manifest) -> bool:
    """Whether files are restored with the database: its own environment's only."""
    return manifest.files is not None and manifest.environment is site.environment


def against(site: Site, manifest: Manifest, ident: str) -> Iterator[Reason]:
    """What speaks against restoring the files."""
    if not concerned(site, manifest):
        return
    state = files_plan.files_of(manifest)
    listed = {str(path) for path in site.settings.files}
    if strange := sorted(set(state.roots) - listed):
        yield Reason(
            "files",
            f"The backup's files belong to {', '.join(strange)}, which {site.environment} does not list.",
            "List them in files in ledgerflow.toml, or restore on the machine that has them.",
        )
        return
    try:
        planned = files_plan.plan(site, manifest, ident, site.desk.clock())
    except Refused as error:
        yield Reason("files", error.message, error.hint)
        return
    for obstacle in planned.obstacles:
        yield Reason("files", obstacle, "Move it away, or mend its folder.")
    for room in planned.lacking:
        figures = f"{human(room.needed)} needed, {human(room.free)} free"
        yield Reason("room", f"Not enough room for files at {room.place}: {figures}.", "Free room there.")


def notes(site: Site, manifest: Manifest) -> Iterator[Reason]:
    """What should be known of files that are not restored."""
    if manifest.files is not None and not concerned(site, manifest):
        yield Reason(
            "files", f"The files of {manifest.environment} are not restored into {site.environment}."
        )


def lay_out(site: Site, origin: Site, manifest: Manifest, ident: str) -> Swap | None:
    """The files beside their roots, compared and ready; None where none are concerned."""
    if not concerned(site, manifest):
        return None
    return files.lay_out(origin, manifest, ident, site.desk.clock())


def settle(site: Site, restoring: set[str], before: set[str]) -> list[str]:
    """Finish or undo what crashes have left of files, on the side that their database is on; the ids.

    `restoring` and `before` are the ids of the databases that stand beside the live one.
    """
    settled = []
    for swap in files.unfinished(site):
        if swap.phase is Phase.SWAPPING and swap.id not in restoring:
            files.put_in_place(site, swap)
        elif swap.phase is Phase.TAKING_BACK and swap.id in before:
            files.announce_back(site, swap, really=False)
        else:
            files.take_back(site, swap)
        settled.append(swap.id)
    return settled
