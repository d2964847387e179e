"""Restores as they are typed: plans, questions, exit codes, one JSON object, and Dagster's record."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops_tests.e2e import commands
from ledgerflow_ops_tests.e2e.commands import PROGRAM, PROJECT, Shell

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def dev(session_root: Path) -> Iterator[Shell]:
    with commands.shell(session_root, LEDGER_ENV="dev") as found:
        assert found.ledgerflow("backup", "--file", "first.dump").code == 0
        yield found


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["restore"], 2, "A restore needs FILE="),
        (["restore", "--file", "first.dump"], 3, "holds 51 relations"),
        (["restore", "--file", "first.dump", "--dry-run"], 3, "holds 51 relations"),
        (["restore-force", "--file", "gone.dump"], 3, "There is no gone.dump"),
        (["restore-force", "--file", "../prod/x.dump"], 3, "is not in dev's folder"),
        (
            ["restore-force", "--file", "first.dump", "--from-env", "PROD"],
            2,
            "FROM_ENV='PROD' is not an environment",
        ),
        (["restore-force", "--file", "first.dump", "--from-env", "prod"], 3, "There is no first.dump"),
        (["rollback"], 3, "no earlier database of dev"),
        (["rollback", "--dry-run"], 3, "no earlier database of dev"),
        (["recover"], 3, "CONFIRM=dev"),
        (["discard", "--name", "ledgerflow_dev"], 3, "is not an earlier database"),
        (["restore-force", "--file", "first.dump", "--dry-run", "maybe"], 2, ""),
    ],
)
def test_what_is_refused_says_why_and_is_one_object(
    dev: Shell, words: list[str], code: int, said: str
) -> None:
    plain = dev.ledgerflow(*words)
    assert plain.code == code
    assert said in plain.errors
    assert "hint:" in plain.errors
    found = dev.ledgerflow(*words, "--json")
    assert found.code == code
    assert found.json["exit_code"] == code


def test_a_dry_run_through_make_is_a_plan_with_reasons(dev: Shell) -> None:
    said = dev.make("-s", "restore-force", "FILE=latest-proven", "DRY_RUN=1", "JSON=1")
    assert said.code == 0, said.all
    assert said.json["dry_run"] is True
    assert [set(action) for action in said.json["actions"]] == [{"what", "why"}] * 7
    assert "would swap by two renames in one transaction" in said.errors
    assert said.json["file"] == "first.dump"


def test_a_restore_its_status_and_its_rollback_through_make(dev: Shell) -> None:
    done = dev.make("-s", "restore-force", "FILE=first.dump", "WHY=drill for real", "JSON=1")
    assert done.code == 0, done.all
    assert done.json["file"] == "first.dump"
    assert {check["name"] for check in done.json["checks"]} == {"connection", "samples", "application", "log"}
    status = dev.ledgerflow("status", "--json").json["environments"][0]
    assert [one["name"] for one in status["kept_databases"]] == [done.json["kept"]]
    assert done.json["safety_backup"] in [one["file"] for one in status["backups"]]
    back = dev.make("-s", "rollback", "JSON=1")
    assert back.code == 0, back.all
    assert back.json["back"] == done.json["kept"]
    dropped = dev.make("-s", "discard", f"NAME={back.json['away']}", "JSON=1")
    assert dropped.json["dropped"] == back.json["away"]


def test_the_run_is_on_record_with_who_why_and_what_came_of_it(dev: Shell) -> None:
    done = dev.ledgerflow("restore-force", "--file", "first.dump", "--why", "for the record", "--json")
    assert done.code == 0, done.all
    asked = dev.run(
        [str(Path(PROGRAM).parent / "python"), "-c", _RECORD, done.json["run_id"]],
    )
    assert asked.code == 0, asked.all
    record = json.loads(asked.out)
    assert record["status"] == "SUCCESS"
    assert record["tags"]["ledgerflow/why"] == "for the record"
    assert record["tags"]["ledgerflow/who"]
    assert record["config"]["ops"]["dev_restore_op"]["config"]["file"] == "first.dump"
    assert record["restored"]["file"] == "first.dump"
    assert record["restored"]["kept"] == done.json["kept"]


_RECORD = """
import json, os, sys
from ledgerflow_ops import config
from ledgerflow_ops.adapters.services import dagster_home
from ledgerflow_ops.operations.embedded_postgres import dagster_storage
from ledgerflow_ops.places import PROJECT
import dagster as dg
settings = config.load()
url = dagster_storage(settings).sqlalchemy_url()
os.environ.update(dagster_home.dagster_variables(settings.state_dir, PROJECT, url))
with dg.DagsterInstance.get() as dagster:
    run = dagster.get_run_by_id(sys.argv[1])
    event = dagster.get_latest_materialization_event(dg.AssetKey(["dev", "database"]))
    facts = {name: str(value.value) for name, value in event.asset_materialization.metadata.items()}
    told = {"status": run.status.value, "tags": run.tags, "config": run.run_config, "restored": facts}
    print(json.dumps(told))
"""


@pytest.mark.parametrize(("typed", "code"), [(b"prod\n", 0), (b"yes\n", 3), (b"\n", 3)])
def test_at_a_terminal_the_question_is_asked(dev: Shell, typed: bytes, code: int) -> None:
    # Both are samples: prod's and dev's. dev's backup is to go into prod.
    person, program = pty.openpty()
    words = [str(PROGRAM), "restore-force", "--file", "first.dump", "--from-env", "dev", "--json"]
    try:
        child = subprocess.Popen(
            words,
            cwd=PROJECT,
            env=dev.environment(LEDGER_ENV="prod"),
            stdin=program,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.write(person, typed)
        out, errors = child.communicate(timeout=120)
    finally:
        os.close(program)
        os.close(person)
    assert b"Type the environment's name" in errors
    assert child.returncode == code, errors.decode()
    assert json.loads(out)["exit_code"] == code


def test_in_a_script_the_variable_is_needed(dev: Shell) -> None:
    words = ["restore-force", "--file", "first.dump", "--from-env", "dev"]
    refused = dev.ledgerflow(*words, LEDGER_ENV="prod")
    assert refused.code == 3
    assert "CONFIRM=prod" in refused.errors
    assert dev.ledgerflow(*words, LEDGER_ENV="prod", CONFIRM="prod").code == 0


def test_the_jobs_have_typed_settings_for_the_page(dev: Shell) -> None:
    definitions = build_definitions(Settings(state_dir=dev.state, backup_root=dev.backups))
    for environment in Environment:
        for job in ("restore", "rollback", "recover"):
            found = definitions.resolve_job_def(f"{environment}_{job}")
            assert isinstance(found, dg.JobDefinition)
            assert found.description
    typed = {"environment": "prod", "file": "latest", "from_env": "dev", "confirm": "prod"}
    good = {"ops": {"prod_restore_op": {"config": typed}}}
    assert dg.validate_run_config(definitions.resolve_job_def("prod_restore"), good)
    bad = {"ops": {"prod_restore_op": {"config": {"file": 1, "nonsense": True}}}}
    restores = definitions.resolve_job_def("prod_restore")
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(restores, bad)
