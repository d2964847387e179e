"""The web page in a real browser, as the owner opens it after `make backup`."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.operations.backup import backup as making
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.e2e import web
from ledgerflow_ops_tests.e2e.commands import CommandResult, Shell, flip_bit
from ledgerflow_ops_tests.e2e.pages import eventually, materializations, opened, seen, taken

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]


def test_the_drill_is_green_for_today(page: Page, backup: CommandResult, pictures: Path) -> None:
    today = backup.json["backup_day"]
    opened(page, "/assets/dev/drill?view=partitions", "Materialized (1)")
    expect(seen(page, "Failed (0)")).to_be_visible()
    expect(seen(page, "Missing (7)")).to_be_visible()
    expect(seen(page, today)).to_be_visible()

    opened(page, "/assets/dev/drill", "SAMPLE DATA, not your books")
    for text in (
        "proven",
        "valid",
        Path(backup.json["file"]).name,
        "rto_seconds",
    ):
        expect(seen(page, text)).to_be_visible()
    expect(seen(page, today)).to_be_visible()
    taken(page, pictures / "asset.png")


def test_the_lineage_leads_from_the_database_to_the_drill(page: Page, pictures: Path) -> None:
    opened(page, "/assets/dev/drill?view=lineage&lineageScope=upstream&lineageDepth=5", "6 / 6 Passed")
    for asset in ("database", "dump", "drill"):
        expect(
            page.locator("svg").get_by_text(asset, exact=True).locator("visible=true").first
        ).to_be_visible()
    expect(seen(page, "2 / 2 Passed")).to_be_visible()
    taken(page, pictures / "lineage.png")


def test_the_run_says_who_asked_for_it_and_why(page: Page, backup: CommandResult) -> None:
    opened(page, f"/runs/{backup.json['run_id']}", "dev_backup")
    opened(page, "/runs", "ledgerflow/why: for the pictures")
    expect(seen(page, re.compile("ledgerflow/who: "))).to_be_visible()


def test_a_failed_check_shows_its_hint(dev: Shell, page: Page, tmp_path: Path) -> None:
    made = dev.ledgerflow("backup", "--json", FILE="damaged.dump", DRILL="0")
    flip_bit(dev.file("dev", made))
    assert dev.ledgerflow("verify", "--file", "damaged.dump").code == 4
    opened(page, "/assets/dev/dump?view=checks&checkDetail=integrity", "its SHA-256 differs")
    for check in ("exists", "size", "permissions", "integrity", "sealed", "source_is_real"):
        expect(seen(page, check)).to_be_visible()
    expect(seen(page, "take another backup: LEDGER_ENV=dev make backup")).to_be_visible()
    expect(seen(page, made.json["backup_day"])).to_be_visible()
    taken(page, tmp_path / "checks.png")
    # The newest of today is a good one again for the tests that follow.
    assert dev.ledgerflow("backup").code == 0


def test_the_catalog_shows_a_chart_and_a_table(dev: Shell, page: Page, address: str, tmp_path: Path) -> None:
    """The daemon sees to it, without being asked: backups made before it first ran are in it as well."""
    eventually(page, lambda: materializations(dev, address, "catalog") != [])
    opened(page, "/assets/catalog", "newest proven")
    expect(seen(page, "NOTHING")).to_be_visible()
    page.get_by_text("[Show Markdown]").locator("visible=true").first.click()
    chart = page.locator("img[src^='data:image/svg+xml']")
    expect(chart).to_be_visible()
    assert chart.evaluate("image => image.naturalWidth") > 300, "the picture could not be drawn"
    taken(page, tmp_path / "catalog.png")


def test_a_backup_can_be_launched_by_click(
    dev: Shell, page: Page, address: str, backup: CommandResult
) -> None:
    """Materialize… → the latest partition → Launch 1 run; the daemon carries it out."""
    opened(page, "/assets/dev/dump", "A sealed dump of the database")
    before = materializations(dev, address, "dev", "dump")
    page.get_by_role("button", name=re.compile("Materialize")).first.click()
    page.get_by_role("button", name="Latest").click()
    page.get_by_role("button", name="Launch 1 run").click()
    eventually(page, lambda: len(materializations(dev, address, "dev", "dump")) > len(before))
    assert materializations(dev, address, "dev", "dump") == [backup.json["backup_day"], *before]


def test_a_wiped_partition_is_missing_and_its_file_is_there(
    dev: Shell, page: Page, address: str, backup: CommandResult, tmp_path: Path
) -> None:
    """One day by the order that the page's server takes; all of them by the page's own dialog."""
    today = str(backup.json["backup_day"])
    yesterday = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
    dump = {"path": ["dev", "dump"]}
    report = {"eventType": "ASSET_MATERIALIZATION", "assetKey": dump, "partitionKeys": [yesterday]}
    web.asked(address, REPORT, dev.key(), event=report)
    files = {file: file.stat().st_mtime_ns for file in (dev.backups / "dev").iterdir()}
    assert Path(backup.json["file"]) in files
    opened(page, "/assets/dev/dump?view=partitions", "Materialized (2)")

    ranges = [{"assetKey": dump, "partitions": {"range": {"start": today, "end": today}}}]
    told = web.asked(address, WIPE, dev.key(), ranges=ranges)["wipeAssets"]
    assert told["__typename"] == "AssetWipeSuccess", told
    opened(page, "/assets/dev/dump?view=partitions", "Materialized (1)")
    expect(seen(page, "Missing (7)")).to_be_visible()
    assert set(materializations(dev, address, "dev", "dump")) == {yesterday}
    taken(page, tmp_path / "wiped.png")

    page.get_by_role("button", name="Materialize").first.locator("xpath=following::button[1]").click()
    page.get_by_text("Wipe materializations").click()
    page.get_by_role("button", name="Wipe", exact=True).click()
    page.get_by_role("button", name="Done").click()
    opened(page, "/assets/dev/dump?view=partitions", "Materialized (0)")
    expect(seen(page, "Missing (8)")).to_be_visible()
    taken(page, tmp_path / "all-wiped.png")

    assert {file: file.stat().st_mtime_ns for file in files} == files
    assert dev.ledgerflow("verify", "--file", Path(backup.json["file"]).name).code == 0


@pytest.fixture(scope="module")
def missed(dev: Shell, address: str) -> list[str]:
    """Two days with backups in the folder that Dagster did not know, adopted by `ledgerflow backfill`.

    By click a backfill is launched in test_page_states.
    """
    days = []
    for back in (3, 2):
        then = (clock.now() - timedelta(days=back)).timestamp()
        made = making.backup(
            builders.env(dev.root, now=partial(datetime.fromtimestamp, then, UTC)), BackupRequest()
        )
        days.append(made.backup_day.isoformat())
    said = dev.ledgerflow("backfill", "--json", FROM=days[0], TO=days[-1])
    assert said.code == 0, said.all
    listed = dev.ledgerflow("status", "--json").json["environments"][0]["backups"]
    assert {one["state"] for one in listed if one["day"] in days} == {"valid"}
    return days


def test_rotation_makes_a_partition_go(
    dev: Shell, page: Page, address: str, missed: list[str], pictures: Path
) -> None:
    oldest, newer = missed
    said = dev.ledgerflow("rotate", "--json", LEDGER_DEV_RETENTION_DAYS="2")
    assert said.code == 0, said.all
    [removed] = said.json["removed"]
    assert oldest.replace("-", "") in removed
    opened(page, "/assets/dev/drill?view=partitions", "Materialized (2)")
    assert materializations(dev, address, "dev", "drill").count(oldest) == 0
    assert newer in materializations(dev, address, "dev", "drill")
    opened(page, "/assets/dev/rotation", "rotation")
    taken(page, pictures / "rotation.png")


REPORT = """mutation($event: ReportRunlessAssetEventsParams!) {
  reportRunlessAssetEvents(eventParams: $event) { __typename }
}"""
WIPE = """mutation($ranges: [PartitionsByAssetSelector!]!) {
  wipeAssets(assetPartitionRanges: $ranges) { __typename }
}"""
