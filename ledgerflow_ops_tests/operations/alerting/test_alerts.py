"""Alerts arrive at real receivers; a failed delivery is noticed, and no secret is ever shown."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.cluster.cluster import free_port
from ledgerflow_ops.adapters.services import notifications
from ledgerflow_ops.adapters.system import journal_file
from ledgerflow_ops.core.alerting.alert_messages import MessageText
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations.alerting import alerts, channels
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import disks, sinks
from ledgerflow_ops_tests.fakes.reporting import LATE
from ledgerflow_ops_tests.fakes.sinks import Mail, Web

DEV = Environment.DEV
SMALL = replace(LATE, kind="size", level=Level.WARNING, message="The dump is small.")
SECRETS = ("hunter2", "t0ken", "owner:")


@dataclass
class Office:
    """A context whose clock the test sets, and its channels."""

    root: Path
    named: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    now: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    heard: Recorder = field(default_factory=Recorder)

    @property
    def ctx(self) -> OperationContext:
        listed = [{"name": name, "url": url, **self.more.get(name, {})} for name, url in self.named.items()]
        asked = {"channels": listed, **self.more.get("alerts", {})}
        return OperationContext(builders.settings(self.root, alerts=asked), self.heard, lambda: self.now)

    def report(self, *findings: Finding, source: str = "watch:prod", minutes: float = 0) -> None:
        self.now += timedelta(minutes=minutes)
        alerts.report(self.ctx, source, findings)

    @property
    def file(self) -> Path:
        return self.root / "state" / "alerts.json"

    def noted(self, what: str) -> list[dict[str, Any]]:
        return [one for one in journal_file.read_entries(self.root / "state") if one["what"] == what]

    @property
    def errors(self) -> list[str]:
        """The errors of failed deliveries in the journal."""
        return [one["error"] for one in self.noted("told") if one["result"] != "ok"]


@pytest.fixture
def mail() -> Iterator[Mail]:
    with sinks.mail() as mail:
        yield mail


@pytest.fixture
def office(root: Path, web: Web) -> Office:
    return Office(root, {"web": web.url})


class TestArriving:
    def test_by_mail_and_over_the_web(self, office: Office, web: Web, mail: Mail) -> None:
        office.named["mail"] = mail.url
        office.report(replace(LATE, run_id="42"))
        [sent], [letter] = web.alerts, mail.messages
        assert sent["title"] == letter["Subject"] == "prod: CRITICAL: The backup is late."
        assert sent["type"] == "failure"
        body = letter.get_content() if hasattr(letter, "get_content") else ""
        for text in (sent["message"], body.replace("\r\n", "\n")):
            assert "Since: 2026-11-23 12:00 UTC (0 s ago)" in text
            assert "Still safe in prod: NOTHING: no backup is proven" in text
            assert "Do: LEDGER_ENV=prod make backup" in text
            assert "Run: 42" in text
        assert (letter["From"], letter["To"]) == ("ledger@books.example", "owner@books.example")
        [alert] = alerts.open_alerts(office.ctx)
        assert (set(alert.told), alert.undelivered) == ({"web", "mail"}, False)
        assert [one["kind"] for one in office.noted("alert")] == ["late"]
        assert {one["channel"] for one in office.noted("told")} == {"web", "mail"}

    def test_once_then_that_it_is_over(self, office: Office, web: Web) -> None:
        for _ in range(3):
            office.report(LATE, minutes=1)
        office.report(minutes=1)
        office.report(minutes=5)
        assert web.titles == ["prod: CRITICAL: The backup is late.", "prod: RESOLVED: The backup is late."]
        assert alerts.open_alerts(office.ctx) == []
        office.report(minutes=1)
        assert len(office.noted("alert is over")) == 1

    def test_at_those_who_want_it(self, office: Office, web: Web, mail: Mail) -> None:
        office.named["mail"] = mail.url
        office.more = {"web": {"level": "critical", "environments": ["prod"]}}
        office.report(SMALL, replace(LATE, environment=DEV))
        assert (len(web.requests), len(mail.messages)) == (0, 2)

    def test_a_dead_server_is_one_message_over_checks_and_environments(
        self, office: Office, web: Web
    ) -> None:
        text = 'connection to server at "127.0.0.1", port 5433 failed: Connection refused'
        nine = [replace(LATE, environment=DEV, kind=f"check {n}", message=f"x/dev: {text}") for n in range(9)]
        office.report(*nine, source="watch:dev")
        office.report(*[replace(one, environment=Environment.TEST) for one in nine], source="watch:test")
        assert web.titles == ["dev: CRITICAL: The server 127.0.0.1:5433 cannot be reached. (9 findings)"]
        assert len(alerts.open_alerts(office.ctx)) == 18

    def test_after_the_night(self, office: Office, web: Web) -> None:
        office.more["alerts"] = {"quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "Europe/Vienna"}
        office.report(SMALL, minutes=12 * 60)
        office.report(SMALL, LATE, minutes=1)
        assert web.titles == ["prod: CRITICAL: The backup is late."]
        office.report(SMALL, LATE, minutes=6 * 60)
        assert len(web.titles) == 2
        assert "Since: 2026-11-24 01:00 CET" in web.alerts[1]["message"]

    def test_what_is_open_comes_loudest_first(self, office: Office) -> None:
        office.report(SMALL, replace(LATE, environment=DEV), LATE)
        assert [one.finding.weight for one in alerts.open_alerts(office.ctx)] == [2, 1, 0]
        assert {one["undelivered"] == [] for one in map(alerts.as_json, alerts.open_alerts(office.ctx))} == {
            True
        }

    def test_without_a_channel_everything_is_kept_and_nothing_is_loaded(self, root: Path) -> None:
        program = (
            "import sys; from ledgerflow_ops_tests.operations.alerting.test_alerts import *\n"
            "for name in [one for one in sys.modules if one.startswith('apprise')]: del sys.modules[name]\n"
            f"office = Office(Path({str(root)!r})); office.report(LATE)\n"
            "assert len(alerts.open_alerts(office.ctx)) == 1\n"
            "assert channels.channel_errors(office.ctx.settings) == {}\n"
            "assert 'apprise' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True)


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    """All that any library logs. (pytest's own handler listens where no other one would.)"""
    root, log = logging.getLogger(), io.StringIO()
    level, handler = root.level, logging.StreamHandler(log)
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        root.debug("it works")
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _failing(stack: ExitStack, how: str) -> tuple[str, str]:
    """A channel that fails in this way, and the message about it."""
    if how == "answers 500":
        web = stack.enter_context(sinks.web())
        web.answer = 500
        return web.url, "it answered 500"
    if how == "hangs":
        return stack.enter_context(sinks.hanging()), "it did not answer in time"
    if how == "refuses":
        return sinks.refusing(), "the connection was refused"
    if how == "mail refuses":
        port = free_port()
        url = f"mailto://owner:hunter2@127.0.0.1:{port}?from=a@b.example&to=t0ken@x.example&mode=insecure"
        return url, "the connection was refused"
    if how == "denies":
        web = stack.enter_context(sinks.web())
        web.answer = 401
        return web.url, "it does not accept the account"
    return sinks.UNKNOWN, "its name does not resolve"


class TestNotArriving:
    @pytest.mark.parametrize(
        "how", ["answers 500", "hangs", "refuses", "mail refuses", "denies", "does not resolve"]
    )
    def test_is_seen_reported_by_the_next_channel_and_tried_again(
        self,
        office: Office,
        web: Web,
        how: str,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with ExitStack() as stack:
            log = stack.enter_context(_logged())
            url, why = _failing(stack, how)
            office.named = {"phone": url, "web": web.url}
            office.more = {"web": {"environments": ["dev"]}}  # prod's alerts are not for it
            office.report(LATE)
            assert web.titles == [
                "prod: CRITICAL: The backup is late.",
                f"machine: WARNING: The channel phone does not take alerts: {why}.",
            ]
            late = next(one for one in alerts.open_alerts(office.ctx) if one.finding.kind == "late")
            assert late.undelivered
            assert (set(late.told), set(late.missed)) == ({"web"}, {"phone"})
            assert office.errors == [why]
            seen = len(web.requests)
            office.report(LATE, minutes=5)
            assert len(web.requests) == seen, "the next channel does not get it twice"
            assert office.errors == [why], "a channel that stays silent is noted once"
        everything = office.file.read_text() + (office.root / "state" / "journal.jsonl").read_text()
        assert "it works" in log.getvalue()
        everything += log.getvalue() + "".join(capfd.readouterr()) + repr(office.heard) + repr(web.alerts)
        assert not [secret for secret in SECRETS if secret in everything]

    def test_by_the_only_channel_comes_as_soon_as_it_works(self, office: Office, web: Web) -> None:
        web.answer = 503
        office.report(LATE, replace(LATE, kind="rpo"))
        assert len(web.requests) == 1, "what failed once is not asked for the rest"
        assert all(one.undelivered for one in alerts.open_alerts(office.ctx) if one.finding.environment)
        office.report(LATE, replace(LATE, kind="rpo"), minutes=1)
        assert len(web.requests) == 1
        web.answer = 200
        office.report(LATE, replace(LATE, kind="rpo"), minutes=5)
        assert len(web.requests) == 3
        assert not any(one.undelivered for one in alerts.open_alerts(office.ctx))
        assert {one.finding.kind for one in alerts.open_alerts(office.ctx)} == {"late", "rpo"}

    def test_of_the_end_is_tried_again_as_well(self, office: Office, web: Web) -> None:
        office.report(LATE)
        web.answer = 500
        office.report(minutes=1)
        office.report(minutes=5)
        web.answer = 200
        office.report(minutes=5)
        assert web.titles.count("prod: RESOLVED: The backup is late.") == 2

    def test_a_channel_that_hangs_holds_up_no_other_one_for_long(self, office: Office, web: Web) -> None:
        release = threading.Event()
        with sinks.web() as slow:
            slow.first = lambda: release.wait(10)
            senders = {
                "slow": notifications.make_sender("slow", slow.url),
                "web": notifications.make_sender("web", web.url),
            }
            words = MessageText("title", "body", "warning")
            begun = time.monotonic()
            found = notifications.deliver(
                {name: (one, [words, words]) for name, one in senders.items()}, patience=0.5
            )
            spent = time.monotonic() - begun
            release.set()
        assert spent < notifications.CONNECT / 2, "it was not waited for until its own time was out"
        assert found == {"slow": ["it did not answer in time"] * 2, "web": ["", ""]}


class TestAddresses:
    @pytest.mark.parametrize(
        "url", ["foo://hunter2@x/t0ken", "slack://hunter2", "json://@", "tgram://hunter2"]
    )
    def test_that_apprise_does_not_know_are_found_at_start_up(self, root: Path, url: str) -> None:
        office = Office(root, {"good": "json://127.0.0.1", "phone": url})
        with pytest.raises(SettingsError) as caught:
            channels.require_channels(office.ctx.settings)
        assert "alerts.channels.1: The alert channel 'phone'" in caught.value.message
        assert "channels.0" not in caught.value.message
        assert caught.value.hint
        assert not [secret for secret in SECRETS if secret in str(caught.value)]

    def test_that_apprise_does_not_know_fail_like_any_other_channel(self, office: Office, web: Web) -> None:
        office.named = {"phone": "slack://hunter2", **office.named}
        office.report(LATE)
        assert (
            "machine: WARNING: The channel phone does not take alerts: apprise does not know its address."
            in (web.titles)
        )


class TestTheTest:
    def test_goes_through_every_channel_and_says_which_arrived(
        self, office: Office, web: Web, mail: Mail
    ) -> None:
        office.named |= {"mail": mail.url, "phone": sinks.refusing()}
        assert alerts.send_test(office.ctx) == {"web": "", "mail": "", "phone": "the connection was refused"}
        assert web.titles == ["ledgerflow: a test"]
        assert len(mail.messages) == 1
        assert [one.finding.subject for one in alerts.open_alerts(office.ctx)] == ["phone"]

    def test_ends_what_was_known_of_a_channel_that_failed(self, office: Office, web: Web) -> None:
        web.answer = 500
        alerts.send_test(office.ctx)
        assert len(alerts.open_alerts(office.ctx)) == 1
        web.answer = 200
        alerts.send_test(office.ctx)
        assert alerts.open_alerts(office.ctx) == []

    def test_without_a_channel_there_is_nothing_to_test(self, root: Path) -> None:
        with pytest.raises(SettingsError, match="nobody is alerted") as caught:
            alerts.send_test(Office(root).ctx)
        assert "alerts.channels" in caught.value.hint


class TestTheRecord:
    def test_that_is_damaged_is_set_aside_and_reported(self, office: Office, web: Web) -> None:
        office.report(LATE)
        office.file.write_bytes(office.file.read_bytes()[:-20])
        assert alerts.open_alerts(office.ctx) == [], "reading alone touches nothing"
        assert office.file.exists()
        office.report(LATE, minutes=1)
        assert len(list(office.file.parent.glob("alerts.json.damaged-*"))) == 1
        assert web.titles.count("prod: CRITICAL: The backup is late.") == 2
        assert sum("The record of what is open was damaged" in title for title in web.titles) == 1
        office.report(LATE, minutes=60)
        assert [one.finding.kind for one in alerts.open_alerts(office.ctx)] == ["late"]

    def test_that_cannot_be_read_keeps_nobody_from_being_told(self, office: Office, web: Web) -> None:
        office.report(LATE)
        office.file.unlink()
        office.file.mkdir()  # as good as one that belongs to somebody else, also for root
        office.report(LATE, minutes=1)
        assert web.titles.count("prod: CRITICAL: The backup is late.") == 2
        assert sum("The record of what is open cannot be read" in title for title in web.titles) == 1
        assert len(list(office.file.parent.glob("alerts.json.damaged-*"))) == 1
        office.report(LATE, minutes=1)
        assert web.titles.count("prod: CRITICAL: The backup is late.") == 2, "there is a record again"

    def test_takes_a_name_that_is_no_text(self, office: Office, web: Web) -> None:
        """A file dropped into the folder may have any bytes in its name but two."""
        name = os.fsdecode(b"books\xff.dump")
        odd = replace(SMALL, subject=name, message=f"{name} has no manifest.", hint=Hint(f"FILE={name}"))
        office.report(odd, LATE)
        office.report(odd, LATE, minutes=1)
        assert sorted(web.titles) == [
            "prod: CRITICAL: The backup is late.",
            "prod: WARNING: books\\udcff.dump has no manifest.",
        ]

    def test_killed_between_sending_and_saving_tells_twice_and_forgets_nothing(
        self, office: Office, web: Web
    ) -> None:
        child = _reporting(office, web)
        web.first = lambda: os.kill(child.pid, signal.SIGKILL) if len(web.requests) == 1 else None
        assert child.wait(30) == -signal.SIGKILL
        [alert] = alerts.open_alerts(office.ctx)
        assert alert.told == {}
        assert _reporting(office, web).wait(30) == 0
        assert len(web.requests) == 2
        assert list(office.file.parent.glob(".alerts*")) == []

    def test_of_processes_that_report_at_once_is_one(self, office: Office, web: Web) -> None:
        children = [_reporting(office, web) for _ in range(3)]
        assert [child.wait(60) for child in children] == [0, 0, 0]
        assert len(web.requests) == 1
        assert len(alerts.open_alerts(office.ctx)) == 1

    def test_is_kept_on_a_disk_that_is_full(self, office: Office, web: Web) -> None:
        with disks.small_disk(office.root / "state", "2m") as state:
            office.report(SMALL)
            disks.fill(state)
            office.report(SMALL, LATE)
            office.report(SMALL, LATE, minutes=1)
            assert len(web.requests) == 2, "it remembers what it sent"
            assert office.heard.said == []

    def test_that_cannot_be_kept_hinders_nobody_from_being_told(self, office: Office, web: Web) -> None:
        office.report(SMALL)
        with disks.read_only(office.root / "state"):
            office.report(SMALL, LATE)
        assert len(web.requests) == 2
        assert any("alerts may be repeated" in text for text in office.heard.said)

    def test_is_for_its_owner_alone(self, office: Office) -> None:
        office.report(LATE)
        assert office.file.stat().st_mode & 0o777 == 0o600
        assert json.loads(office.file.read_text())["alerts"]


def _reporting(office: Office, web: Web) -> "subprocess.Popen[bytes]":
    module = "ledgerflow_ops_tests.fakes.reporting"
    command = [sys.executable, "-m", module, str(office.root), web.url, "watch:prod"]
    return subprocess.Popen(command, cwd=PROJECT)
