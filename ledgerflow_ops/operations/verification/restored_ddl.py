"""Dumps the DDL of a restored copy again, and compares it with what is in the archive.

Where a definition differs, the server makes the archive's DDL once more, in a database of its own: a copy
that says what this one says is what the archive's text means.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import Load
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.comparison import ddl_comparison
from ledgerflow_ops.core.comparison.rewritten_definitions import RewordedDefinition
from ledgerflow_ops.core.comparison.seal_comparison import Difference
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.context import OperationContext

ScratchFactory = Callable[[], AbstractContextManager[Database]]
"""Gives an empty database beside the copy, as programs reach it; it is gone when the block ends."""


@dataclass(frozen=True, slots=True)
class RestoredDdl:
    """What came of it. `why_not` says why nothing was compared; it is empty when something was.

    `reworded`: of which objects the copy only words the definition otherwise.
    """

    differences: tuple[Difference, ...] = ()
    why_not: str = ""
    reworded: tuple[RewordedDefinition, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all that the dump carries was shown to be in the copy."""
        return not self.differences and not self.why_not


def compare_restored_ddl(
    ctx: OperationContext,
    manifest: Manifest,
    file: Path,
    copy: Database,
    server: Tools | int,
    scratch: ScratchFactory,
    *,
    all_seen: bool = True,
) -> RestoredDdl:
    """The archive's DDL against that of the copy, on a server of these programs or of this major version.

    Both must have been written by a pg_dump of one major version, each of a server of one major version:
    others write the same object in other words. Without `all_seen` the account is not shown all that the dump
    carries: what it does not see is no difference.
    """
    major = server if isinstance(server, int) else server.major
    if major != manifest.source.major:
        return RestoredDdl(why_not="Expressions were not compared: the server is of another major version.")
    here = [
        *ctx.tools(),
        *ctx.fetched(),
        *([] if isinstance(server, int) else [server]),
        client_tools.bundled(),
    ]
    dumping = _matching_tools(manifest.tool_version, here)
    if dumping is None:
        return RestoredDdl(
            why_not=f"Its DDL was not compared: no pg_dump {_major(manifest.tool_version)} here."
        )
    if all_seen:
        return _compare(dumping, file, copy, scratch)
    why_not = "Only a superuser sees all that the dump carries."
    try:
        return RestoredDdl(why_not=why_not, reworded=_compare(dumping, file, copy, scratch).reworded)
    except LedgerError:  # as it may not read it
        return RestoredDdl(why_not=why_not)


def _compare(dumping: Tools, file: Path, copy: Database, scratch: ScratchFactory) -> RestoredDdl:
    dumped, restored = archive.definitions(dumping, file), archive.definitions_of(dumping, copy)
    if not ddl_comparison.compare_ddl(dumped, restored):
        return RestoredDdl()
    with scratch() as empty:
        archive_loader.remake(dumping, empty, file, Load(1, without=refused_options(dumping, file, empty)))
        remade = archive.definitions_of(dumping, empty)
    differences = tuple(ddl_comparison.compare_ddl(dumped, restored, remade))
    return RestoredDdl(differences, reworded=ddl_comparison.reworded_definitions(dumped, restored, remade))


def _matching_tools(version: str, here: list[Tools]) -> Tools | None:
    """The tools that the archive was written with, or others of the same major version."""
    able = [one for one in here if one.major == _major(version)]
    return next((one for one in able if one.version == version), able[0] if able else None)


def _major(version: str) -> int:
    return int(version.split(".")[0])
