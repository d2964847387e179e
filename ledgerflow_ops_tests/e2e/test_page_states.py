"""What the web page shows: a damaged dump, refused backfills, filled days, the launchpad of a restore."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.operations.backup import backup as making
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e import commands, web
from ledgerflow_ops_tests.e2e.commands import CommandResult, Shell, flip_bit
from ledgerflow_ops_tests.e2e.pages import PATIENCE, eventually, opened, seen, taken

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(900)]

STATES = """query($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) {assetKey {path} assetPartitionStatuses {... on TimePartitionStatuses {
    ranges {startKey endKey status}}}}
  assetsLatestInfo(assetKeys: $keys) {latestRun {status}}
}"""
CHECKS = """query($key: AssetKeyInput!) {assetNodes(assetKeys: [$key]) {
  assetChecksOrError {... on AssetChecks {checks {name executionForLatestMaterialization {
    status evaluation {partition}}}}}}}"""
LATEST = """query($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {... on Asset {assetMaterializations(limit: 1) {partition}}}
  assetNodes(assetKeys: [$key], loadMaterializations: true) {assetMaterializations(limit: 1) {partition}}
}"""
"""The latest materialization, both ways in which the overview asks for it."""


@pytest.fixture(scope="module")
def dev(session_root: Path) -> Iterator[Shell]:
    """A shell of its own, with an archive: these tests damage backups."""
    archive = session_root / "archive-of-page-states"
    with commands.shell(session_root, LEDGER_ENV="dev", LEDGER_ARCHIVE_ROOTS=f'["{archive}"]') as found:
        yield found
    shutil.rmtree(archive, ignore_errors=True)


def red_and_green(shell: Shell, address: str, asset: str) -> tuple[set[str], set[str]]:
    """The days whose partitions are red, and those that are green."""
    found = web.asked(address, STATES, shell.key(), keys=[{"path": ["dev", asset]}])
    days: dict[str, set[str]] = {"FAILED": set(), "MATERIALIZED": set()}
    for span in found["assetNodes"][0]["assetPartitionStatuses"]["ranges"]:
        first, last = date.fromisoformat(span["startKey"]), date.fromisoformat(span["endKey"])
        keys = {(first + timedelta(days=ahead)).isoformat() for ahead in range((last - first).days + 1)}
        days.setdefault(span["status"], set()).update(keys)
    return days["FAILED"], days["MATERIALIZED"]


def checks(shell: Shell, address: str, asset: str) -> set[tuple[str, str | None]]:
    """How the checks on an asset's overview stand, and of which day each is."""
    found = web.asked(address, CHECKS, shell.key(), key={"path": ["dev", asset]})
    shown = [
        check["executionForLatestMaterialization"]
        for check in found["assetNodes"][0]["assetChecksOrError"]["checks"]
    ]
    return {
        (check["status"], (check["evaluation"] or {}).get("partition")) if check else ("NONE", None)
        for check in shown
    }


def backfill(page: Page, asset: str, first: str, last: str) -> None:
    """Materialize… → a range of days → Launch backfill."""
    opened(page, f"/assets/dev/{asset}?view=partitions", "No partition selected")
    page.get_by_role("button", name="Materialize").first.click()
    days = page.locator("input[placeholder^='ex:']").last
    days.fill(f"[{first}...{last}]")
    days.press("Enter")
    expect(seen(page, "2 partitions")).to_be_visible()
    page.get_by_role("button", name="Launch backfill").click()


def days_ago(backup: CommandResult, *ago: int) -> list[str]:
    today = date.fromisoformat(backup.json["backup_day"])
    return [(today - timedelta(days=days)).isoformat() for days in ago]


