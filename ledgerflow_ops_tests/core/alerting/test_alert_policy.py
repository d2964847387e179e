"""Who is notified of what and when: over generated histories, and rule by rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.alerting import alert_policy
from ledgerflow_ops.core.alerting.alert_policy import (
    CHANNEL_FAILURE,
    AlertMessage,
    AlertPolicy,
    Channel,
    MessageKind,
    Omissions,
    process_findings,
)
from ledgerflow_ops.core.alerting.findings import Alert, AlertState, Finding, Level
from ledgerflow_ops.core.alerting.incidents import group_incidents
from ledgerflow_ops.core.alerting.quiet_hours import QuietHours
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops_tests.hypothesis_profiles import examples

DEV, TEST, PROD = Environment.DEV, Environment.TEST, Environment.PROD
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MAIL, PHONE = Channel("mail"), Channel("phone", (PROD,), Level.CRITICAL)
NIGHT = QuietHours(time(22), time(7), ZoneInfo("Europe/Vienna"))


def finding(
    environment: Environment | None = PROD,
    kind: str = "late",
    level: Level = Level.CRITICAL,
    *,
    cause: str = "",
    message: str = "It is late.",
) -> Finding:
    return Finding(environment, kind, "", level, message, Hint(make("backup")), cause)


@dataclass
class People:
    """The channels' readers: what each has received, computed independently of the product."""

    policy: AlertPolicy = field(default_factory=lambda: AlertPolicy((MAIL, PHONE)))
    now: datetime = NOON
    state: AlertState = field(default_factory=AlertState)
    broken: set[str] = field(default_factory=set)
    sent: list[AlertMessage] = field(default_factory=list)
    said: dict[str, list[Finding]] = field(default_factory=dict)
    heard: dict[tuple[str, tuple[str, ...]], list[tuple[datetime, int]]] = field(default_factory=dict)
    failed: dict[str, datetime] = field(default_factory=dict)

    def report(self, source: str, *findings: Finding, after: timedelta = MINUTE) -> list[AlertMessage]:
        """What is sent when `source` reports, `after` the last report; each rule is checked at once."""
        self.now += after
        self.said[source] = list(findings)
        self.state, messages = process_findings(self.state, source, findings, self.now, self.policy)
        for message in messages:
            self._hold_to_the_rules(message)
            if message.channel in self.broken:
                self.state = alert_policy.mark_failed(self.state, message, self.now)
                self.failed[message.channel] = self.now
                continue
            self._take(message)
        assert AlertState.decode(self.state.encode()) == self.state
        self._nothing_is_lost()
        return [message for message in messages if message.channel not in self.broken]

    def _take(self, message: AlertMessage) -> None:
        self.state = alert_policy.mark_delivered(self.state, message, self.now)
        self.sent.append(message)
        for alert in message.alerts:
            if message.kind is MessageKind.RECOVERY:
                self.heard.pop((message.channel, alert.id), None)
            else:
                known = self.heard.setdefault((message.channel, alert.id), [])
                known.append((self.now, alert.finding.weight))

    def _hold_to_the_rules(self, message: AlertMessage) -> None:
        current = {(source, *one.key): one for source, listed in self.said.items() for one in listed}
        if message.kind is MessageKind.RECOVERY:
            for alert in message.alerts:
                assert self.heard.get((message.channel, alert.id)), "it was never sent"
                assert alert.id not in current, "it still stands"
            weight = max(self.heard[message.channel, one.id][-1][1] for one in message.alerts)
        else:
            assert all(alert.id in current for alert in message.alerts), "it does not stand"
            weight = message.weight
            assert weight > self._knows(message.channel, message.alerts[0]), "sent twice"
        if self.policy.quiet and self.policy.quiet.at(self.now):
            assert weight == 2, "it wakes somebody"

    def _knows(self, channel: str, member: Alert) -> int:
        """The weight of what the channel was sent about its incident within the reminder time."""
        incidents = group_incidents(self.state.alerts)
        ids = [[alert.id for alert in incident] for incident in incidents]
        members = next(listed for listed in ids if member.id in listed)
        told = [one for id_ in members for one in self.heard.get((channel, id_), [])]
        return max((weight for at, weight in told if abs(self.now - at) < self.policy.remind), default=-1)

    def _nothing_is_lost(self) -> None:
        """Each channel has been sent all open alerts that it takes, except at night or while it is broken."""
        for alert in self.state.alerts:
            if not alert.is_open:
                continue
            for channel in self.policy.channels:
                quiet = self.policy.quiet and self.policy.quiet.at(self.now)
                excused = (quiet and alert.finding.weight < 2) or channel.name in self.broken
                tried = self.failed.get(channel.name)
                excused = excused or (tried is not None and self.now - tried < self.policy.retry)
                if channel.wants(alert.finding) and not excused:
                    assert self._knows(channel.name, alert) >= alert.finding.weight, "nobody knows"
        standing = {(source, *one.key) for source, listed in self.said.items() for one in listed}
        assert {alert.id for alert in self.state.alerts if alert.is_open} == standing


