"""Copies in archive locations, verified and drilled by a job of the page: no day changes its colour."""

import dagster as dg
import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.operation_requests import DrillRequest, ExamineRequest, VerifyRequest
from ledgerflow_ops.defs.build import build_definitions
from ledgerflow_ops.defs.terminal_runs import run_job
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.defs.benches import Bench
from ledgerflow_ops_tests.defs.test_partition_states import GREEN, colours, drill_checks
from ledgerflow_ops_tests.defs.test_runs import order, the_dump
from ledgerflow_ops_tests.e2e.commands import flip_bit


@pytest.fixture
def located(bench: Bench) -> EnvironmentContext:
    """The environment with today's proven backup, of which the location usb has a copy."""
    (bench.root / "usb").mkdir()
    env = bench.env(locations=[{"name": "usb", "kind": "folder", "url": str(bench.root / "usb")}])
    assert order(env).failure is None
    assert not archiving.archive_backups(env).troubles
    return env


def observed_copies(bench: Bench) -> list[dict[str, object]]:
    """The metadata of the dump's observations, the newest first."""
    with bench.instance() as opened:
        records = opened.fetch_observations(dg.AssetKey(["dev", "dump"]), limit=10).records
    observations = [record.asset_observation for record in records]
    return [{name: value.value for name, value in one.metadata.items()} for one in observations if one]


def is_all_green(bench: Bench, env: EnvironmentContext) -> bool:
    checks = {status for _, status in drill_checks(bench, env.today())}
    return colours(bench, env, env.today()) == (GREEN, GREEN) and checks == {"SUCCEEDED"}


@pytest.mark.parametrize("drill", [False, True])
def test_a_copy_is_examined_and_colours_no_day(
    bench: Bench, located: EnvironmentContext, *, drill: bool
) -> None:
    copy = f"usb:{the_dump(located).name}"
    assert run_job(located, ExamineRequest(file=copy, drill=drill)).failure is None
    [good] = observed_copies(bench)
    assert (good["copy"], good["verdict"], good["proven"]) == (copy, "good", drill)
    assert str(good["folder"]).startswith(str(bench.root / "usb"))

    flip_bit(bench.root / "usb" / "dev" / the_dump(located).name)
    failure = run_job(located, ExamineRequest(file="usb:latest", drill=drill)).failure
    assert failure is not None
    assert failure.exit_code == 4
    assert failure.message.startswith(f"{copy} is bad: ")
    assert str(failure.hint)
    assert observed_copies(bench)[0]["verdict"] != "good"
    assert is_all_green(bench, located), "the folder's own backup is whole"
    [usb] = located.locations()[1:]
    assert catalog.entry(usb, catalog.find(usb, None)).bad, "the verdict is beside the copy"


def test_a_copy_is_found_where_the_folder_has_lost_its_backup(
    bench: Bench, located: EnvironmentContext
) -> None:
    name = the_dump(located).name
    for file in backup_folder_of(located).path.glob("ledgerflow_dev_*"):
        file.unlink()
    assert run_job(located, ExamineRequest(file=name)).failure is None
    assert observed_copies(bench)[0]["copy"] == f"usb:{name}"


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        ("moon:latest", "dev has no location 'moon': it has primary, usb.", "FILE=location:name"),
        ("usb:2020-01-01", "2020-01-01", "status"),
        (
            "latest",
            "is in the environment's own folder: this job is about copies in usb.",
            "usb:ledgerflow_dev",
        ),
    ],
)
def test_what_is_no_copy_is_refused(
    bench: Bench, located: EnvironmentContext, file: str, message: str, hint: str
) -> None:
    failure = run_job(located, ExamineRequest(file=file)).failure
    assert failure is not None
    assert failure.exit_code == 2
    assert message in failure.message
    assert hint in str(failure.hint)
    assert observed_copies(bench) == []
    assert is_all_green(bench, located)


@pytest.mark.parametrize("kind", [VerifyRequest, DrillRequest])
def test_the_jobs_of_the_folder_name_the_job_for_copies(
    located: EnvironmentContext, kind: type[VerifyRequest] | type[DrillRequest]
) -> None:
    copy = f"usb:{the_dump(located).name}"
    failure = run_job(located, kind(file=copy), located.today()).failure
    assert failure is not None
    assert failure.exit_code == 2
    assert failure.message == (
        f"{copy} is a copy in an archive location: this job is about the environment's own folder."
    )
    assert (
        f"Launch the job dev_examine with this file; or type LEDGER_ENV=dev make verify FILE={copy}"
        in str(failure.hint)
    )


def test_without_locations_there_is_no_such_job(bench: Bench) -> None:
    defs = build_definitions(bench.settings(), None, [Environment.DEV])
    assert "dev_examine" not in {job.name for job in defs.get_repository_def().get_all_jobs()}
