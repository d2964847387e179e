"""A run that was started at the terminal, in the web page: listed like every other, and re-executed there."""

import re
import sys
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ledgerflow_ops_tests.e2e import web
from ledgerflow_ops_tests.e2e.commands import CommandResult, Shell, processes_using
from ledgerflow_ops_tests.e2e.pages import eventually, opened, seen

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]

RUN = """query($id: ID!) {runOrError(runId: $id) {... on Run {
  jobName status rootRunId repositoryOrigin {repositoryName repositoryLocationName} tags {key value}
  assetSelection {path}}}}"""
AGAIN = """mutation($id: String!) {launchRunReexecution(
  reexecutionParams: {parentRunId: $id, strategy: ALL_STEPS, useParentRunTags: true})
  {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""


def run_of(shell: Shell, address: str, run_id: str) -> dict[str, Any]:
    """A run, as the page asks for it."""
    found = web.asked(address, RUN, shell.key(), id=run_id)["runOrError"]
    return {**found, "tags": {tag["key"]: tag["value"] for tag in found["tags"]}}


def ended(shell: Shell, address: str, page: Page, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""
    eventually(page, lambda: run_of(shell, address, run_id)["status"] in ("SUCCESS", "FAILURE", "CANCELED"))
    return run_of(shell, address, run_id)


def test_it_is_in_jobs_and_in_the_timeline(
    dev: Shell, page: Page, address: str, backup: CommandResult
) -> None:
    run_id = str(backup.json["run_id"])
    found = run_of(dev, address, run_id)
    assert found["repositoryOrigin"] == {
        "repositoryName": "__repository__",
        "repositoryLocationName": "ledgerflow_ops",
    }
    opened(page, "/locations/ledgerflow_ops/jobs/dev_backup/runs", run_id[:8])
    expect(seen(page, re.compile("ledgerflow/trigger: terminal"))).to_be_visible()
    opened(page, "/jobs", "dev_backup")
    expect(seen(page, re.compile("(ago|now)$"))).to_be_visible()  # when it last ran: no other job has run
    opened(page, "/overview/timeline", "dev_backup")


ORIGINS = """
import sys
import dagster as dg
with dg.DagsterInstance.get() as instance:
    for run in instance.get_runs(dg.RunsFilter(run_ids=sys.argv[1:])):
        print(run.remote_job_origin.get_id(), run.job_code_origin.get_id(), run.job_snapshot_id)
"""


def test_the_page_executes_it_again_with_success(
    dev: Shell, page: Page, address: str, backup: CommandResult
) -> None:
    """By its button. What comes of it is the page's run: nobody sits at a terminal any more."""
    run_id = str(backup.json["run_id"])
    opened(page, f"/runs/{run_id}", "dev_backup")
    page.get_by_role("button", name=re.compile("Re-execute")).first.click()
    page.wait_for_url(lambda url: "/runs/" in url and run_id not in url)
    again = page.url.rpartition("/runs/")[2].partition("?")[0]
    found = ended(dev, address, page, again)
    assert (found["status"], found["rootRunId"], found["jobName"]) == ("SUCCESS", run_id, "dev_backup")
    entries = dev.ledgerflow("journal", "--json", "--what", "backup").json["entries"]
    assert {entry["run_id"]: entry["who"] for entry in entries}[again] == "dagster"
    opened(page, f"/runs/{again}", "Success")

    # Both name the same code: nothing in the page tells them apart.
    # A child that the server has just forked has the same command line.
    server, *_ = sorted(
        (child for child in processes_using(dev.root) if "ledgerflow_ops.defs.webserver" in child.cmdline()),
        key=lambda child: child.create_time(),
    )
    said = dev.run([sys.executable, "-c", ORIGINS, run_id, again], **server.environ())
    assert said.code == 0, said.all
    of_page, of_terminal = said.out.splitlines()
    assert of_page == of_terminal


@pytest.mark.parametrize(
    ("words", "job"),
    [
        (["backup", "--drill", "0"], "dev_backup"),
        (["verify", "--file", "{file}"], "dev_verify"),
        (["restore-test"], "dev_drill"),
    ],
)
def test_every_kind_of_run_is_executed_again(
    dev: Shell, page: Page, address: str, backup: CommandResult, words: list[str], job: str
) -> None:
    """With the same assets: a backup that was not drilled is not drilled then either."""
    file = dev.file("dev", backup).name
    said = dev.ledgerflow(*(word.format(file=file) for word in words), "--json")
    assert said.code == 0, said.all
    first = run_of(dev, address, said.json["run_id"])
    launched = web.asked(address, AGAIN, dev.key(), id=said.json["run_id"])["launchRunReexecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    again = ended(dev, address, page, launched["run"]["runId"])
    assert (again["status"], again["jobName"]) == ("SUCCESS", job)
    assert again["assetSelection"] == first["assetSelection"]