KINDS = st.builds(
    finding,
    st.sampled_from([DEV, PROD, None]),
    st.sampled_from(["late", "rpo", CHANNEL_FAILURE]),
    st.sampled_from(list(Level)),
    cause=st.sampled_from(["", "", "the server is down"]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["watch:dev", "watch:prod"]),
        st.lists(KINDS, max_size=4, unique_by=lambda one: one.key),
        st.sampled_from([MINUTE, 4 * MINUTE, 7 * MINUTE, HOUR, 9 * HOUR, 25 * HOUR, 4 * DAY]),
        st.sampled_from([set(), set(), {"mail"}, {"phone"}, {"mail", "phone"}]),
    ),
    max_size=25,
)


class TestAnyHistory:
    @examples(200)
    @given(STEPS, st.sampled_from([None, NIGHT]))
    def test_nothing_is_lost_nothing_is_reported_twice_and_no_end_without_a_beginning(
        self, steps: Sequence[tuple[str, list[Finding], timedelta, set[str]]], quiet: QuietHours | None
    ) -> None:
        people = People(AlertPolicy((MAIL, PHONE), quiet=quiet))
        for source, findings, after, broken in steps:
            people.broken = broken
            people.report(source, *findings, after=after)
        # In the end nothing is wrong and the channels work: every recovery was sent, and no alert is kept.
        people.broken = set()
        for source in ("watch:dev", "watch:prod"):
            people.report(source)
        for _ in range(40):
            people.report("watch:dev", after=HOUR)
        assert people.heard == {}
        people.report("watch:dev", after=3 * DAY)
        assert people.state == AlertState()

    @examples(100)
    @given(st.lists(st.booleans(), min_size=200, max_size=400), st.sampled_from([MINUTE, 6 * MINUTE, HOUR]))
    def test_what_comes_and_goes_is_no_storm(self, there: list[bool], pace: timedelta) -> None:
        people = People()
        for stands in there:
            people.report("watch:prod", *([finding()] if stands else []), after=pace)
        spent = (people.now - NOON) / DAY
        told = [message for message in people.sent if message.channel == "mail"]
        # The pause doubles from 5 minutes to a day, nine times, and stays; each time it comes and it goes.
        assert len(told) <= 2 * (10 + spent)


class TestAnIncident:
    def test_is_reported_once_then_every_reminder_time_then_that_it_is_over(self) -> None:
        people = People()
        [mail, phone] = people.report("watch:prod", finding())
        assert (mail.kind, mail.channel, phone.channel) == (MessageKind.ALERT, "mail", "phone")
        for _ in range(23):
            assert people.report("watch:prod", finding(), after=HOUR) == []
        assert {one.kind for one in people.report("watch:prod", finding(), after=HOUR)} == {
            MessageKind.REMINDER
        }
        assert people.report("watch:prod") == [], "it may come back"
        assert people.report("watch:prod", after=4 * MINUTE) == []
        over = people.report("watch:prod", after=MINUTE)
        assert [(one.kind, one.channel) for one in over] == [
            (MessageKind.RECOVERY, "mail"),
            (MessageKind.RECOVERY, "phone"),
        ]
        assert people.report("watch:prod", after=DAY) == []

    def test_that_rises_is_reported_again_and_one_that_falls_is_not(self) -> None:
        people = People()
        warning, critical = finding(level=Level.WARNING), finding()
        assert [one.channel for one in people.report("watch:prod", warning)] == ["mail"]
        assert [one.channel for one in people.report("watch:prod", critical)] == ["mail", "phone"]
        assert people.report("watch:prod", warning) == []
        assert people.report("watch:prod", critical) == [], "up and down is no storm"

    def test_with_other_words_is_the_same(self) -> None:
        people = People()
        people.report("watch:prod", finding(message="It is 26 h old."))
        assert people.report("watch:prod", finding(message="It is 27 h old.")) == []
        assert people.state.alerts[0].finding.message == "It is 27 h old."

    def test_that_comes_back_after_its_end_is_new_and_its_end_takes_longer(self) -> None:
        people = People()
        people.report("watch:prod", finding())
        people.report("watch:prod")
        people.report("watch:prod", after=5 * MINUTE)
        assert {one.kind for one in people.report("watch:prod", finding())} == {MessageKind.ALERT}
        people.report("watch:prod")
        assert people.report("watch:prod", after=9 * MINUTE) == []
        assert {one.kind for one in people.report("watch:prod", after=MINUTE)} == {MessageKind.RECOVERY}

    @pytest.mark.parametrize("turn", [1, -1])
    def test_that_is_said_twice_at_once_counts_as_the_worse_one(self, turn: int) -> None:
        people = People()
        both = [finding(level=Level.WARNING), finding()][::turn]
        state, messages = process_findings(people.state, "watch:prod", both, NOON, people.policy)
        assert [one.channel for one in messages] == ["mail", "phone"]
        assert len(state.alerts) == 1

    def test_of_another_source_is_left_alone(self) -> None:
        people = People()
        people.report("watch:prod", finding())
        assert people.report("run:prod_backup") == []
        assert people.state.alerts[0].is_open

    def test_is_reminded_of_whoever_reports(self) -> None:
        people = People()
        people.report("run:prod_backup", finding())
        assert {one.kind for one in people.report("watch:dev", after=25 * HOUR)} == {MessageKind.REMINDER}

    def test_a_clock_that_was_years_ahead_silences_nothing(self) -> None:
        people = People(now=NOON + 2000 * DAY)
        people.report("watch:prod", finding())
        people.now = NOON
        assert {one.kind for one in people.report("watch:prod", finding())} == {MessageKind.REMINDER}


