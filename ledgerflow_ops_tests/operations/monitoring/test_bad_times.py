"""Status, metrics and report when something fails: each says what it knows, and silence never means good."""

import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.services import prometheus_exposition
from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.manifest import encode_sealed
from ledgerflow_ops.core.catalog.pins import Pin
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.monitoring import environment_status, health_checks
from ledgerflow_ops.operations.reporting import charts, metrics, report, status, status_screen
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import backup_days

NOWHERE = Database({"host": "127.0.0.1", "port": "1", "user": "x", "dbname": "books"})


def built(root: Path, **fields: Any) -> EnvironmentContext:
    return builders.env(root, now=lambda: NOON, **{"scheduled": True, **fields})


def figures(env: EnvironmentContext) -> dict[str, float]:
    """Every sample as it is scraped: name and labels, and the value."""
    lines = prometheus_exposition.render_metrics(lambda: metrics.metric_families(env.ctx)).splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def of(found: dict[str, float], name: str, **labels: str) -> list[float]:
    """The values of the samples of that name with those labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return [
        value
        for sample, value in found.items()
        if re.match(rf"{name}(\{{|$)", sample) and all(one in sample for one in wanted)
    ]


def said(env: EnvironmentContext, capfd: pytest.CaptureFixture[str]) -> str:
    status_screen.show(status.overview(env.ctx, [env]), Terminal(as_json=False))
    return capfd.readouterr().out


def kinds(env: EnvironmentContext) -> list[tuple[str, Level]]:
    return [(one.finding.kind, one.finding.level) for one in status.status(env).incidents]


def test_without_a_folder_nothing_is_known_to_be_there_and_nothing_is_made(root: Path) -> None:
    env = built(root, scheduled=None)
    found = figures(env)
    assert not of(found, "ledgerflow_recovery_point_timestamp_seconds")
    assert not of(found, "ledgerflow_last_backup_size_bytes")
    assert not of(found, "ledgerflow_drill_coverage_ratio")
    assert set(of(found, "ledgerflow_backups", environment="dev")) == {0.0}
    assert of(found, "ledgerflow_readable", environment="dev") == [1.0]
    assert not (root / "backups").exists()
    assert not (root / "state").exists()
    overview = status.overview(env.ctx, [env])
    assert (overview.critical, overview.environments[0].health) == (False, "quiet")


def a_loop(env: EnvironmentContext) -> None:
    """A disk that returns errors stands in for every folder that cannot be read."""
    folder = backup_folder_of(env).path
    folder.rename(folder.with_name("aside"))
    folder.symlink_to(folder)


def test_a_backup_of_the_sample_is_no_proof_of_the_real_database(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody tried the sample this morning, and has set the URL since."""
    backup_days.add_backup(built(root), NOON - timedelta(hours=5), sample=True)
    assert "dev: newest proven backup is 5 h old" in said(built(root), capfd)
    env = builders.env(root, NOWHERE, now=lambda: NOON, scheduled=True)
    assert said(env, capfd).startswith("dev: NOTHING IS PROVEN. 1 dump in the folder.\n")
    assert "never" not in {kind for kind, _ in kinds(env)}, "none has been due"
    tomorrow = builders.env(root, NOWHERE, now=lambda: NOON + timedelta(days=1), scheduled=True)
    assert ("never", Level.CRITICAL) in kinds(tomorrow)
    assert not of(figures(env), "ledgerflow_recovery_point_timestamp_seconds", environment="dev")
    assert health_checks.check_environment_freshness(env).cause == "nothing proven"
    backup_days.add_backup(env, NOON - timedelta(hours=1))
    assert "dev: newest proven backup is 1 h old" in said(env, capfd)
    assert "never" not in {kind for kind, _ in kinds(env)}


def test_on_eighty_columns_a_files_name_is_whole(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = built(root)
    name = backup_days.add_backup(env, NOON - timedelta(days=2, hours=5), size=4_000, rung=Rung.READABLE)
    backup_days.add_backup(env, NOON - timedelta(days=1), size=4_001)
    terminal = Terminal(as_json=False)
    terminal.out.width = 80
    status_screen.show(status.overview(env.ctx, [env]), terminal)
    lines = capfd.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["2026-11-21", name.dump, "4.0"] for line in lines)
    assert "4.0 KB to 4.0 KB" not in "\n".join(lines)
    assert any("  next backup 2026-11-24 02:30 UTC, in 14 h 30 min " in line for line in lines)


