"""The report: one file without network requests, readable only by its owner, whatever the state is."""

import base64
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.manifest import encode_sealed
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.monitoring import expected_ranges
from ledgerflow_ops.core.presentation import colours
from ledgerflow_ops.core.restore.database_names import DatabaseMark, DatabaseRole, SiblingDatabase
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import environment_status
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.reporting import charts, report
from ledgerflow_ops.operations.reporting.status import Incident, Overview, Status
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.e2e.commands import PROGRAM, PROJECT, Shell
from ledgerflow_ops_tests.fakes import backup_days

Scheme = Literal["light", "dark"]
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => rgba(colour).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return 'white';
  };
  let least = 99, where = '', texts = 0;
  for (const element of document.body.querySelectorAll('*')) {
    const words = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
    if (!words.length || !element.getClientRects().length || element.matches('script, style')) continue;
    const style = getComputedStyle(element);
    const front = element instanceof SVGElement ? style.fill : style.color;
    const [one, two] = [light(front), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (two + 0.05);
    texts++;
    if (contrast < least) [least, where] = [contrast, `${words[0].data} ${front} on ${behind(element)}`];
  }
  return {least, where, texts};
}"""
"""The least contrast of any text with what is behind it, by WCAG's formula, and where it is."""
SCROLLED = """() => [document.documentElement, ...document.body.querySelectorAll('*')]
  .filter(it => it.scrollWidth > it.clientWidth + 1 && it.clientWidth && !(it instanceof SVGElement)
    && getComputedStyle(it).display !== 'inline')
  .map(it => `${it.tagName} ${it.className}: ${it.scrollWidth} in ${it.clientWidth}`)"""
"""What is wider than its place."""
NARROWED = """() => [...document.querySelectorAll('svg.marks')].length === 5
  && [...document.querySelectorAll('svg.marks')].every(it => it.getBoundingClientRect().right <= 390)"""


@dataclass
class Seen:
    """A page as a browser shows it: all it asked for, what it complained of, how many charts are drawn."""

    text: str
    charts: int
    title: str = ""
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def opened(browser: Browser, file: Path, picture: Path | None = None) -> Seen:
    page = browser.new_page(viewport={"width": 1120, "height": 900})
    seen = Seen("", 0)
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(file.as_uri())
    places = page.locator("div[id^=chart]").count()
    if places:
        page.locator("svg.marks").nth(places - 1).wait_for(timeout=20_000)
    seen.text, seen.charts = page.inner_text("body"), page.locator("svg.marks").count()
    seen.title = page.title()
    if picture:
        page.screenshot(path=picture, full_page=True, animations="disabled")
    page.close()
    return seen


@pytest.fixture
def env(root: Path) -> EnvironmentContext:
    """Dev with three eventful weeks behind it."""
    env = builders.env(root, now=lambda: NOON, scheduled=True)
    backup_days.add_days(env, NOON - timedelta(hours=5), 24, backup_days.mixed_day)
    return env


def test_it_is_drawn_whole_in_a_browser_and_asks_nobody_anything(
    env: EnvironmentContext, browser: Browser, tmp_path: Path
) -> None:
    name = backup_days.add_backup(
        env, NOON - timedelta(days=2, hours=1), size=backup_days.SIZE, rung=Rung.READABLE
    )
    file = report.write_report(env.ctx)
    seen = opened(browser, file, tmp_path / "report.png")
    assert seen.asked == [file.as_uri()], "nothing but itself"
    assert seen.complaints == []
    assert seen.charts == 4, "the calendar, sizes, durations, restores"
    for words in (
        "Backups of LedgerFlow",
        "5 h old",
        "ledgerflow_dev_20261123_0700.dump",
        "SAMPLE",
        "of 1 d 2 h",
    ):
        assert words in seen.text
    assert name.dump not in seen.text
    assert (tmp_path / "report.png").stat().st_size > 40_000


