"""The watchdog: it detects what a dead daemon cannot, and needs no running process."""

import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ledgerflow_ops.adapters.system import clock, process
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.background_process import Server
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.operations.monitoring import first_watch, health_checks, monitor
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes import sinks
from ledgerflow_ops_tests.fakes.sinks import Web

LONG = timedelta(minutes=30)


@dataclass
class Post:
    """A machine on which prod is scheduled, some time from now."""

    root: Path
    later: timedelta = timedelta(0)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ctx(self) -> OperationContext:
        settings = builders.settings(self.root, **{"scheduled": True, **self.more})
        return OperationContext(settings, Recorder(), lambda: clock.now() + self.later)

    def found(self) -> set[tuple[str, str]]:
        return {(one.finding.kind, one.finding.subject) for one in monitor.run_watchdog(self.ctx)}

    def beat(self, ago: timedelta = timedelta(0)) -> None:
        """Signs of life of every watch, given a while ago (as the machine was awake)."""
        for name in monitor.expected_watches(self.ctx):
            monitor.write_heartbeat(self.ctx, name)
            file = self.root / "state" / "heartbeats" / name
            facts = json.loads(file.read_text())
            file.write_text(json.dumps({**facts, "awake": facts["awake"] - ago.total_seconds()}))


@pytest.fixture
def post(root: Path) -> Post:
    watched = Post(root, -timedelta(days=3))
    first_watch.watched_since(watched.ctx.env(Environment.DEV))
    return Post(root)


@pytest.fixture
def daemon(post: Post) -> Iterator[Server]:
    """A daemon that make up has started: any program will do."""
    server = Server("daemon", post.root / "state")
    server.record_file.parent.mkdir(parents=True)
    child = process.start_program(["sleep", "300"], extra={}, cwd=post.root)
    note = {"pid": child.pid, "started": psutil.Process(child.pid).create_time(), "address": ""}
    server.record_file.write_text(json.dumps(note))
    yield server
    process.stop(child)


def test_what_the_watch_sees_is_reported_without_any_daemon(post: Post) -> None:
    assert post.found()
    assert {one.source for one in alerts.open_alerts(post.ctx)} == {"watch:dev"}


def test_a_daemon_that_was_never_started_is_not_missed(post: Post) -> None:
    assert not {"server", "daemon"} & {kind for kind, _ in post.found()}


def test_a_daemon_that_died_is_reported_and_wakes(post: Post, daemon: Server) -> None:
    post.beat()
    assert ("server", "daemon") not in post.found()
    process_ = daemon.running()
    assert process_
    process_.send_signal(signal.SIGKILL)
    process_.wait()
    assert ("server", "daemon") in post.found()
    [alert] = [one for one in alerts.open_alerts(post.ctx) if one.source == "watch:machine"]
    assert (alert.finding.level, str(alert.finding.hint)[:7]) == (Level.CRITICAL, "make up")
    assert alert.finding.wakes
    daemon.record_file.unlink()  # as make down does
    assert ("server", "daemon") not in post.found()


def test_a_daemon_whose_sensors_are_silent_is_reported(post: Post, daemon: Server) -> None:
    post.later = LONG
    assert ("daemon", "silent") in post.found(), "not one sign of life"
    post.beat(monitor.MAX_SILENCE - timedelta(minutes=1))
    assert ("daemon", "silent") not in post.found()
    post.beat(LONG)
    assert ("daemon", "silent") in post.found()
    [alert] = [one for one in alerts.open_alerts(post.ctx) if one.source == "watchdog"]
    assert "dev (30 min" in alert.finding.message
    assert "machine (30 min" in alert.finding.message


def test_a_restart_of_the_daemon_does_not_show_that_its_sensors_work(post: Post, daemon: Server) -> None:
    post.later = LONG
    assert ("daemon", "silent") in post.found()
    post.later = timedelta(0)  # as if it had started this moment: its sensors are given time, and say nothing
    assert ("daemon", "silent") in post.found()
    post.beat()
    assert ("daemon", "silent") not in post.found()


def test_one_silent_sensor_is_enough(post: Post, daemon: Server) -> None:
    post.later = LONG
    post.beat()
    (post.root / "state" / "heartbeats" / "runs").unlink()
    assert ("daemon", "silent") in post.found()


