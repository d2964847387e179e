"""Dumps the DDL of a restored copy again, and compares it with what is in the archive."""

from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters import archive, tools
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.tools import Tools
from ledgerflow_ops.core import ddl
from ledgerflow_ops.core.compare import Difference
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.operations.desk import Desk


@dataclass(frozen=True, slots=True)
class Redumped:
    """What came of it. `why_not` says why nothing was compared; it is empty when something was."""

    differences: tuple[Difference, ...] = ()
    why_not: str = ""

    @property
    def equal(self) -> bool:
        """Whether all that the dump carries was shown to be in the copy."""
        return not self.differences and not self.why_not


def redump(desk: Desk, manifest: Manifest, file: Path, copy: Database, server: Tools | int) -> Redumped:
    """The archive's DDL against that of the copy, on a server of these programs or of this major version.

    Both must have been written by a pg_dump of one major version, each of a server of one major version:
    others write the same object in other words.
    """
    major = server if isinstance(server, int) else server.major
    if major != manifest.source.major:
        return Redumped(why_not="Expressions were not compared: the server is of another major version.")
    here = [*desk.tools(), *desk.fetched(), *([] if isinstance(server, int) else [server]), tools.bundled()]
    dumping = _same(manifest.tool_version, here)
    if dumping is None:
        return Redumped(why_not=f"Its DDL was not compared: no pg_dump {_major(manifest.tool_version)} here.")
    dumped = archive.definitions(dumping, file)
    return Redumped(tuple(ddl.compare(dumped, archive.definitions_of(dumping, copy))))


def _same(version: str, here: list[Tools]) -> Tools | None:
    """The tools that the archive was written with, or others of the same major version."""
    able = [one for one in here if one.major == _major(version)]
    return next((one for one in able if one.version == version), able[0] if able else None)


def _major(version: str) -> int:
    return int(version.split(".")[0])
