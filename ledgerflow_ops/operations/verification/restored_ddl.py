"""Dumps the DDL of a restored copy, and compares it with the archive's.

Where a definition differs, the server runs the archive's DDL again in a scratch database. If that database's
DDL reads like the copy's, the difference is only in the server's wording.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.inspection.refused_column_options import refused_options
from ledgerflow_ops.adapters.load import archive_loader
from ledgerflow_ops.adapters.load.archive_loader import LoadOptions
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.comparison import ddl_comparison
from ledgerflow_ops.core.comparison.rewritten_definitions import RewordedDefinition
from ledgerflow_ops.core.comparison.seal_comparison import Difference
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.operations.context import OperationContext

ScratchFactory = Callable[[], AbstractContextManager[Database]]
"""Creates an empty database beside the copy, as programs reach it; dropped when the block ends."""


@dataclass(frozen=True, slots=True)
class RestoredDdl:
    """The result. `skip_reason` says why nothing was compared; it is empty where something was.

    `reworded` are the objects whose definitions the copy only words differently.
    """

    differences: tuple[Difference, ...] = ()
    skip_reason: str = ""
    reworded: tuple[RewordedDefinition, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the comparison showed that the copy has everything that the dump carries."""
        return not self.differences and not self.skip_reason


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
    """Compare the archive's DDL with the copy's. `server` is the copy's programs, or its major version.

    Both must be written by pg_dump of one major version, from servers of one major version: other versions
    write the same object differently. Without `all_seen` the account may not see everything that the dump
    carries; what it does not see is no difference.
    """
    major = server if isinstance(server, int) else server.major
    if major != manifest.source.major:
        return RestoredDdl(
            skip_reason="Expressions were not compared: the server is of another major version."
        )
    tools = [
        *ctx.tools(),
        *ctx.fetched_programs(),
        *([] if isinstance(server, int) else [server]),
        client_tools.bundled_tools(),
    ]
    pg_dump = _matching_tools(manifest.tool_version, tools)
    if pg_dump is None:
        return RestoredDdl(
            skip_reason=f"Its DDL was not compared: no pg_dump {_major(manifest.tool_version)} here."
        )
    if all_seen:
        return _compare(pg_dump, file, copy, scratch)
    skip_reason = "Only a superuser sees all that the dump carries."
    try:
        return RestoredDdl(skip_reason=skip_reason, reworded=_compare(pg_dump, file, copy, scratch).reworded)
    except LedgerError:  # the account may not read everything
        return RestoredDdl(skip_reason=skip_reason)


def _compare(pg_dump: Tools, file: Path, copy: Database, scratch: ScratchFactory) -> RestoredDdl:
    dumped, restored = archive.read_definitions(pg_dump, file), archive.dump_definitions(pg_dump, copy)
    if not ddl_comparison.compare_ddl(dumped, restored):
        return RestoredDdl()
    with scratch() as empty:
        archive_loader.recreate_definitions(
            pg_dump, empty, file, LoadOptions(1, without=refused_options(pg_dump, file, empty))
        )
        remade = archive.dump_definitions(pg_dump, empty)
    differences = tuple(ddl_comparison.compare_ddl(dumped, restored, remade))
    return RestoredDdl(differences, reworded=ddl_comparison.reworded_definitions(dumped, restored, remade))


def _matching_tools(version: str, candidates: list[Tools]) -> Tools | None:
    """The tools that the archive was written with, or others of the same major version."""
    able = [tools for tools in candidates if tools.major == _major(version)]
    return next((tools for tools in able if tools.version == version), able[0] if able else None)


def _major(version: str) -> int:
    return int(version.split(".")[0])