class TestOneCause:
    NINE = tuple(
        finding(DEV, kind, cause="the server is down")
        for kind in ("late", "rpo", "size", "rows", "schema", "duration", "drill", "coverage", "folder")
    )

    def test_is_one_message_not_nine(self) -> None:
        people = People()
        [message] = people.report("watch:dev", *self.NINE)
        assert len(message.alerts) == 9

    def test_is_one_message_across_environments_and_sources(self) -> None:
        people = People()
        people.report("watch:dev", *self.NINE)
        others = [replace(one, environment=TEST) for one in self.NINE]
        assert people.report("watch:test", *others) == []
        assert people.report("run:dev_backup", finding(DEV, "run failed", cause="the server is down")) == []

    def test_but_prod_is_never_hidden_behind_dev(self) -> None:
        people = People()
        people.report("watch:dev", *self.NINE)
        told = people.report("watch:prod", finding(cause="the server is down"))
        assert [one.channel for one in told] == ["mail", "phone"]
        assert told[0].alerts[0].finding.environment is PROD
        assert people.report("watch:dev", *self.NINE) == []

    def test_is_over_when_all_of_it_is(self) -> None:
        people = People()
        people.report("watch:dev", *self.NINE)
        assert people.report("watch:dev", *self.NINE[:1]) == []
        assert people.report("watch:dev", *self.NINE[:1], after=HOUR) == []
        people.report("watch:dev")
        [message] = people.report("watch:dev", after=HOUR)
        assert (message.kind, len(message.alerts)) == (MessageKind.RECOVERY, 9)

    def test_a_server_that_libpq_cannot_reach_is_a_cause_by_itself(self) -> None:
        people = People()
        text = 'connection to server at "127.0.0.1", port 5433 failed: Connection refused'
        people.report("watch:dev", finding(DEV, message=f"127.0.0.1:5433/dev: {text}"))
        assert people.report("watch:test", finding(TEST, message=f"127.0.0.1:5433/test: {text}")) == []
        other = people.report("watch:test", finding(TEST, message=text.replace("5433", "5434")))
        assert len(other) == 1


class TestWhatAReportDoesNotSay:
    """A finding that is absent from a report has ended only if somebody looked for it."""

    @pytest.mark.parametrize(
        ("part", "unseen", "stays"),
        [
            ("proof", {"proof"}, True),
            ("proof", {"files"}, False),
            ("disks /srv", {"disks"}, True),
            ("disks /srv", {"disks /srv"}, True),
            ("disks /srv", {"disks /s"}, False),
            ("disks", {"disks /srv"}, False),
            ("", {"files"}, True),
            ("", set(), False),
        ],
    )
    def test_stays_open_where_nobody_could_look(self, part: str, unseen: set[str], stays: bool) -> None:
        people = People()
        people.report("watch:prod", replace(finding(), part=part))
        after, messages = process_findings(
            people.state, "watch:prod", [], NOON + 2 * DAY, people.policy, Omissions(unseen=unseen)
        )
        assert after.alerts[0].is_open is stays
        assert (messages[0].kind is MessageKind.REMINDER) if stays else messages == []

    def test_leaves_other_sources_alone(self) -> None:
        people = People()
        people.report("watch:prod", replace(finding(), part="proof"))
        omissions = Omissions(unseen={"proof"}, outdated={finding().key})
        after, _ = process_findings(people.state, "watch:dev", [], NOON + MINUTE, people.policy, omissions)
        assert after.alerts[0].is_open

    def test_that_is_outdated_is_dropped_without_a_word(self) -> None:
        people = People()
        people.report("run:prod_restore", finding())
        gone = Omissions(outdated={finding().key})
        after, messages = process_findings(
            people.state, "run:prod_restore", [], NOON + HOUR, people.policy, gone
        )
        assert (messages, after.alerts[0].closed) == ([], NOON + HOUR)
        later, messages = process_findings(after, "run:prod_restore", [], NOON + 3 * DAY, people.policy)
        assert (messages, later) == ([], AlertState())