def test_a_refused_backfill_leaves_todays_state(
    dev: Shell, page: Page, address: str, backup: CommandResult, pictures: Path
) -> None:
    [today] = days_ago(backup, 0)
    older = days_ago(backup, 6, 5)
    backfill(page, "dump", *older)
    eventually(page, lambda: red_and_green(dev, address, "dump") == (set(older), {today}))
    found = web.asked(address, STATES, dev.key(), keys=[{"path": ["dev", "dump"]}])
    assert found["assetsLatestInfo"][0]["latestRun"]["status"] == "SUCCESS"
    assert checks(dev, address, "dump") == checks(dev, address, "drill") == {("SUCCEEDED", today)}
    opened(page, "/assets/dev/dump", "Latest check results")
    expect(page.get_by_role("img", name="run_success").first).to_be_visible()
    expect(page.get_by_role("img", name="check_circle").first).to_be_visible()
    opened(page, "/assets/dev/dump?view=partitions", "Failed (2)")
    taken(page, pictures / "refused-backfill.png")


def test_a_backfill_of_two_days_that_lie_in_an_archive_turns_green(
    dev: Shell, page: Page, address: str, backup: CommandResult, pictures: Path
) -> None:
    """Another machine has put the copies there; this one knows nothing of those days."""
    [today] = days_ago(backup, 0)
    older = days_ago(backup, 4, 3)
    archive = Path(dev.variables["LEDGER_ARCHIVE_ROOTS"].strip('[]"')) / "dev"
    archive.mkdir(parents=True, mode=0o700, exist_ok=True)
    for ago in (4, 3):
        then = (clock.now() - timedelta(days=ago)).timestamp()
        env = builders.env(dev.root, now=partial(datetime.fromtimestamp, then, UTC))
        made = making.backup(env, BackupRequest())
        for file in (dev.backups / "dev").glob(f"{Path(made.dump.file).stem}*"):
            shutil.move(file, archive / file.name)
    for asset in ("dump", "drill"):
        backfill(page, asset, *older)
        eventually(page, lambda asset=asset: red_and_green(dev, address, asset)[1] == {today, *older})  # type: ignore[misc]
    opened(page, "/assets/dev/drill?view=partitions", "Materialized (3)")
    taken(page, pictures / "backfilled.png")
    shown = web.asked(address, LATEST, dev.key(), key={"path": ["dev", "dump"]})
    assert shown["assetOrError"]["assetMaterializations"] == [{"partition": today}]
    assert shown["assetNodes"][0]["assetMaterializations"] == [{"partition": today}]
    listed = dev.ledgerflow("status", "--json").json["environments"][0]["backups"]
    assert {one["day"] for one in listed if one["state"] == "valid"} == {today, *older}


def test_a_damaged_dump_is_red_within_a_tick_and_the_catalog_says_so(
    dev: Shell, page: Page, address: str, backup: CommandResult, pictures: Path
) -> None:
    """Nobody examines it: the environment's watch sees that the file was changed, and has it verified."""
    [today] = days_ago(backup, 0)
    flip_bit(dev.file("dev", backup))
    eventually(page, lambda: today in red_and_green(dev, address, "dump")[0])
    eventually(page, lambda: today in red_and_green(dev, address, "drill")[0])
    assert checks(dev, address, "drill") == {("FAILED", today)}
    assert ("FAILED", today) in checks(dev, address, "dump")
    opened(page, "/assets/dev/drill?view=checks&checkDetail=restorable", "Not judged: ")
    opened(page, "/assets/dev/dump?view=partitions", "Failed (3)")
    taken(page, pictures / "damaged.png")
    name = dev.file("dev", backup).name
    eventually(page, lambda: f"bad | {name}" in _catalog(dev, address))


def _catalog(shell: Shell, address: str) -> str:
    """The catalog asset's table, with each line's state beside its file."""
    query = """{assetOrError(assetKey: {path: ["catalog"]}) {... on Asset {assetMaterializations(limit: 1) {
      metadataEntries {label ... on MarkdownMetadataEntry {mdStr}}}}}}"""
    made: list[Any] = web.asked(address, query, shell.key())["assetOrError"]["assetMaterializations"]
    entries = {entry["label"]: entry.get("mdStr", "") for entry in made[0]["metadataEntries"]}
    rows = [line.strip("| ").split(" | ") for line in entries["catalog"].splitlines()]
    return "\n".join(f"{row[2]} | {row[-1]}" for row in rows)


