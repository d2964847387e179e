"""The key-survival drill in Dagster: a check of the database, scheduled where an escrow is set."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.alerting.root_cause import cause_keys
from ledgerflow_ops.core.monitoring.key_survival import CHECK
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.names import KEY_SURVIVAL
from ledgerflow_ops.defs.runs.run_results import checks_of
from ledgerflow_ops.operations import key_record
from ledgerflow_ops.operations.monitoring import health_checks
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes import age_keys, sandboxes


@pytest.fixture
def fields(root: Path) -> dict[str, Any]:
    """The settings of an environment with a key and its escrow."""
    daily, escrow = (age_keys.new_key(root / f"{name}.txt") for name in ("daily", "escrow"))
    own = {"recipients": [daily.recipient, escrow.recipient], "identity_file": daily.file}
    return {**own, "escrow_identity_file": escrow.file}


def test_the_job_says_what_the_drill_found(bench: Bench, fields: dict[str, Any]) -> None:
    env = bench.env(**fields)
    sandboxes.take_backup(env, BackupRequest(file="a.dump"))
    job = build_definitions(bench.settings(**fields)).resolve_job_def("dev_key_drill")
    assert CHECK == KEY_SURVIVAL
    with bench.instance() as opened:

        def run() -> Any:
            result = job.execute_in_process(instance=opened, raise_on_error=False)
            events = [log.dagster_event for log in opened.all_logs(result.run_id) if log.dagster_event]
            [check] = checks_of(events)
            return check

        good = run()
        assert (good.name, good.passed) == ("key_survival", True)
        assert good.message.startswith(
            "The escrowed identity opens 1 encrypted backup; a.dump.age was restored"
        )
        drill = key_record.read_drill(env)
        assert drill
        assert drill.exit_code == 0
        sandboxes.take_backup(bench.env(recipients=fields["recipients"][:1]), BackupRequest(file="b.dump"))
        bad = run()
        assert (bad.passed, bad.cause, str(bad.severity)) == (False, "keys", "ERROR")
        assert "does not open b.dump.age" in bad.message
        assert "make rekey ALL=1" in str(bad.hint)
        [found] = [one for one in health_checks.find_problems(env) if one.kind == "keys"]
        assert found.level is Level.CRITICAL
        assert "keys dev" in cause_keys(found), "the check's failure and the watch's finding are one incident"
        fields["escrow_identity_file"].unlink()
        lost = run()
        assert (lost.passed, str(lost.severity)) == (False, "WARN")
        assert "was not carried out" in lost.message


def test_it_is_scheduled_every_week_where_an_escrow_is_set(bench: Bench, fields: dict[str, Any]) -> None:
    definitions = build_definitions(bench.settings(scheduled=True, schedule="20:45", **fields))
    schedules = {schedule.name: schedule for schedule in definitions.schedules or ()}
    weekly = schedules["dev_key_drill_weekly"]
    assert isinstance(weekly, dg.ScheduleDefinition)
    assert (weekly.cron_schedule, weekly.execution_timezone) == ("45 4 * * 3", "UTC")
    assert weekly.default_status is dg.DefaultScheduleStatus.RUNNING
    assert weekly.job_name == "dev_key_drill"
    by_hand = build_definitions(bench.settings(scheduled=False, **fields))
    assert "dev_key_drill_weekly" not in {schedule.name for schedule in by_hand.schedules or ()}
    assert by_hand.resolve_job_def("dev_key_drill").name == "dev_key_drill"
    del fields["escrow_identity_file"]
    none = build_definitions(bench.settings(scheduled=True, **fields))
    assert "dev_key_drill_weekly" not in {schedule.name for schedule in none.schedules or ()}
    checks = none.resolve_asset_graph().asset_check_keys
    assert "key_survival" not in {key.name for key in checks}
