"""The requests that operations receive.

A request is built once, where it enters: from a command's options, by a schedule, or by Dagster from a run
config. It is passed on unchanged. Its fields are the fields of the run config on the web page, and saved run
configs depend on their names.
"""

from typing import ClassVar

from pydantic import Field

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.models import Record

ENVIRONMENT_FIELD_HELP = (
    "Type the name of the environment that this run changes: dev, test or prod, as the job's name begins. "
    "This prevents a click from changing another environment than the one you mean."
)
"""The page's description of the field `environment`."""


OWN_FILE_HELP = (
    "A backup: its file's name as the asset catalog lists it, a day such as 2026-11-30 (the newest of that "
    "day), latest, or latest-proven."
)
"""What the page says of a field that names a backup in the environment's own folder."""
FILE_FIELD_HELP = f"{OWN_FILE_HELP} LOCATION:name reads it from that archive location."
"""What the page says of a field that names a backup in any location."""
CONFIRM_FIELD_HELP = "The environment's name once more, where the operation says that it asks for it."


class Request(Record):
    """One operation's arguments. `verb` is the operation's name, as in its job's name: `prod_restore`."""

    verb: ClassVar[str]


class BackupRequest(Request):
    """A backup: optionally with a file name other than the standard one (FILE) and a full seal (SEAL)."""

    verb = "backup"
    file: str | None = Field(
        default=None, description="A name of your own for the dump's file, such as before-upgrade.dump."
    )
    full_seal: bool = Field(
        default=False, description="Seal every byte of every table, not only counts and sums."
    )


class VerifyRequest(Request):
    """Which backup to verify; by default the one of the run's day."""

    verb = "verify"
    file: str | None = Field(
        default=None, description=f"{OWN_FILE_HELP} Without it the newest of the run's day."
    )


class DrillRequest(Request):
    """Which backup to drill; by default the one of the run's day."""

    verb = "drill"
    file: str | None = Field(
        default=None, description=f"{OWN_FILE_HELP} Without it the newest of the run's day."
    )


class ExamineRequest(Request):
    """Which copy in an archive location to verify; with `drill`, to restore and compare as well."""

    verb = "examine"
    file: str = Field(description="LOCATION:NAME, where NAME is a file, a day, latest or latest-proven.")
    drill: bool = Field(
        default=False, description="Restore it into a throw-away server, too. Without it every byte is read."
    )


class ArchiveRequest(Request):
    """Copies of all proven backups to the archive locations that lack them.

    `confirm` belongs to run configs that were saved when this run rotated the locations, too.
    """

    verb = "archive"
    confirm: str = Field(default="", description="Not used any more: locations are rotated by `rotate`.")


class RotateRequest(Request):
    """Whether to carry out the rotation's plan (`carry_out`), or only to show it.

    To carry it out, `environment` must be typed; `confirm` repeats the name if the plan asks for it.
    """

    verb = "rotate"
    carry_out: bool = Field(
        default=False, description="Remove the expired backups. Without it the run only shows the plan."
    )
    environment: str = Field(default="", description=f"With carry_out: {ENVIRONMENT_FIELD_HELP}")
    confirm: str = Field(default="", description=CONFIRM_FIELD_HELP)


class NamedRequest(Request):
    """A change to a database. `environment` is its environment's name, typed by a person."""

    environment: str = Field(description=ENVIRONMENT_FIELD_HELP)


class RestoreRequest(NamedRequest):
    """Which backup to restore into the environment's database, and the confirmations that guards ask for.

    `file` is a name, a path, a day, `latest` or `latest-proven`. `from_env` is the backup's environment if it
    is another one. `confirm` is the environment's name, if it must be typed. `force` restores over existing
    data (restore-force).
    """

    verb = "restore"
    file: str = Field(description=FILE_FIELD_HELP)
    from_env: str | None = Field(
        default=None, description="dev, test or prod: whose backup it is, if not this environment's."
    )
    confirm: str = Field(default="", description=CONFIRM_FIELD_HELP)
    force: bool = Field(
        default=False, description="Restore over data, which is backed up first and kept (restore-force)."
    )

    @property
    def origin(self) -> Environment:
        """The backup's environment; SettingsError (exit code 2) if FROM_ENV is not one."""
        if self.from_env:
            return Environment.parse(self.from_env, "FROM_ENV")
        return Environment(self.environment)


class RollbackRequest(NamedRequest):
    """A swap back to the set-aside database. `force`: sessions on the live database may be ended (FORCE)."""

    verb = "rollback"
    force: bool = Field(default=False, description="Terminate the sessions on the database.")


class RecoverRequest(NamedRequest):
    """A recovery after data loss. `confirm`: the environment's name, if a damaged database still exists."""

    verb = "recover"
    confirm: str = Field(default="", description=CONFIRM_FIELD_HELP)
