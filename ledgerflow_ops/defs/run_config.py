"""Requests as Dagster's run config: each op's config is a request, with the same fields."""

from typing import Any

import dagster as dg

from ledgerflow_ops.core.operation_requests import (
    BackupRequest,
    DrillRequest,
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
    """A dump's order: a file name of one's own, a seal of every byte."""


class VerifyConfig(VerifyRequest, dg.Config):
    """Which backup of the day to read; the newest, or this run's own, when none is named."""


class DrillConfig(DrillRequest, dg.Config):
    """Which backup of the day to drill; the newest, or this run's own, when none is named."""


class RotationConfig(RotateRequest, dg.Config):
    """Whether to carry the plan out; `confirm` is the environment's name where the plan asks for it."""


class RestoreConfig(RestoreRequest, dg.Config):
    """Which backup goes into the environment, and what its guards need to hear.

    `file` is a name, a path, a day, latest or latest-proven; `from_env` another environment whose backup
    it is; `confirm` the environment's name where that must be typed; `force` overwrites.
    """


class RollbackConfig(RollbackRequest, dg.Config):
    """Whether sessions on the database may be ended."""


class RecoverConfig(RecoverRequest, dg.Config):
    """`confirm`: the environment's name, where its database is there but bad."""


def run_config(env: EnvironmentContext, request: Request) -> dict[str, Any]:
    """The run config that hands the request to its operation.

    The only place where a request becomes config. Dagster makes the op's config of it, which is a request
    again. What was not asked for is left out: the config's own default says it.
    """
    asked = request.model_dump(mode="json", exclude_unset=True)
    return {"ops": {step_name(env, request.verb): {"config": asked}}}
