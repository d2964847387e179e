"""The definitions keep Dagster's own conventions: whoever opens the page finds out what each thing is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvariantViolationError

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """With every environment scheduled: then every schedule and sensor is there."""
    root = tmp_path_factory.mktemp("definitions")
    plain = builders.settings(root)
    scheduled = {
        name: settings.model_copy(update={"scheduled": True}) for name, settings in plain.environments.items()
    }
    return build_definitions(plain.model_copy(update={"environments": scheduled}))


def _automation(definitions: dg.Definitions) -> list[Any]:
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    return [*jobs, *repository.schedule_defs, *repository.sensor_defs]


def test_every_job_schedule_and_sensor_says_what_it_does(definitions: dg.Definitions) -> None:
    found = _automation(definitions)
    assert {f"{environment}_daily" for environment in Environment} < {one.name for one in found}
    assert [one.name for one in found if not (one.description or "").endswith(".")] == []


def test_every_job_schedule_and_sensor_has_an_owner(definitions: dg.Definitions) -> None:
    """Dagster takes no owner for a sensor of automation conditions."""
    found = [
        one for one in _automation(definitions) if not isinstance(one, dg.AutomationConditionSensorDefinition)
    ]
    assert [one.name for one in found if not one.owners] == []


def test_every_asset_has_a_description_an_owner_and_its_environment(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert len(nodes) == 6 * len(Environment) + 2
    assert [node.key for node in nodes if not (node.description or "").endswith(".")] == []
    assert [node.key for node in nodes if not node.owners] == []
    assert [
        node.key
        for node in nodes
        if len(node.key.path) > 1 and node.tags.get("environment") != node.key.path[0]
    ] == []


def test_every_asset_that_is_made_leads_to_its_code(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    made = [graph.get(key) for key in graph.materializable_asset_keys]
    assert len(made) == 4 * len(Environment) + 2
    assert [node.key for node in made if "dagster/code_references" not in node.metadata] == []


def test_code_versions_name_formats_and_not_commits(definitions: dg.Definitions) -> None:
    """A changed version marks every kept day as stale, so a change here must be a decision."""
    graph = definitions.resolve_asset_graph()
    made = {key: graph.get(key).code_version for key in graph.materializable_asset_keys}
    proof = "proof 1: data_rules restorable"
    own = {"dump": "manifest 1", "drill": proof, "coverage": proof, "rotation": "plan 1"}
    assert {key.path[-1]: version for key, version in made.items() if len(key.path) == 2} == own
    assert made[dg.AssetKey("report")] == "page 1"
    columns = "environment day file state proven size rows rto_seconds recovery_point"
    assert made[dg.AssetKey("catalog")] == f"table: {columns}"


def test_every_check_says_what_holds_when_it_passes(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(specs) == 10 * len(Environment)
    assert [spec.key for spec in specs if not (spec.description or "").endswith(".")] == []


def test_every_field_of_the_launchpad_is_described(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    bare, described = set[str](), set[str]()
    for job in repository.get_all_jobs():
        for node in job.graph.nodes:
            schema: Any = getattr(node.definition, "config_schema", None)
            fields = getattr(getattr(schema, "config_type", None), "fields", None) or {}
            for name, field in fields.items():
                (described if field.description else bare).add(f"{node.name}.{name}")
    assert {"dev_restore_op.file", "dev__dump.full_seal", "prod__rotation.carry_out"} <= described
    assert bare == set()


@pytest.mark.slow
@pytest.mark.parametrize("command", [["dagster", "definitions", "validate"], ["dg", "check", "defs"]])
def test_dagsters_own_check_passes_with_no_variable_set(command: list[str], tmp_path: Path) -> None:
    program, *words = command
    file = Path(sys.executable).parent / program
    environment = {
        "PATH": f"{file.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "VIRTUAL_ENV": str(file.parent.parent),
    }
    done = subprocess.run(
        [str(file), *words], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_home_without_the_storages_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon over a temporary storage would run every schedule and remember nothing."""
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("LEDGERFLOW_STORAGE_URL", raising=False)
    with pytest.raises(DagsterInvariantViolationError, match="LEDGERFLOW_STORAGE_URL is not set"):
        dg.DagsterInstance.get()
