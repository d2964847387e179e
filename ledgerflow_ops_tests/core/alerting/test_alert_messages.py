"""The text of an alert, as it arrives on a phone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledgerflow_ops.core.alerting.alert_messages import MessageContext, compose_message, describe_safety
from ledgerflow_ops.core.alerting.alert_policy import AlertMessage, MessageKind
from ledgerflow_ops.core.alerting.findings import Alert, Finding, Level
from ledgerflow_ops.core.alerting.root_cause import cause_of
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops_tests.fakes import histories

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATE = Finding(
    Environment.PROD,
    "late",
    "",
    Level.CRITICAL,
    "The backup of 2026-11-23 is late.",
    Hint(make("backup")),
    run_id="42",
)
SAFE = {Environment.PROD: "a.dump, proven, 33 h old", Environment.DEV: "NOTHING: no backup is proven"}
CONTEXT = MessageContext(NOW, ZoneInfo("Europe/Vienna"), SAFE, "http://127.0.0.1:3000")


def alert(finding: Finding = LATE) -> Alert:
    return Alert("watch:prod", finding, NOW - timedelta(hours=3, minutes=10, seconds=5))


def test_it_says_what_happened_since_when_what_is_safe_what_to_do_and_where_to_look() -> None:
    found = compose_message(AlertMessage(MessageKind.ALERT, "phone", (alert(),)), CONTEXT)
    assert found.title == "prod: CRITICAL: The backup of 2026-11-23 is late."
    assert found.body.splitlines() == [
        "The backup of 2026-11-23 is late.",
        "Since: 2026-11-23 09:49 CET (3 h 10 min ago)",
        "Still safe in prod: a.dump, proven, 33 h old",
        "Do: LEDGER_ENV=prod make backup",
        "Run: http://127.0.0.1:3000/runs/42",
    ]
    assert found.bad == "critical"


def test_what_is_safe_has_its_age_and_is_not_made_older_by_a_wrong_clock() -> None:
    (newest,) = histories.history(5, days=1)
    name, taken = newest.name.dump, newest.recovery_point
    assert describe_safety(None, taken) == "NOTHING: no backup is proven"
    assert describe_safety(newest, taken + timedelta(hours=33)) == f"{name}, proven, 1 d 9 h old"
    assert describe_safety(newest, taken - timedelta(minutes=5)).endswith("old"), "clocks differ a little"
    ahead = describe_safety(newest, taken - timedelta(days=300))
    assert ahead == f"{name}, proven, but of {taken:%Y-%m-%d %H:%M} UTC: IN THE FUTURE"


def test_a_reminder_and_an_end_are_told_apart() -> None:
    again = compose_message(AlertMessage(MessageKind.REMINDER, "phone", (alert(),)), CONTEXT)
    assert again.title == "prod: STILL CRITICAL: The backup of 2026-11-23 is late."
    over = compose_message(AlertMessage(MessageKind.RECOVERY, "phone", (alert(),)), CONTEXT)
    assert over.title == "prod: RESOLVED: The backup of 2026-11-23 is late."
    assert "This is no longer reported." in over.body
    assert "Do:" not in over.body
    assert over.bad == "success"


def test_nine_findings_of_one_cause_are_one_message_with_one_command() -> None:
    cause = "The server db:5432 cannot be reached."
    many = [alert(replace(LATE, subject=str(n), cause=cause, run_id="")) for n in range(11)]
    many.append(alert(replace(LATE, environment=Environment.DEV, level=Level.WARNING, cause=cause)))
    found = compose_message(AlertMessage(MessageKind.ALERT, "phone", tuple(many)), CONTEXT)
    assert found.title == f"prod, dev: CRITICAL: {cause} (12 findings)"
    assert found.body.count("The backup of 2026-11-23 is late.") == 10
    assert "… and 2 more." in found.body
    assert "Still safe in dev: NOTHING" in found.body
    assert found.body.count("Do: ") == 1


def test_what_is_wrong_with_the_machine_says_what_is_safe_everywhere() -> None:
    found = compose_message(
        AlertMessage(MessageKind.ALERT, "phone", (alert(replace(LATE, environment=None)),)), CONTEXT
    )
    assert found.title.startswith("machine: ")
    assert {line for line in found.body.splitlines() if "safe" in line} == {
        f"Still safe in {name}: {text}" for name, text in SAFE.items()
    }


def test_without_a_page_the_run_goes_by_its_number() -> None:
    assert (
        "Run: 42"
        in compose_message(AlertMessage(MessageKind.ALERT, "x", (alert(),)), replace(CONTEXT, page="")).body
    )


def test_a_title_is_one_short_line() -> None:
    long = replace(LATE, message="First line\nsecond: " + "x" * 300)
    title = compose_message(AlertMessage(MessageKind.ALERT, "phone", (alert(long),)), CONTEXT).title
    assert len(title) == 120
    assert "First line second: " in title


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            'db:5432/books: connection to server at "db" (10.0.0.7), port 5432 failed: timeout expired',
            "The server db:5432 cannot be reached.",
        ),
        (
            'connection to server at "127.0.0.1", port 1 failed: refused\n\tIs it running?',
            "The server 127.0.0.1:1 cannot be reached.",
        ),
        (
            'connection to server on socket "/tmp/.s.PGSQL.5432" failed: No such file',
            "The server /tmp/.s.PGSQL.5432 cannot be reached.",
        ),
        ("server closed the connection unexpectedly", ""),
    ],
)
def test_a_server_that_cannot_be_reached_is_read_off_libpqs_words(message: str, cause: str) -> None:
    assert cause_of(message) == cause