def test_the_daemons_own_watch_of_the_machine_misses_the_others(post: Post, daemon: Server) -> None:
    """A sensor that is switched off, or fails at every tick, is reported without cron, too."""
    post.later = LONG
    post.beat()
    (post.root / "state" / "heartbeats" / "dev").unlink()
    (post.root / "state" / "heartbeats" / "machine").unlink()
    found = monitor.watch_machine(post.ctx)
    [mute] = [one for one in found if one.kind == "daemon"]
    assert mute.message == "The daemon runs, but its sensors are silent: dev (no heartbeat ever)."
    assert [one.source for one in alerts.open_alerts(post.ctx)] == ["watchdog"]
    monitor.write_heartbeat(post.ctx, "dev")
    assert monitor.watch_machine(post.ctx) == []
    assert alerts.open_alerts(post.ctx) == []
    assert ("daemon", "silent") in post.found(), "only the watchdog can report on the machine's own watch"


@pytest.mark.parametrize(
    ("name", "words"), [("metrics", "server of the figures"), ("viewers", "viewers' page")]
)
def test_the_smaller_servers_are_missed_as_well(post: Post, name: str, words: str) -> None:
    server = Server(name, post.root / "state")
    server.record_file.parent.mkdir(parents=True)
    server.record_file.write_text(json.dumps({"pid": 2**22 + 1, "started": 0.0, "address": ""}))
    settings = post.ctx.settings.model_copy(update={"viewers_port": 3001})
    [found] = [
        one
        for one in health_checks.find_machine_problems(OperationContext(settings, clock=clock.now))
        if one.kind == "server"
    ]
    assert (found.subject, found.level) == (name, Level.WARNING)
    assert found.message == f"The {words} was started and does not run any more."
    asked = [one for one in health_checks.find_machine_problems(post.ctx) if one.kind == "server"]
    assert [one.subject for one in asked] == (["metrics"] if name == "metrics" else [])


def test_a_daemon_that_has_just_started_is_given_time(post: Post, daemon: Server) -> None:
    assert ("daemon", "silent") not in post.found()


def test_time_that_the_machine_slept_is_no_silence(post: Post) -> None:
    post.beat()
    post.later = timedelta(hours=8)  # the clock went on, the count of seconds awake did not
    silence = monitor.heartbeat_age(post.ctx, "dev")
    assert silence is not None
    assert silence < timedelta(minutes=1)


def test_after_a_boot_the_clock_has_to_do(post: Post) -> None:
    post.beat(-timedelta(days=400))
    post.later = LONG
    silence = monitor.heartbeat_age(post.ctx, "dev")
    assert silence is not None
    assert timedelta(minutes=29) < silence < timedelta(minutes=31)


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"awake": "x"}'])
def test_a_sign_of_life_that_cannot_be_read_is_none(post: Post, text: str) -> None:
    post.beat()
    (post.root / "state" / "heartbeats" / "dev").write_text(text)
    assert monitor.heartbeat_age(post.ctx, "dev") is None


@pytest.mark.parametrize(
    "error", [LedgerError("No such disk.", hint=Hint("Mount it.")), ZeroDivisionError("oops")]
)
def test_an_environment_that_cannot_be_checked_is_reported_as_such(post: Post, error: Exception) -> None:
    """Its earlier findings stay open meanwhile, and the next environment is still examined."""
    monitor.run_watchdog(post.ctx)
    known = post.found()
    assert known
    times = iter(range(100))

    def unsteady() -> datetime:
        if next(times) == 0:
            raise error
        return datetime.now(UTC)

    ctx = post.ctx
    found = monitor.watch_environment(
        OperationContext(ctx.settings, ctx.reporter, unsteady), Environment.DEV
    ).findings
    [trouble] = found
    assert trouble.message.startswith("Dev cannot be watched: ")
    assert str(getattr(error, "message", error)) in trouble.message
    kinds = {(one.finding.kind, one.finding.subject) for one in alerts.open_alerts(ctx)}
    assert kinds == known | {("unwatched", "")}
    assert post.found() == known, "and it is over as soon as it can be seen again"


