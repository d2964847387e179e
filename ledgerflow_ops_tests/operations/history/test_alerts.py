"""A contradicted history is one alert, which only evidence resolves; the asset check says the same."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.history import acceptance, audit
from ledgerflow_ops.operations.monitoring import health_checks, monitor
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import sinks
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups
from ledgerflow_ops_tests.fakes.sinks import Web


@pytest.fixture
def web() -> Iterator[Web]:
    with sinks.web() as web:
        yield web


@pytest.fixture
def dev(root: Path, web: Web) -> RecordedBackups:
    channel = {"name": "web", "url": web.url}
    made = RecordedBackups(
        builders.env(
            root, rules=[], now=lambda: NOON, alerts={"channels": [channel], "settle_minutes": 0},
        )
    )  # fmt: skip
    for days in (3, 2, 1):
        made.backup(NOON - timedelta(days=days))
    made.folder.parent.chmod(0o700)
    return made


def watch(dev: RecordedBackups, minutes: float) -> None:
    monitor.watch_environment(dev.at(NOON + timedelta(minutes=minutes)).ctx, dev.env.environment)


def of_history(dev: RecordedBackups) -> list[str]:
    return [found.subject for found in health_checks.find_problems(dev.env) if found.kind == "history"]


def test_a_removal_without_an_entry_is_one_message_and_ends_when_it_is_accepted(
    dev: RecordedBackups, web: Web
) -> None:
    watch(dev, 0)
    assert web.titles == []
    for file in dev.folder.glob("ledgerflow_dev_20261121*"):
        file.unlink()
    gone = "ledgerflow_dev_20261121_120000.dump"
    watch(dev, 1)
    watch(dev, 2)
    [told] = web.titles
    assert told.startswith("dev: CRITICAL")
    assert f"{gone} is no backup any more: its manifest is gone" in web.alerts[0]["message"]
    assert of_history(dev) == [gone]
    watch(dev, 3)
    assert len(web.titles) == 1, "told again without news"
    acceptance.accept(dev.env, "removed by hand")
    watch(dev, 4)
    assert of_history(dev) == []
    assert not [alert for alert in alerts.open_alerts(dev.env.ctx) if alert.finding.kind == "history"]


def test_many_removals_are_one_message(dev: RecordedBackups, web: Web) -> None:
    watch(dev, 0)
    for file in [*dev.folder.glob("*.manifest.json"), *dev.folder.glob("*.proof.json")]:
        file.unlink()
    watch(dev, 1)
    assert len(of_history(dev)) == 3
    [told] = [title for title in web.titles if "CRITICAL" in title]
    assert told.endswith("(6 findings)"), "with what the watch of the files says of the same backups"


def test_what_came_back_resolves_it(dev: RecordedBackups, web: Web) -> None:
    watch(dev, 0)
    name = BackupName("ledgerflow_dev_20261121_120000")
    manifest = (dev.folder / name.manifest).read_bytes()
    changed = manifest.replace(b"0/", b"1/")
    (dev.folder / name.manifest).write_bytes(changed)
    watch(dev, 1)
    assert of_history(dev) == [name.dump]
    (dev.folder / name.manifest).write_bytes(manifest)
    watch(dev, 2)
    assert of_history(dev) == []


def test_the_check_says_what_the_audit_found(dev: RecordedBackups) -> None:
    assert audit.audit(dev.env).check.message == "7 entries, and nothing in the folder contradicts them."
    (dev.folder / "ledgerflow_dev_20261121_120000.proof.json").unlink()
    check = audit.audit(dev.env).check
    assert (check.passed, check.cause) == (False, "history")
    assert check.message.startswith("Entry 5 is the first that is contradicted. The proof of ledgerflow_dev")
    assert "LEDGER_ENV=dev make restore-test" in str(check.hint)