def _choices(shell: Shell, address: str) -> list[str]:
    """The backups that the launchpad of a restore offers."""
    query = """{partitionSetsOrError(repositorySelector: {repositoryName: "__repository__",
      repositoryLocationName: "ledgerflow_ops"}, pipelineName: "dev_restore") {... on PartitionSets {results {
      partitionsOrError {... on Partitions {results {name}}}}}}}"""
    [found] = web.asked(address, query, shell.key())["partitionSetsOrError"]["results"]
    return [choice["name"] for choice in found["partitionsOrError"]["results"]]


def test_a_restore_offers_the_known_backups_and_asks_for_the_environments_name(
    dev: Shell, page: Page, address: str, pictures: Path
) -> None:
    made = dev.ledgerflow("backup", "--json", FILE="chosen.dump")
    assert made.code == 0, made.all
    eventually(page, lambda: "chosen.dump" in _choices(dev, address))
    assert _choices(dev, address)[:2] == ["latest-proven", "latest"]
    page.goto("/locations/ledgerflow_ops/jobs/dev_restore/playground")
    missing = page.get_by_text("Missing required config entries ['environment', 'file']").first
    expect(missing).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Launch Run")).to_be_disabled(timeout=PATIENCE)

    page.get_by_placeholder("Partition").click()
    seen(page, "chosen.dump").click()
    expect(page.get_by_text('Missing required config entry "environment"').first).to_be_visible()
    expect(seen(page, "file: 'chosen.dump'")).to_be_visible()
    expect(page.get_by_role("button", name="Launch Run")).to_be_disabled(timeout=PATIENCE)
    taken(page, pictures / "restore-launchpad.png")


def _restores(shell: Shell) -> list[dict[str, Any]]:
    """What the journal has of restores."""
    entries: list[dict[str, Any]] = shell.ledgerflow("journal", "--json").json["entries"]
    return [entry for entry in entries if entry["what"] == "restore"]


def test_a_file_that_is_typed_needs_no_choice(dev: Shell, page: Page, address: str) -> None:
    """An older backup, a day, another environment's. Over data it is refused, as at the terminal."""
    page.goto("/locations/ledgerflow_ops/jobs/dev_restore/playground")
    expect(page.get_by_placeholder("Partition")).to_be_visible(timeout=PATIENCE)
    typed = "ops: {dev_restore_op: {config: {environment: dev, file: chosen.dump}}}"
    page.locator(".CodeMirror").first.evaluate("(box, text) => box.CodeMirror.setValue(text)", typed)
    launch = page.get_by_role("button", name="Launch Run")
    expect(launch).to_be_enabled(timeout=PATIENCE)
    launch.click()
    expect(seen(page, "This job is partitioned. Are you sure")).to_be_visible()
    page.get_by_role("button", name="Confirm").click()
    eventually(page, lambda: [entry["result"] for entry in _restores(dev)] == ["refused"])


def test_a_backfill_of_restores_restores_nothing(dev: Shell, page: Page, address: str) -> None:
    """The page has the button, for the job has partitions. Nobody typed an environment."""
    before = _restores(dev)
    started = web.asked(address, BACKFILL, dev.key(), names=_choices(dev, address))
    assert started["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"
    backfill_id = started["launchPartitionBackfill"]["backfillId"]
    query = (
        "query($id: String!) {partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill {status}}}"
    )
    ended = {"FAILED", "COMPLETED_FAILED"}
    eventually(
        page,
        lambda: (
            web.asked(address, query, dev.key(), id=backfill_id)["partitionBackfillOrError"]["status"]
            in ended
        ),
    )
    assert _restores(dev) == before


BACKFILL = """mutation($names: [String!]!) {launchPartitionBackfill(backfillParams: {
  selector: {partitionSetName: "dev_restore_partition_set", repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "ledgerflow_ops"}}, partitionNames: $names}) {
  __typename ... on LaunchBackfillSuccess {backfillId}}}"""
