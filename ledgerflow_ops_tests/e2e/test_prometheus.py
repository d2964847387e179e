"""A real Prometheus scrapes our endpoint: every query of the rules and of the dashboard has an answer."""

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.catalog.pins import Pin
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.builders import env as built
from ledgerflow_ops_tests.e2e.commands import PROGRAM, PROJECT, Shell
from ledgerflow_ops_tests.fakes import backup_days
from ledgerflow_ops_tests.fakes.prometheus import Prometheus, prometheus

pytestmark = pytest.mark.e2e

RULES = PROJECT / "docs" / "prometheus" / "rules.yml"
RULES_TEST = RULES.with_name("rules_test.yml")
DASHBOARD = PROJECT / "docs" / "grafana" / "dashboard.json"
QUIET = {"Full in"}
"""Panels that are empty where all is well: nothing fills up here."""


def expressions() -> dict[str, list[str]]:
    """The queries of each panel, as Grafana would send them with all environments chosen."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return {
        panel["title"]: [target["expr"].replace("$environment", ".+") for target in panel["targets"]]
        for panel in board["panels"]
    }


def rules() -> dict[str, str]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


@pytest.fixture(scope="module")
def shell(session_root: Path) -> Shell:
    """Folders with a month of backups in dev and prod, a journal, a pin."""
    root = session_root / "prometheus"
    root.mkdir(mode=0o711)
    now = clock.now()
    dev = built(root, scheduled=True)
    backup_days.add_days(dev, now - timedelta(hours=5), 30, backup_days.proven_day)
    prod = dev.ctx.env(Environment.PROD)
    backup_days.add_days(prod, now - timedelta(hours=40), 12, backup_days.proven_day)
    kept = backup_days.add_backup(prod, now - timedelta(days=20))
    pin = Pin(file=kept.dump, reason="audit", who="tests", since=now)
    backup_folder_of(prod).replace(kept.pin, pin.encode())
    for what, result in (("backup", "ok"), ("drill", "failed")):
        entry = {"what": what, "at": now.isoformat(), "environment": "dev", "result": result}
        journal_file.append_entry(root / "state", entry)
    return Shell(root, {"LEDGER_DEV_SCHEDULED": "true"})


@pytest.fixture(scope="module")
def target(shell: Shell) -> Iterator[str]:
    """Our endpoint, served by the program itself."""
    child = subprocess.Popen(
        [str(PROGRAM), "metrics", "--serve"],
        env=shell.environment(),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    said = child.stdout.readline()
    found = re.fullmatch(r"Metrics at http://(127\.0\.0\.1:\d+)/metrics\n", said)
    assert found, said
    yield found[1]
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, ""), "it ends when it is asked to, without a word"


@pytest.fixture(scope="module")
def asked(session_root: Path, target: str) -> Iterator[Prometheus]:
    with prometheus(session_root / "prometheus-data", target, RULES) as found:
        found.wait_for("count_over_time(ledgerflow_build_info[5m]) >= 3")  # an increase needs two samples
        yield found


def test_promtool_finds_no_fault_in_the_figures(shell: Shell) -> None:
    said = shell.ledgerflow("metrics")
    assert said.code == 0, said.all
    checked = subprocess.run(
        [needs.program("promtool"), "check", "metrics"],
        input=said.out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_rules_are_sound_and_each_fires_and_is_silent_when_it_should() -> None:
    for words in (["check", "rules", str(RULES)], ["test", "rules", str(RULES_TEST)]):
        done = subprocess.run(
            [needs.program("promtool"), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    tried = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
    fired = {
        case["alertname"] for test in tried for case in test["alert_rule_test"] if case.get("exp_alerts")
    }
    silent = {
        case["alertname"] for test in tried for case in test["alert_rule_test"] if not case.get("exp_alerts")
    }
    assert fired == silent == rules().keys()


def test_every_query_of_the_dashboard_has_an_answer(asked: Prometheus) -> None:
    found = {title: [asked.query(one) for one in all_of] for title, all_of in expressions().items()}
    empty = {title for title, answers in found.items() if not all(answers)}
    assert empty == QUIET


def test_every_series_that_rules_and_dashboard_name_is_one_of_ours(asked: Prometheus) -> None:
    asked_for = {*rules().values(), *(one for all_of in expressions().values() for one in all_of)}
    named = {name for one in asked_for for name in re.findall(r"ledgerflow_\w+", one)}
    known = {name for name in asked.get("label/__name__/values") if name.startswith("ledgerflow_")}
    assert named - known == {"ledgerflow_location_full_timestamp_seconds"}, "nothing fills up here"
    assert known - named == {"ledgerflow_rpo_seconds"}, "by time(), which grows when nothing reports"


def test_the_rules_say_of_these_backups_what_is_wrong(asked: Prometheus) -> None:
    assert all(rule["health"] == "ok" for rule in asked.get("rules")["groups"][0]["rules"])
    speaking = {name for name, expression in rules().items() if asked.query(expression)}
    assert speaking - {"LedgerflowDiskAlmostFull"} == {"LedgerflowOperationFailing"}
    assert asked.query(rules()["LedgerflowOperationFailing"])[0]["metric"]["operation"] == "drill"


def test_the_figures_are_those_of_the_folders(asked: Prometheus) -> None:
    assert asked.value('ledgerflow_backups{environment="dev",state="valid"}') == 30
    assert asked.value('ledgerflow_backups{environment="prod",state="valid"}') == 13
    assert asked.value('ledgerflow_rpo_seconds{environment="dev"}') == pytest.approx(5 * 3600, abs=120)
    assert asked.value('ledgerflow_last_backup_size_bytes{environment="dev"}') == 25_800
    assert asked.value('ledgerflow_pinned_backups{environment="prod"}') == 1
    assert not asked.query('ledgerflow_recovery_point_timestamp_seconds{environment="test"}')
    assert not asked.query('ledgerflow_next_run_timestamp_seconds{environment="prod"}')


def test_it_answers_on_loopback_alone_and_afresh_each_time(shell: Shell, target: str) -> None:
    assert target.startswith("127.0.0.1:")

    def scraped() -> str:
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    line = re.compile(r'ledgerflow_operations_total\{environment="dev",operation="verify".*\} 1\.0')
    assert not line.search(scraped())
    entry = {"what": "verify", "at": clock.now().isoformat(), "environment": "dev", "result": "ok"}
    journal_file.append_entry(shell.state, entry)
    assert line.search(scraped())
