"""The check of the signed history: a job of each environment, scheduled where backups are."""

import dagster as dg

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.runs.run_results import checks_of
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups


def test_the_job_says_what_the_audit_found(bench: Bench) -> None:
    dev = RecordedBackups(bench.env())
    dev.backup(NOON)
    job = build_definitions(bench.settings()).resolve_job_def("dev_audit")
    with bench.instance() as opened:
        for passed, message in ((True, "3 entries, and nothing"), (False, "Entry 2 is the first")):
            result = job.execute_in_process(instance=opened, raise_on_error=False)
            events = [log.dagster_event for log in opened.all_logs(result.run_id) if log.dagster_event]
            [check] = checks_of(events)
            assert (check.name, check.passed) == ("history", passed)
            assert check.message.startswith(message)
            for file in dev.folder.glob("ledgerflow_*"):
                file.unlink()
        assert check.cause == "history"


def test_it_is_scheduled_twelve_hours_after_the_backup(bench: Bench) -> None:
    definitions = build_definitions(bench.settings(scheduled=True))
    schedules = {schedule.name: schedule for schedule in definitions.schedules or ()}
    audit, daily = schedules["dev_audit_daily"], schedules["dev_daily"]
    assert isinstance(audit, dg.ScheduleDefinition)
    assert isinstance(daily, dg.ScheduleDefinition)
    minute, hour = str(daily.cron_schedule).split()[:2]
    assert str(audit.cron_schedule).split()[:2] == [minute, str((int(hour) + 12) % 24)]
    unscheduled = {
        schedule.name for schedule in build_definitions(bench.settings(scheduled=False)).schedules or ()
    }
    assert not unscheduled & {f"{environment}_audit_daily" for environment in Environment}