class TestAtNight:
    BEFORE_TEN = datetime(2026, 11, 23, 20, 58, tzinfo=UTC)

    def people(self) -> People:
        people = People(AlertPolicy((MAIL, PHONE), quiet=NIGHT), self.BEFORE_TEN)
        people.report("watch:dev")
        return people

    @pytest.mark.parametrize(
        "waits",
        [finding(level=Level.WARNING), finding(DEV), finding(TEST), finding(None, level=Level.WARNING)],
    )
    def test_what_can_wait_is_reported_in_the_morning_if_it_still_stands(self, waits: Finding) -> None:
        people = self.people()
        assert people.report("watch:x", waits, after=2 * MINUTE) == []
        assert people.report("watch:x", waits, after=8 * HOUR) == []
        assert len(people.report("watch:x", waits, after=HOUR)) == 1

    def test_what_ended_by_itself_is_not_reported(self) -> None:
        people = self.people()
        people.report("watch:x", finding(DEV), after=2 * MINUTE)
        people.report("watch:x")
        assert people.report("watch:x", after=10 * HOUR) == []
        assert people.state == AlertState()

    @pytest.mark.parametrize("wakes", [finding(PROD), finding(None)])
    def test_prods_and_the_machines_critical_ones_wake(self, wakes: Finding) -> None:
        people = self.people()
        assert people.report("watch:x", wakes, after=2 * MINUTE)
        people.report("watch:x")
        assert {one.kind for one in people.report("watch:x", after=HOUR)} == {MessageKind.RECOVERY}

    def test_a_warning_that_becomes_critical_wakes(self) -> None:
        people = self.people()
        assert people.report("watch:x", finding(level=Level.WARNING), after=2 * MINUTE) == []
        assert people.report("watch:x", finding())


class TestAChannelThatFails:
    def test_gets_it_later_and_the_others_do_not_get_it_again(self) -> None:
        people = People(broken={"phone"})
        assert [one.channel for one in people.report("watch:prod", finding())] == ["mail"]
        [alert] = people.state.alerts
        assert alert.undelivered
        people.broken = set()
        assert people.report("watch:prod", finding(), after=4 * MINUTE) == [], "not tried all the time"
        assert [one.channel for one in people.report("watch:prod", finding())] == ["phone"]
        assert not people.state.alerts[0].undelivered

    def test_that_is_taken_out_of_the_settings_leaves_nothing_undelivered(self) -> None:
        people = People(broken={"phone"})
        people.report("watch:prod", finding())
        people.policy = AlertPolicy((MAIL,))
        people.report("watch:prod", finding())
        assert not people.state.alerts[0].undelivered

    def test_that_is_new_gets_what_stands(self) -> None:
        people = People(AlertPolicy(()))
        assert people.report("watch:prod", finding()) == []
        people.policy = AlertPolicy((MAIL,))
        assert [one.channel for one in people.report("watch:prod", finding())] == ["mail"]

    def test_is_not_reported_of_its_own_failure(self) -> None:
        people = People()
        broken = Finding(
            None, CHANNEL_FAILURE, "mail", Level.CRITICAL, "It does not work.", Hint(make("alert-test"))
        )
        assert [one.channel for one in people.report("alerts", broken)] == ["phone"]


def test_what_cannot_be_read_is_said_without_repeating_it() -> None:
    for data in (
        b"",
        b"[]",
        b'{"alerts": [{"source": "hunter2"}]}',
        b"\xff",
        AlertState((Alert("x", finding(), NOON),)).encode()[:-9],
    ):
        with pytest.raises(ValueError, match="cannot be read") as caught:
            AlertState.decode(data)
        assert "hunter2" not in str(caught.value)
