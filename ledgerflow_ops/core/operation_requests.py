"""What somebody asks an operation for.

A request is built once, where it comes in: from a command's options, by a schedule, or by Dagster from a
run's config. It is handed through as it is. Its fields are those of the run config that the web page shows:
saved run configs depend on their names.
"""

from typing import ClassVar

from pydantic import Field

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import Record

ENVIRONMENT_FIELD_HELP = (
    "Type the name of the environment that this run changes: dev, test or prod, as the job's name begins. "
    "It is there so that no click hits another environment than the one that was meant."
)
"""What the page says of the field `environment`."""


class Request(Record):
    """What one operation is asked for. `verb` names the operation, as its job's name ends: `prod_restore`."""

    verb: ClassVar[str]


class BackupRequest(Request):
    """A backup: a file name of one's own instead of the standard one (FILE), a seal of every byte (SEAL)."""

    verb = "backup"
    file: str | None = None
    full_seal: bool = False


class VerifyRequest(Request):
    """Which backup to read to its end; that of the run's day when none is named."""

    verb = "verify"
    file: str | None = None


class DrillRequest(Request):
    """Which backup to drill; that of the run's day when none is named."""

    verb = "drill"
    file: str | None = None


class RotateRequest(Request):
    """Whether to remove what the plan says, or only to show the plan.

    `environment` must then be typed; `confirm` is its name as well, where the plan asks for it.
    """

    verb = "rotate"
    carry_out: bool = False
    environment: str = Field(default="", description=f"With carry_out: {ENVIRONMENT_FIELD_HELP}")
    confirm: str = ""


class NamedRequest(Request):
    """A change to a database. `environment` is the name of the environment whose it is, typed."""

    environment: str = Field(description=ENVIRONMENT_FIELD_HELP)


class RestoreRequest(NamedRequest):
    """Which backup goes into the environment's database, and what its guards ask for.

    `file` is a name, a path, a day, latest or latest-proven; `from_env` another environment whose backup it
    is; `confirm` the environment's name where that must be typed; `force` restores over data (restore-force).
    """

    verb = "restore"
    file: str
    from_env: str | None = None
    confirm: str = ""
    force: bool = False

    @property
    def origin(self) -> Environment:
        """The environment whose backup is wanted; SettingsError where FROM_ENV names none."""
        if self.from_env:
            return Environment.parse(self.from_env, "FROM_ENV")
        return Environment(self.environment)


class RollbackRequest(NamedRequest):
    """A swap back to the database put aside. `force`: sessions on the live one may be ended (FORCE)."""

    verb = "rollback"
    force: bool = False


class RecoverRequest(NamedRequest):
    """A recovery after a loss. `confirm`: the environment's name, where its database is there but bad."""

    verb = "recover"
    confirm: str = ""
