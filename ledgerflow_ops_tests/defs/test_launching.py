"""Jobs that change a database or remove backups require the environment's name, typed for that run."""

import re
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInvalidConfigError

from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.schedule.nightly_plan import Task
from ledgerflow_ops.defs.automation import nightly_state
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.test_rotation import fill
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

CHANGING: dict[str, dict[str, Any]] = {
    "restore": {"file": "latest-proven", "force": True, "confirm": "prod"},
    "rollback": {"force": True},
    "recover": {"confirm": "prod"},
}
ENVIRONMENTS = [str(one) for one in Environment]


def launch(
    definitions: dg.Definitions, opened: dg.DagsterInstance, job: str, config: dict[str, Any], **tags: str
) -> dg.ExecuteInProcessResult:
    step = f"{job}_op" if not job.endswith("_rotate") else job.replace("_rotate", "__rotation")
    return definitions.resolve_job_def(job).execute_in_process(
        instance=opened, run_config={"ops": {step: {"config": config}}}, raise_on_error=False, tags=tags
    )


def refusal(result: dg.ExecuteInProcessResult) -> tuple[str, str, object]:
    """What a run that was refused says, its hint and its exit code."""
    [failure] = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    return told.description or "", str(told.metadata["hint"].value), told.metadata["exit_code"].value


def test_without_the_name_there_is_no_run_and_with_another_it_is_refused(bench: Bench) -> None:
    """Every job of every environment that changes a database. The page asks for what is missing."""
    definitions = build_definitions(bench.settings())
    with bench.instance() as opened:
        for environment in ENVIRONMENTS:
            for what, config in CHANGING.items():
                job = f"{environment}_{what}"
                with pytest.raises(DagsterInvalidConfigError, match='entry "environment" at path'):
                    launch(definitions, opened, job, config)
                other = next(one for one in ENVIRONMENTS if one != environment)
                said, hint, code = refusal(launch(definitions, opened, job, {**config, "environment": other}))
                assert f"This run would change {environment}" in said
                assert f"environment: {environment} " in hint
                assert code == 3
    assert journal_file.read_entries(bench.settings().state_dir) == []


def test_the_page_says_what_to_type(bench: Bench) -> None:
    definitions = build_definitions(bench.settings())
    jobs = [f"{environment}_{what}_op" for environment in ENVIRONMENTS for what in CHANGING]
    for step in [*jobs, *(f"{environment}__rotation" for environment in ENVIRONMENTS)]:
        job = re.sub(r"_op$", "", step).replace("__rotation", "_rotate")
        field = definitions.resolve_job_def(job).graph.node_named(step).definition.config_schema
        described = field.config_type.fields["environment"]  # type: ignore[union-attr]
        assert "Type the name of the environment" in (described.description or "")
        assert described.is_required is not step.endswith("rotation")


def test_a_rotation_is_carried_out_for_the_environment_that_was_typed(bench: Bench) -> None:
    env = bench.env()
    fill(env, 10)
    names = BackupFolder(backup_folder_of(env).path).names()
    definitions = build_definitions(bench.settings())
    with bench.instance() as opened:
        for typed in ({}, {"environment": "prod"}):
            said, hint, code = refusal(
                launch(definitions, opened, "dev_rotate", {"carry_out": True, "confirm": "dev", **typed})
            )
            assert "This run would change dev" in said
            assert ("environment: dev " in hint, code) == (True, 3)
            assert BackupFolder(backup_folder_of(env).path).names() == names
        assert launch(definitions, opened, "dev_rotate", {"environment": "prod"}).success, "a plan alone"
        assert BackupFolder(backup_folder_of(env).path).names() == names
        wanted: Any = nightly_state._config(env, Task.ROTATE)
        assert launch(definitions, opened, "dev_rotate", wanted["ops"]["dev__rotation"]["config"]).success
        assert len(BackupFolder(backup_folder_of(env).path).names()) < len(names), (
            "what comes by itself goes on"
        )


def test_a_run_that_is_executed_again_was_typed_by_nobody(bench: Bench) -> None:
    """The page's button copies the run config with the name in it, and so does Dagster's own retry."""
    env = bench.env()
    fill(env, 10)
    names = BackupFolder(backup_folder_of(env).path).names()
    definitions = build_definitions(bench.settings())
    with bench.instance() as opened:
        for what, config in {**CHANGING, "rotate": {"carry_out": True, "confirm": "dev"}}.items():
            again = _again(definitions, opened, env, what, {**config, "environment": "dev"})
            said, hint, code = refusal(again)
            assert "re-executes 11111111-1111-1111-1111-111111111111" in said
            assert ("environment: dev " in hint, code) == (True, 3)
    assert BackupFolder(backup_folder_of(env).path).names() == names
    assert journal_file.read_entries(bench.settings().state_dir) == []


def _again(
    definitions: dg.Definitions,
    opened: dg.DagsterInstance,
    env: EnvironmentContext,
    what: str,
    config: dict[str, Any],
) -> dg.ExecuteInProcessResult:
    """A run as Dagster makes it of another: with a parent and a root."""
    parent = "11111111-1111-1111-1111-111111111111"
    tags = {"dagster/parent_run_id": parent, "dagster/root_run_id": parent}
    return launch(definitions, opened, f"{env.environment}_{what}", config, **tags)
