"""Requests as Dagster's run config: each op's config is a request, with the same fields."""

from typing import Any

import dagster as dg

from ledgerflow_ops.core.operation_requests import (
    ArchiveRequest,
    BackupRequest,
    DrillRequest,
    ExamineRequest,
    RecoverRequest,
    Request,
    RestoreRequest,
    RollbackRequest,
    RotateRequest,
    VerifyRequest,
)
from ledgerflow_ops.defs.names import step_name
from ledgerflow_ops.operations.context import EnvironmentContext


class DumpConfig(BackupRequest, dg.Config):
    """Options of a dump: a file name instead of the standard one, a seal of every byte."""


class VerifyConfig(VerifyRequest, dg.Config):
    """Which backup of the day to read; by default this run's own, else the newest of the day."""


class DrillConfig(DrillRequest, dg.Config):
    """Which backup of the day to drill; by default this run's own, else the newest of the day."""


class ExamineConfig(ExamineRequest, dg.Config):
    """Which copy in an archive location to examine; with `drill` it is restored as well."""


class ArchiveConfig(ArchiveRequest, dg.Config):
    """What is copied follows from the settings. `confirm` is not used any more."""


class RotationConfig(RotateRequest, dg.Config):
    """Whether to remove backups; `confirm` is the environment's name, where the plan requires it."""


class RestoreConfig(RestoreRequest, dg.Config):
    """Which backup to restore into the environment's database, and the confirmations that this needs.

    `file` is a name, a path, a day, latest or latest-proven. `from_env` names the environment whose backup
    it is, if that is another one. `confirm` is the environment's name, where it must be typed. `force`
    restores over existing data, which is backed up and kept.
    """


class RollbackConfig(RollbackRequest, dg.Config):
    """Whether the sessions on the database may be terminated."""


class RecoverConfig(RecoverRequest, dg.Config):
    """`confirm` is the environment's name, needed where its database exists but is damaged."""


def run_config(env: EnvironmentContext, request: Request) -> dict[str, Any]:
    """The run config that passes the request to its operation.

    This is the only place where a request becomes run config. Dagster parses it into the op's config, which
    is a request again. Fields that were not set are left out: the op's config has the same defaults.
    """
    config = request.model_dump(mode="json", exclude_unset=True)
    return {"ops": {step_name(env, request.verb): {"config": config}}}