def test_a_folder_that_cannot_be_listed_is_reported(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = built(root)
    backup_days.add_backup(env, NOON)
    a_loop(env)
    _unreadable(env, capfd)


def _unreadable(env: EnvironmentContext, capfd: pytest.CaptureFixture[str]) -> None:
    assert ("unreadable", Level.CRITICAL) in kinds(env)
    words = said(env, capfd)
    assert words.startswith("dev: NOT KNOWN. Its folder cannot be read.\n")
    found = figures(env)
    assert of(found, "ledgerflow_readable", environment="dev", part="folder") == [0.0]
    for name in ("backups", "recovery_point_timestamp_seconds", "pinned_backups", "last_backup_rows"):
        assert not of(found, f"ledgerflow_{name}", environment="dev"), "not known is not 0"
    assert of(found, "ledgerflow_backups", environment="prod"), "the others are reported all the same"
    assert "cannot be read" in report.write_report(env.ctx).read_text()


def test_a_damaged_manifest_is_one_bad_dump_and_hides_no_other(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = built(root)
    backup_days.add_backup(env, NOON - timedelta(hours=3))
    name = backup_days.add_backup(env, NOON - timedelta(hours=2))
    backup_folder_of(env).file(name.manifest).write_bytes(b"{")
    words = said(env, capfd)
    assert words.startswith("dev: newest proven backup is 3 h old")
    found = figures(env)
    assert of(found, "ledgerflow_backups", environment="dev", state="bad") == [1.0]
    assert of(found, "ledgerflow_backups", environment="dev", state="valid") == [1.0]
    [entry] = [
        one for one in environment_status.read_folder_status(env).backups() if one["file"] == name.dump
    ]
    assert (entry["state"], entry["day"]) == ("bad", None)


def test_evicted_files_are_not_local_and_not_gone(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = built(root)
    name = backup_days.add_backup(env, NOON - timedelta(hours=3))
    backup_folder_of(env).file(name.dump).unlink()
    backup_folder_of(env).placeholder(name.dump).write_bytes(b"bplist00")
    assert "NOT LOCAL" in said(env, capfd)
    found = figures(env)
    assert of(found, "ledgerflow_backups", environment="dev", state="not local") == [1.0]
    assert environment_status.read_folder_status(env).days(1)[0].state == "not local"
    assert report.write_report(env.ctx).exists()


def test_a_clock_that_is_behind_is_a_question(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = built(root)
    for days in (0, 400):
        backup_days.add_backup(env, NOON + timedelta(days=days))
    assert "IN THE FUTURE: is the clock right?" in said(env, capfd)
    found = figures(env)
    assert of(found, "ledgerflow_rpo_seconds", environment="dev") == [-400 * 86400.0]
    assert report.write_report(env.ctx).exists()


def test_a_database_that_is_down_keeps_nothing_from_being_told(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = builders.env(root, NOWHERE, now=lambda: NOON)
    backup_days.add_backup(env, NOON - timedelta(hours=3))
    words = said(env, capfd)
    assert words.startswith("dev: newest proven backup is 3 h old")
    assert "its server cannot be queried: 127.0.0.1:1/" in words
    assert of(figures(env), "ledgerflow_readable", environment="dev") == [1.0]
    assert report.write_report(env.ctx).exists()


@pytest.mark.parametrize("damage", [b"{", b'{"alerts": 3}', b"\xff\xfe", b"[]"])
def test_a_damaged_record_of_alerts_is_reported_and_not_taken_for_none(
    root: Path, damage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    env = built(root)
    backup_days.add_backup(env, NOON)
    (root / "state").mkdir()
    (root / "state" / "alerts.json").write_bytes(damage)
    overview = status.overview(env.ctx, [env])
    assert overview.critical
    assert "record of open alerts cannot be read" in said(env, capfd)
    found = figures(env)
    assert of(found, "ledgerflow_readable", part="alerts") == [0.0]
    assert not of(found, "ledgerflow_open_alerts")
    assert not of(found, "ledgerflow_undelivered_alerts")
    assert "cannot be read" in report.write_report(env.ctx).read_text()


def test_a_journal_that_cannot_be_read_is_reported_in_the_figures(root: Path) -> None:
    env = built(root)
    (root / "state" / "journal.jsonl").mkdir(parents=True)
    found = figures(env)
    assert of(found, "ledgerflow_readable", part="journal") == [0.0]
    assert not of(found, "ledgerflow_operations_total")


def test_pins_are_reported_with_their_reason_also_one_that_cannot_be_read(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = built(root)
    first, second, third = (backup_days.add_backup(env, NOON - timedelta(days=days)) for days in range(3))
    over = Pin(file=third.dump, reason="over", who="ida", since=NOON, until=NOON)
    for name, data in (
        (first, Pin(file=first.dump, reason="audit", who="ida", since=NOON).encode()),
        (second, b"{"),
        (third, over.encode()),
    ):
        backup_folder_of(env).replace(name.pin, data)
    words = said(env, capfd)
    assert f"pinned: {first.dump}, audit" in words
    assert f"pinned: {second.dump}, " in words, "it then counts as pinned"
    assert f"{third.dump}, over" not in words
    assert of(figures(env), "ledgerflow_pinned_backups", environment="dev") == [2.0]


def test_a_location_that_is_gone_is_reported_with_its_reason(root: Path) -> None:
    env = built(root, archive_roots=[root / "archive"])
    backup_days.add_backup(env, NOON)
    first, second = environment_status.read_folder_status(env).spaces
    assert first.space is not None
    assert (second.space, "is it mounted?" in second.trouble) == (None, True)
    assert len(of(figures(env), "ledgerflow_location_free_bytes", environment="dev")) == 1


def test_what_was_free_on_the_days_before_leads_to_the_day_it_is_full(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ten days of a disk that loses a hundredth of what is free now on each."""
    env = built(root)
    backup_days.add_backup(env, NOON)
    left = environment_status.read_folder_status(env).spaces[0].space
    assert left is not None
    step = left.free // 100
    rows = [
        [(NOON - timedelta(days=days)).isoformat(), left.free + days * step, left.size, 1, 1]
        for days in range(10, -1, -1)
    ]
    (root / "state").mkdir(exist_ok=True)
    (root / "state" / "disks.json").write_bytes(encode_sealed({"disks": {str(root / "backups"): rows}}))
    [room] = environment_status.read_folder_status(env).spaces
    assert (len(room.history), room.history[-1]) == (11, (NOON.date(), left.free))
    assert room.full_at == datetime(2027, 3, 3, tzinfo=UTC)
    found = figures(env)
    assert of(found, "ledgerflow_location_full_timestamp_seconds", environment="dev") == [
        room.full_at.timestamp()
    ]
    drawn = charts.free_space_chart(room)
    assert drawn is not None
    assert "forecast" in json.dumps(drawn.to_dict())
    assert "full about 2027-03-03" in said(env, capfd)


class TestIncidents:
    """What is wrong now, and what other sources have reported and not resolved."""

    @staticmethod
    def finding(kind: str, level: Level = Level.CRITICAL) -> Finding:
        return Finding(Environment.DEV, kind, "", level, f"{kind} is wrong.", Hint(make("status")))

    def test_an_open_alert_of_a_run_is_an_incident_and_makes_it_critical(
        self, root: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        env = built(root, scheduled=False)
        backup_days.add_backup(env, NOON)
        assert not status.overview(env.ctx, [env]).critical
        alerts.report(env.ctx, "run:dev_backup", [self.finding("run")])
        overview = status.overview(env.ctx, [env])
        assert overview.critical
        [incident] = overview.environments[0].incidents
        assert (incident.finding.message, incident.since) == ("run is wrong.", NOON)
        assert "CRITICAL: run is wrong. (since 2026-11-23 12:00 UTC)" in said(env, capfd)
        assert of(figures(env), "ledgerflow_open_alerts", environment="dev", level="critical") == [1.0]

    def test_what_the_watch_said_earlier_and_no_longer_finds_is_over(self, root: Path) -> None:
        env = built(root, scheduled=False)
        backup_days.add_backup(env, NOON)
        alerts.report(env.ctx, "watch:dev", [self.finding("made up")])
        assert kinds(env) == []

    def test_a_warning_is_reported_and_is_not_critical(self, root: Path) -> None:
        env = built(root, scheduled=False)
        backup_days.add_backup(env, NOON)
        alerts.report(env.ctx, "run:dev_backup", [self.finding("run", Level.WARNING)])
        overview = status.overview(env.ctx, [env])
        assert (overview.critical, overview.environments[0].health) == (False, "warning")

    def test_an_alert_of_another_environment_is_not_this_ones(self, root: Path) -> None:
        env = built(root, scheduled=False)
        alerts.report(env.ctx, "run:dev_backup", [self.finding("run")])
        assert kinds(env.ctx.env(Environment.PROD)) == []


class TestCommands:
    """The exit code, and both ways of asking for figures."""

    def test_a_fresh_clone_is_not_critical(self, root: Path) -> None:
        shell = Shell(root)
        said = shell.ledgerflow("status", "--json")
        assert (said.code, said.json["critical"]) == (0, False)
        assert {one["standing"] for one in said.json["environments"]} == {"quiet"}

    def test_an_old_backup_that_nothing_renews_by_itself_is_not_critical(self, root: Path) -> None:
        env = builders.env(root)
        backup_days.add_backup(env, env.ctx.clock() - timedelta(days=90))
        said = Shell(root).ledgerflow("status", LEDGER_ENV="dev")
        assert said.code == 0, said.all
        assert "dev: newest proven backup is 90 d" in said.out

    def test_where_backups_should_come_and_do_not_the_code_is_1(self, root: Path) -> None:
        env = builders.env(root)
        backup_days.add_backup(env, env.ctx.clock() - timedelta(days=90))
        said = Shell(root).ledgerflow("status", "--json", LEDGER_DEV_SCHEDULED="true")
        assert (said.code, said.json["critical"]) == (1, True)
        dev = said.json["environments"][0]
        assert (dev["standing"], bool(dev["next_run"])) == ("critical", True)
        assert any(one["level"] == "critical" and one["hint"] for one in dev["incidents"])

    def test_a_screen_holds_three_environments(self, root: Path) -> None:
        env = builders.env(root)
        now = env.ctx.clock()
        for environment in Environment:
            backup_days.add_days(
                env.ctx.env(environment), now - timedelta(hours=1), 12, backup_days.mixed_day
            )
        shell = Shell(root)
        for variables in ({}, {"NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}):
            said = shell.ledgerflow("status", COLUMNS="100", **variables)
            assert said.code == 0, said.all
            assert len(said.out.splitlines()) <= 24
            assert max(map(len, said.out.splitlines())) <= 100 + len(str(root))
            assert "\x1b" not in said.out
        assert said.out.isascii()
        assert "[                  #####_#-#X##]" in said.out

    def test_a_textfile_takes_its_name_when_it_is_whole_and_others_may_read_it(self, root: Path) -> None:
        file = root / "collector" / "ledgerflow.prom"
        file.parent.mkdir()
        shell = Shell(root)
        for _ in range(2):
            said = shell.ledgerflow("metrics", "--json", TEXTFILE=str(file))
            assert (said.code, said.json) == (0, {"file": str(file)})
        assert [one.name for one in file.parent.iterdir()] == ["ledgerflow.prom"]
        assert file.stat().st_mode & 0o044 == 0o044
        assert file.read_text().endswith("\n")
        assert "ledgerflow_build_info" in file.read_text()

    @pytest.mark.parametrize(
        ("name", "words"),
        [("ledgerflow.txt", "does not end in .prom"), ("nowhere/x.prom", "nowhere is not a folder")],
    )
    def test_a_textfile_that_cannot_be_is_reported(self, root: Path, name: str, words: str) -> None:
        said = Shell(root).ledgerflow("metrics", "--json", TEXTFILE=str(root / name))
        assert said.code == said.json["exit_code"] == 1
        assert words in said.json["error"]["message"]
        assert said.json["error"]["hint"]

    def test_a_port_that_is_taken_is_reported(self, root: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            said = Shell(root).ledgerflow("metrics", "--serve", "--port", str(taken.getsockname()[1]))
        assert said.code == 1
        assert "cannot be used" in said.errors

    def test_every_sample_is_in_the_json_as_well(self, root: Path) -> None:
        shell = Shell(root)
        samples = shell.ledgerflow("metrics", "--json").json["metrics"]
        text = shell.ledgerflow("metrics").out
        assert len(samples) == len([line for line in text.splitlines() if not line.startswith("#")])


def test_figures_keep_the_conventions_of_exporters(root: Path) -> None:
    env = built(root)
    backup_days.add_backup(env, NOON)
    journal_file.append_entry(
        env.ctx.settings.state_dir, {"what": "backup", "environment": "x'\"\n", "at": "never"}
    )
    for family in metrics.metric_families(env.ctx):
        assert family.name.startswith("ledgerflow_")
        assert family.documentation.endswith(".")
        assert (family.type == "counter") is family.name.endswith("operations")
        for sample in family.samples:
            assert not re.search(r"_(ms|kb|mb|minutes|hours|days|percent)\b", sample.name)
            assert sample.labels.get("environment", "") in ("", "dev", "test", "prod")


def test_what_was_restored_long_ago_lowers_the_coverage(root: Path) -> None:
    env = built(root)
    for days in (1, 2, 40):
        backup_days.add_backup(env, NOON - timedelta(days=days))
    backup_days.add_backup(env, NOON, rung=Rung.READABLE)
    assert of(figures(env), "ledgerflow_drill_coverage_ratio", environment="dev") == [0.75]
    told = status.status(env).as_json()
    assert told["drills"] == {"restored": 3, "of": 4, "within_days": 30}
    assert json.loads(json.dumps(told)) == told


def test_what_keeps_the_watch_from_looking_is_a_finding(root: Path) -> None:
    env = built(root)

    def fails() -> list[Finding]:
        raise LedgerError("The disk is gone.", hint=Hint("Mount it."))

    [finding] = status._findings_or_error("watch", env.environment, fails)
    assert (finding.level, finding.message, str(finding.hint)) == (
        Level.CRITICAL,
        "The disk is gone.",
        "Mount it.",
    )