@pytest.fixture
def eventful(env: EnvironmentContext) -> EnvironmentContext:
    """Dev with a bad backup, a missed day, and a disk that fills up: all that a report can show."""
    backup_days.add_backup(env, NOON - timedelta(hours=1), rung=Rung.HASHED, verdict=Verdict.BAD)
    rows = [[(NOON - timedelta(days=days)).isoformat(), 5 + days, 90, 1, 1] for days in range(5)]
    env.ctx.settings.state_dir.mkdir(parents=True, exist_ok=True)
    place = str(env.ctx.settings.backup_root)
    (env.ctx.settings.state_dir / "disks.json").write_bytes(encode_sealed({"disks": {place: rows}}))
    return env


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1120])
def test_it_fits_its_width_and_can_be_read_in_both_schemes(
    eventful: EnvironmentContext, browser: Browser, pictures: Path, width: int, scheme: Scheme
) -> None:
    """Text has a contrast of at least 4.5 (WCAG 2.2, 1.4.3), and nothing has to be scrolled sideways."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report.write_report(eventful.ctx).as_uri())
    page.locator("svg.marks").nth(4).wait_for(timeout=20_000)
    page.locator("svg.marks").first.wait_for(timeout=20_000)
    faint = page.evaluate(CONTRASTS)
    scrolled = page.evaluate(SCROLLED)
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    calendar = page.locator("svg.marks").first.bounding_box()
    name = {(390, "light"): "report-phone", (1120, "light"): "report", (1120, "dark"): "report-dark"}
    picture = pictures / f"{name.get((width, scheme), 'report-phone-dark')}.png"
    page.screenshot(path=picture, full_page=True, animations="disabled")
    page.close()
    assert faint["least"] >= 4.5, faint
    assert faint["texts"] > 60
    assert scrolled == []
    assert shade == ("rgb(14, 18, 23)" if scheme == "dark" else "rgb(246, 247, 249)")
    assert calendar
    assert calendar["x"] >= 0
    assert calendar["x"] + calendar["width"] <= width


def test_it_is_drawn_anew_when_the_scheme_or_the_width_changes(
    eventful: EnvironmentContext, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1120, "height": 900}, color_scheme="light")
    page.goto(report.write_report(eventful.ctx).as_uri())
    page.locator("svg.marks").nth(4).wait_for(timeout=20_000)
    page.emulate_media(color_scheme="dark")
    page.locator(f"svg.marks text[fill='{colours.DARK[colours.SOFT]}']").first.wait_for(timeout=20_000)
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function(NARROWED, timeout=20_000)
    assert page.evaluate(SCROLLED) == []
    page.close()


def test_it_is_the_owners_alone_and_takes_the_place_of_the_last(env: EnvironmentContext) -> None:
    first = report.write_report(env.ctx)
    before = first.stat().st_ino
    second = report.write_report(env.ctx)
    assert (first, second.stat().st_mode & 0o777) == (second, 0o600)
    assert second.stat().st_ino != before, "written beside it and renamed"
    assert [file.name for file in second.parent.iterdir()] == [report.FILE_NAME]
    assert second.parent.stat().st_mode & 0o077 == 0


def test_words_from_outside_are_shown_as_words(root: Path, browser: Browser) -> None:
    """Names of files and folders must not become markup of the page, or end the script that contains them."""
    evil = "<img src=x onerror=document.title='pwned'></script><script>document.title='pwned'</script>"
    env = builders.env(root / evil, now=lambda: NOON, scheduled=True)
    for days in range(3):
        backup_days.add_backup(env, NOON - timedelta(days=days))
    backup_folder_of(env).file("<i>by hand.dump").write_bytes(b"PGDMP")
    place, state = str(env.ctx.settings.backup_root), env.ctx.settings.state_dir
    rows = [[(NOON - timedelta(days=days)).isoformat(), 5, 9, 1, 1] for days in range(5)]
    state.mkdir(parents=True)
    (state / "disks.json").write_bytes(encode_sealed({"disks": {place: rows}}))
    seen = opened(browser, report.write_report(env.ctx))
    assert (seen.title, seen.complaints, len(seen.asked)) == ("Backups of LedgerFlow", [], 1)
    assert seen.charts == 5, "with the room, whose title is the folder"
    assert f"{place}/dev" in seen.text


def test_a_hostile_name_is_shown_as_a_name_in_every_place(env: EnvironmentContext, browser: Browser) -> None:
    def evil(place: str) -> str:
        return f"</script></td><img src=x onerror=document.title='{place}'>&amp;"

    def wrong(place: str) -> Incident:
        return Incident(Finding(None, "odd", place, Level.WARNING, evil(place), Hint(evil(f"{place} hint"))))

    found = report.overview(env.ctx)
    prod, test, dev = found.environments
    newest, *others, oldest = dev.folder_status.present
    mark = DatabaseMark("dev", "books", next(iter(DatabaseRole)), "a1", NOON, "x.dump")
    dev = Status(
        replace(
            dev.folder_status,
            present=(
                replace(newest, name=BackupName(evil("newest"))),
                *others,
                replace(oldest, name=BackupName(evil("waiting")), restored_at=NOON - timedelta(days=99)),
            ),
            spaces=(LocationSpace(evil("folder"), evil("home"), None, evil("room")),),
        ),
        (wrong("incident"),),
        (SiblingDatabase(evil("kept"), mark, None),),
    )
    test = Status(replace(test.folder_status, trouble=LedgerError(evil("trouble"), hint=NO_HINT)))
    overview = Overview(NOON, (prod, test, dev), (wrong("machine"),))
    seen = opened(browser, report.write_report(env.ctx, overview))
    assert (seen.title, seen.complaints, len(seen.asked)) == ("Backups of LedgerFlow", [], 1)
    for place in ("newest", "waiting", "folder", "room", "incident", "machine", "kept", "trouble"):
        assert evil(place) in seen.text, place
    assert evil("incident hint") in seen.text
    assert seen.charts == 4


@pytest.mark.parametrize(
    ("rung", "headings"), [(None, ["Every day"]), (Rung.VALID, ["Every day", "Restore time"])]
)
def test_there_is_no_heading_without_its_chart(
    root: Path, browser: Browser, rung: Rung | None, headings: list[str]
) -> None:
    """A first day has no range yet, and before the first drill there is no restore time."""
    env = builders.env(root, now=lambda: NOON, scheduled=True)
    backup_days.add_backup(env, NOON - timedelta(hours=5), rung=rung)
    seen = opened(browser, report.write_report(env.ctx))
    assert seen.charts == len(headings)
    for heading in ("Every day", "Restore time", "Sizes and durations", "Shaded"):
        assert (heading in seen.text) == (heading in headings), heading


def test_with_nothing_at_all_it_says_so(root: Path, browser: Browser) -> None:
    env = builders.env(root, now=lambda: NOON)
    file = report.write_report(env.ctx)
    seen = opened(browser, file)
    assert (seen.charts, seen.complaints) == (0, [])
    assert seen.text.count("nothing is proven") == 3
    assert "not known" not in seen.text, "nobody has set an objective for what is not there"
    assert file.stat().st_size < 20_000, "no library where nothing is drawn"


@pytest.mark.parametrize("days", [1, 2, 3, 9])
def test_a_young_history_is_drawn_as_far_as_it_goes(root: Path, days: int) -> None:
    env = builders.env(root, now=lambda: NOON, scheduled=True)
    backup_days.add_days(env, NOON, days, backup_days.proven_day)
    found = environment_status.read_folder_status(env)
    size = charts.figure_chart(found, "size", "Size")
    assert (size is None) is (days < 2)
    assert "svg" in charts.markdown_image(charts.calendar_chart([found]), "calendar")
    assert charts.restore_chart([found]) is not None
    assert report.write_report(env.ctx).stat().st_size > 500_000


@pytest.mark.parametrize("rto_minutes", [60, 0.05])
def test_a_picture_is_as_wide_as_a_page(root: Path, rto_minutes: float) -> None:
    """With and without the line of the objective."""
    env = builders.env(root, now=lambda: NOON, rto_minutes=rto_minutes)
    backup_days.add_days(env, NOON, 3, backup_days.proven_day)
    chart = charts.restore_chart([environment_status.read_folder_status(env)])
    image = charts.markdown_image(chart, "restores")
    drawn = base64.b64decode(image.rpartition(",")[2].rstrip(")")).decode()
    width = re.search(r'<svg[^>]* width="(\d+)', drawn)
    assert width
    assert 800 < int(width[1]) < 1000


def test_what_is_outside_of_its_band_is_marked(root: Path) -> None:
    env = builders.env(root, now=lambda: NOON, scheduled=True)
    for number in range(20, 0, -1):
        backup_days.add_backup(env, NOON - timedelta(days=number), size=300_000)
    backup_days.add_backup(env, NOON, size=100_000)
    found = environment_status.read_folder_status(env)
    chart = charts.figure_chart(found, "size", "Size")
    assert chart is not None
    drawn = chart.to_dict()
    [points] = [rows for rows in drawn["datasets"].values() if rows and "judged" in rows[0]]
    assert [row["day"] for row in points if row["judged"] == "not expected"] == ["2026-11-23"]
    assert [row["judged"] for row in points].count("too early to say") == expected_ranges.LEAST_DAYS


def test_what_was_never_restored_has_no_restore_time_to_draw(root: Path) -> None:
    env = builders.env(root, now=lambda: NOON, scheduled=True)
    backup_days.add_backup(env, NOON, rung=None)
    assert charts.restore_chart([environment_status.read_folder_status(env)]) is None
    assert report.write_report(env.ctx).exists()


def test_the_objective_is_drawn_where_it_is_near(root: Path) -> None:
    for minutes, drawn in ((60, False), (0.05, True)):
        env = builders.env(root, now=lambda: NOON, rto_minutes=minutes)
        backup_days.add_backup(env, NOON, rto=2.0)
        chart = charts.restore_chart([environment_status.read_folder_status(env)])
        assert chart is not None
        assert ("layer" in chart.to_dict()) is drawn


def test_where_it_cannot_be_written_that_is_reported(root: Path, env: EnvironmentContext) -> None:
    report.reports_folder(env.ctx).parent.mkdir(exist_ok=True)
    report.reports_folder(env.ctx).write_text("in the way")
    with pytest.raises(LedgerError) as error:
        report.write_report(env.ctx)
    assert error.value.hint


def test_the_command_says_where_it_is(root: Path) -> None:
    shell = Shell(root)
    said = shell.make("-s", "report", "JSON=1", LEDGERFLOW=str(PROGRAM))
    assert said.code == 0, said.all
    assert Path(said.json["file"]) == shell.state / "reports" / "report.html"
    assert Path(said.json["file"]).exists()


def test_an_environment_that_matters_more_comes_first(root: Path) -> None:
    env = builders.env(root, now=lambda: NOON)
    found = [str(item.env.environment) for item in report.overview(env.ctx).environments]
    assert found == [str(Environment.PROD), str(Environment.TEST), str(Environment.DEV)]


def test_its_style_comes_with_the_package() -> None:
    text = (PROJECT / "ledgerflow_ops" / "operations" / "reporting" / "templates" / "report.css").read_text()
    assert not re.search(r"url\(|@import", text), "nothing is fetched"