class TestCommands:
    @pytest.fixture
    def web(self) -> Iterator[Web]:
        with sinks.web() as web:
            yield web

    def shell(self, root: Path, *channels: str, scheduled: bool = False) -> Shell:
        file = root / "ledgerflow.toml"
        text = "".join(
            f'[[alerts.channels]]\nname = "channel {n}"\nurl = "{url}"\n' for n, url in enumerate(channels)
        )
        file.write_text(text + (f"[environments.prod]\nscheduled = {str(scheduled).lower()}\n"))
        first_watch.watched_since(Post(root, -timedelta(days=3)).ctx.env(Environment.PROD))
        return Shell(root, {"LEDGER_CONFIG": str(file)})

    def test_alert_test_says_which_arrived(self, root: Path, web: Web) -> None:
        said = self.shell(root, web.url).ledgerflow("alert-test")
        assert (said.code, said.out) == (0, "channel 0: delivered\n")
        said = self.shell(root, web.url, sinks.refusing()).ledgerflow("alert-test", "--json")
        assert said.code == 1
        assert said.json["channels"] == [
            {"channel": "channel 0", "delivered": True, "why_not": ""},
            {"channel": "channel 1", "delivered": False, "why_not": "the connection was refused"},
        ]
        assert "channel 1: NOT DELIVERED: the connection was refused" in said.errors
        assert "hunter2" not in said.all
        assert web.titles == ["ledgerflow: a test"] * 2

    def test_channels_that_cannot_be_used_are_refused_before_anything_starts(self, root: Path) -> None:
        shell = self.shell(root, "json://127.0.0.1", "slack://hunter2")
        for command in ("alert-test", "up"):
            said = shell.ledgerflow(command)
            assert said.code == 2
            assert "alerts.channels.1: The alert channel 'channel 1' has an address" in said.errors
            assert "hunter2" not in said.all
        assert not (shell.state / "servers").exists()
        nowhere = "postgresql://127.0.0.1:1/books"
        said = shell.ledgerflow("doctor", LEDGER_ENV="dev", LEDGER_DEV_DATABASE_URL=nowhere)
        assert said.code == 1
        assert "The alert channel 'channel 1'" in said.all
        assert "hunter2" not in said.all

    def test_without_a_channel_alert_test_says_so(self, root: Path) -> None:
        said = self.shell(root).ledgerflow("alert-test")
        assert said.code == 2
        assert "nobody is alerted" in said.errors

    def test_watchdog_ends_with_1_when_something_critical_is_open(self, root: Path, web: Web) -> None:
        said = self.shell(root, web.url, scheduled=True).ledgerflow("watchdog", "--json", QUIET="1")
        assert said.code == 1
        assert {one["level"] for one in said.json["open"]} == {"critical"}
        assert {one["environment"] for one in said.json["open"]} == {"prod"}
        assert "LEDGER_ENV=prod make backup" in said.errors
        assert web.titles

    def test_watchdog_with_quiet_says_nothing_when_nothing_is_open(self, root: Path) -> None:
        shell = self.shell(root)
        said = shell.ledgerflow("watchdog")
        assert (said.code, said.out) == (0, "No alert is open.\n")
        said = shell.ledgerflow("watchdog", QUIET="1")
        assert (said.code, said.all) == (0, "")
        assert shell.ledgerflow("watchdog", JSON="1").json == {"open": [], "exit_code": 0}

    def test_watchdog_counts_what_could_not_be_delivered(self, root: Path) -> None:
        said = self.shell(root, sinks.refusing(), scheduled=True).ledgerflow("watchdog", "--json")
        assert said.code == 1
        assert all(one["undelivered"] == ["channel 0"] for one in said.json["open"] if one["environment"])
        assert "NOT DELIVERED to channel 0" in said.errors
        assert "hunter2" not in said.all

    def test_watchdog_counts_warnings_that_could_not_be_delivered(self, root: Path) -> None:
        shell = self.shell(root, sinks.refusing(), sinks.refusing())
        assert shell.ledgerflow("alert-test").code == 1
        said = shell.ledgerflow("watchdog", "--json")
        assert {one["level"] for one in said.json["open"]} == {"warning"}
        assert said.code == 1

    def test_what_does_not_send_does_not_load_apprise(self, root: Path) -> None:
        """It takes longer than the rest of a command."""
        program = (
            "import sys\nfrom ledgerflow_ops.commands.program import program\n"
            "try:\n    program(['status'])\nexcept SystemExit:\n    pass\n"
            "sys.exit(3 if 'apprise' in sys.modules else 0)"
        )
        shell = self.shell(root, "json://127.0.0.1")
        assert shell.run([sys.executable, "-c", program]).code == 0
