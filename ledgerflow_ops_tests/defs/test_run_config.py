"""Run configs: what was saved in the launchpad stays valid, and a request arrives as it was built."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import (
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
from ledgerflow_ops.defs import run_config as configs
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.run_config import run_config
from ledgerflow_ops_tests import builders

SAVED: dict[str, tuple[str, dict[str, Any]]] = {
    "prod_backup": ("prod__dump", {"file": "mine.dump", "full_seal": True}),
    "prod_drill": ("prod__drill", {"file": "mine.dump"}),
    "prod_verify": ("prod_dump_checks", {"file": "mine.dump"}),
    "prod_rotate": ("prod__rotation", {"carry_out": True, "environment": "prod", "confirm": "prod"}),
    "prod_restore": (
        "prod_restore_op",
        {"environment": "prod", "file": "latest", "from_env": "dev", "confirm": "prod", "force": True},
    ),
    "prod_rollback": ("prod_rollback_op", {"environment": "prod", "force": True}),
    "prod_recover": ("prod_recover_op", {"environment": "prod", "confirm": "prod"}),
}
"""By job, its step and all the fields that a saved run config may have."""

REQUESTS: list[tuple[Request, Any]] = [
    (BackupRequest(), configs.DumpConfig),
    (BackupRequest(file="mine.dump", full_seal=True), configs.DumpConfig),
    (VerifyRequest(file="mine.dump"), configs.VerifyConfig),
    (DrillRequest(file="mine.dump"), configs.DrillConfig),
    (ExamineRequest(file="usb:latest", drill=True), configs.ExamineConfig),
    (RotateRequest(carry_out=True, environment=Environment.PROD, confirm=""), configs.RotationConfig),
    (RestoreRequest(environment="prod", file="latest", from_env="dev", force=True), configs.RestoreConfig),
    (RollbackRequest(environment="prod", force=True), configs.RollbackConfig),
    (RecoverRequest(environment="prod", confirm="prod"), configs.RecoverConfig),
]


def test_run_configs_that_were_saved_are_valid(root: Path) -> None:
    definitions = build_definitions(builders.settings(root, None))
    for name, (step, config) in SAVED.items():
        job = definitions.resolve_job_def(name)
        assert dg.validate_run_config(job, {"ops": {step: {"config": config}}}), name
        with pytest.raises(dg.DagsterInvalidConfigError):
            dg.validate_run_config(job, {"ops": {step: {"config": {**config, "nonsense": 1}}}})


@pytest.mark.parametrize(("request_", "kind"), REQUESTS)
def test_a_request_arrives_at_its_step_as_it_was_built(root: Path, request_: Request, kind: Any) -> None:
    location = {"name": "usb", "kind": "folder", "url": str(root / "usb")}
    env = builders.env(root, None, environment=Environment.PROD, locations=[location])
    definitions = build_definitions(env.ctx.settings)
    config = run_config(env, request_)
    assert dg.validate_run_config(definitions.resolve_job_def(f"prod_{request_.verb}"), config)
    [step] = config["ops"].values()
    arrived = kind(**step["config"])
    assert isinstance(arrived, type(request_))
    assert arrived.model_dump() == request_.model_dump()
