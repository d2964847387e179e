"""One cause is one message at real receivers, and one RESOLVED that comes only after evidence."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.checks import failed, passed
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring import run_outcomes
from ledgerflow_ops.core.monitoring.run_outcomes import EndedRun, RunResult
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import OperationContext
from ledgerflow_ops_tests.builders import NOON, Recorder
from ledgerflow_ops_tests.fakes import sinks
from ledgerflow_ops_tests.fakes.sinks import Mail, Web

DEV, TEST, PROD = Environment
DAY, FILE = date(2026, 11, 23), "ledgerflow_dev_20261123_0100.dump"
REFUSED = 'connection to server at "db.example" (10.0.0.7), port 5433 failed: Connection refused'
BAD = failed("integrity", "hash", f"{FILE}: its SHA-256 differs.", Hint(make("backup")))


@dataclass
class Machine:
    """Three environments on one database server, two receivers, and a clock that the test sets."""

    root: Path
    web: Web
    mail: Mail
    now: datetime = NOON
    open: run_outcomes.OpenFindings = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        url = "postgresql://ledger@db.example:5433/books_"
        return Settings(
            backup_root=self.root / "backups",
            state_dir=self.root / "state",
            environments={name: {"database_url": f"{url}{name}"} for name in Environment},
            alerts={
                "channels": [{"name": "web", "url": self.web.url}, {"name": "mail", "url": self.mail.url}],
                "settle_minutes": 0,
            },
        )

    def report(self, source: str, *findings: Finding, minutes: float = 1) -> None:
        self.now += timedelta(minutes=minutes)
        alerts.report(OperationContext(self.settings, Recorder(), lambda: self.now), source, findings)

    def ended(self, *runs: EndedRun) -> None:
        """What the sensor of runs does with runs that have ended."""
        before = self.open
        for run in runs:
            self.open = run_outcomes.findings_after(self.open, run)
        for source in run_outcomes.changed_sources(before, self.open):
            self.report(source, *self.open[source])

    def run(self, environment: Environment, verb: str, *, well: bool = True, **facts: Any) -> EndedRun:
        fate = RunResult.SUCCESS if well else RunResult.FAILURE
        return EndedRun("r1", environment, verb, facts.pop("day", DAY), fate, self.now, **facts)

    @property
    def titles(self) -> list[str]:
        """What arrived: both receivers got the same."""
        assert [letter["Subject"] for letter in self.mail.messages] == self.web.titles
        return self.web.titles


@pytest.fixture
def machine(root: Path) -> Iterator[Machine]:
    with sinks.web() as web, sinks.mail() as mail:
        yield Machine(root, web, mail)


def late(environment: Environment, why: str) -> Finding:
    text = f"The backup of {environment} is late."
    return Finding(environment, "late", "backup", Level.CRITICAL, text, Hint(make("backup")), why)


def test_a_dead_server_is_one_message_for_all_that_use_it(machine: Machine) -> None:
    """dev's run finds it first. That prod's books are on it as well is known from the settings."""
    dev = machine.run(DEV, "backup", well=False, message=f"db.example:5433/books_dev: {REFUSED}")
    machine.ended(dev)
    told = "dev, test, prod: CRITICAL: The server db.example:5433 cannot be reached."
    assert machine.titles == [told]
    assert "Still safe in prod" in machine.web.alerts[0]["message"]
    for environment in Environment:
        cause = f"the server of {environment} cannot be reached: {REFUSED}"
        machine.report(f"watch:{environment}", late(environment, cause))
    machine.ended(machine.run(PROD, "backup", well=False, message=f"db.example:5433/books_prod: {REFUSED}"))
    assert machine.titles == [told]
    for environment in Environment:
        machine.report(f"watch:{environment}")
    machine.ended(machine.run(DEV, "backup"))
    assert machine.titles == [told], "prod's run has not been seen to succeed"
    machine.ended(machine.run(PROD, "backup"))
    assert machine.titles[1:] == ["dev, test, prod: RESOLVED: The server db.example:5433 cannot be reached."]


def test_a_stopped_container_is_one_message_as_well(machine: Machine) -> None:
    why = "The container of ledger-dev/db is not running."
    machine.ended(machine.run(DEV, "backup", well=False, message=why))
    machine.report("watch:dev", late(DEV, f"the server of dev cannot be reached: {why}"))
    assert len(machine.titles) == 1


def test_a_server_that_answers_no_is_not_down(machine: Machine) -> None:
    answer = REFUSED.replace("Connection refused", 'FATAL:  database "books_dev" does not exist')
    machine.ended(machine.run(DEV, "backup", well=False, message=answer))
    assert machine.titles[0].startswith("dev: CRITICAL: The run dev backup of 2026-11-23 failed")
    starting = REFUSED.replace("Connection refused", "FATAL:  the database system is starting up")
    machine.ended(machine.run(TEST, "backup", well=False, message=starting))
    assert machine.titles[1].startswith("test, dev, prod: CRITICAL: The server db.example:5433 cannot be")


def test_a_readable_backup_root_is_one_message_until_all_have_looked_again(machine: Machine) -> None:
    stores = {name: LocalStore(machine.settings.folder(name)) for name in Environment}
    for name, store in stores.items():
        store.prepare()
        store.put(f"{name}.dump", b"x")
    root = machine.settings.backup_root
    root.chmod(0o755)

    def looked(name: Environment, *, well: bool = True) -> EndedRun:
        return machine.run(name, "verify", well=well, checks=(stores[name].privacy(f"{name}.dump"),))

    for name in Environment:
        machine.ended(looked(name))
    sentence = f"{root}, the root of all backups, is readable by group or others."
    assert machine.titles == [f"dev, test, prod: WARNING: {sentence}"[:119] + "…"] or machine.titles == [
        f"dev, test, prod: WARNING: {sentence}"
    ]
    assert "chmod" in machine.web.alerts[0]["message"]
    root.chmod(0o700)
    for name in Environment:
        machine.ended(machine.run(name, "verify", well=False, message="No server answers."))
    assert not [title for title in machine.titles if "RESOLVED" in title], "no run has looked at it"
    machine.ended(looked(DEV), looked(TEST))
    assert not [title for title in machine.titles if "readable" in title and "RESOLVED" in title]
    machine.ended(looked(PROD))
    over = [title for title in machine.titles if "readable" in title]
    assert len(over) == 2
    assert over[1].startswith("dev, test, prod: RESOLVED: ")


def test_a_refused_backfill_is_one_message_with_its_days(machine: Machine) -> None:
    days = [date(2026, 11, 20), date(2026, 11, 21)]
    why = "There is no dump of that day anywhere."
    for day in days:
        machine.ended(
            machine.run(DEV, "backup", well=False, day=day, message=why, exit_code=3, backfill="abcd")
        )
    assert machine.titles == [], "more days may follow"
    machine.report("watch:dev", minutes=2)
    assert machine.titles == ["dev: WARNING: A backfill was refused: 2026-11-20, 2026-11-21. (2 findings)"]
    machine.ended(machine.run(DEV, "backup", day=days[0]))
    assert len(machine.titles) == 1
    machine.ended(machine.run(DEV, "backup", day=days[1]))
    assert machine.titles[1:] == [
        "dev: RESOLVED: A backfill was refused: 2026-11-20, 2026-11-21. (2 findings)"
    ]


def test_a_second_backfill_that_is_refused_is_told(machine: Machine) -> None:
    for day, id_ in ((DAY, "abcd"), (DAY - timedelta(days=1), "efgh")):
        refused = machine.run(DEV, "backup", well=False, day=day, message="No.", exit_code=3, backfill=id_)
        machine.ended(refused)
        machine.report("watch:dev", minutes=2)
    assert len(machine.titles) == 2


def test_a_flipped_byte_is_one_message_whoever_finds_it(machine: Machine) -> None:
    machine.report(
        "watch:dev",
        Finding(DEV, "changed", FILE, Level.CRITICAL, f"{FILE} was changed.", Hint(make("verify"))),
    )
    machine.ended(machine.run(DEV, "verify", well=False, checks=(BAD,), backup=FILE))
    machine.ended(machine.run(DEV, "drill", well=False, message=f"{FILE} is bad: x", exit_code=4))
    bad = Finding(DEV, "bad", FILE, Level.CRITICAL, f"{FILE} is bad: x.", Hint(make("backup")))
    machine.report("watch:dev", bad)
    assert len(machine.titles) == 1
    machine.ended(machine.run(DEV, "verify", well=False, message="No server answers.", exit_code=5))
    machine.report("watch:dev")
    assert len(machine.titles) == 2, "that a verification could not be carried out is news of its own"
    assert not [title for title in machine.titles if "RESOLVED" in title]
    whole = (passed("integrity", "Whole."),)
    machine.ended(machine.run(DEV, "verify", checks=whole, backup=FILE))
    machine.ended(machine.run(DEV, "drill", checks=whole, backup=FILE))
    resolved = [title for title in machine.titles if "RESOLVED" in title and FILE in title]
    assert resolved == [f"dev: RESOLVED: {FILE} was changed."], "in the words of the alert"


def test_another_bad_backup_is_news(machine: Machine) -> None:
    for number in range(2):
        name = FILE.replace("0100", f"010{number}")
        machine.report(
            f"watch:{number}", Finding(DEV, "bad", name, Level.CRITICAL, f"{name} is bad.", Hint("x"))
        )
    assert len(machine.titles) == 2


def test_a_record_of_an_earlier_version_is_grouped_by_the_same_rules(machine: Machine) -> None:
    """Its findings have no part, no environments concerned, and run findings name no backup."""
    since = machine.now.isoformat()
    told = {"web": {"at": since, "weight": 1}, "mail": {"at": since, "weight": 1}}

    def stored(source: str, kind: str, subject: str, message: str, **figures: str) -> dict[str, Any]:
        finding = {
            "environment": "dev", "kind": kind, "subject": subject, "level": "critical", "message": message,
            "hint": "LEDGER_ENV=dev make backup", "cause": "", "run_id": "", "figures": figures,
        }  # fmt: skip
        return {"source": source, "finding": finding, "since": since, "told": told}

    text = f"The run dev drill of 2026-11-23 failed: {FILE} is bad: its SHA-256 differs."
    old = [
        stored("watch:dev", "bad", FILE, f"{FILE} is bad."),
        stored("run:dev_drill", "run failed", "drill 2026-11-23", text, ended=since, day="2026-11-23"),
    ]
    (machine.root / "state").mkdir(mode=0o700)
    (machine.root / "state" / "alerts.json").write_text(json.dumps({"alerts": old}))
    machine.report("watch:dev", minutes=1)
    assert machine.titles == [], "the run's finding is still open"
    machine.report("run:dev_drill", minutes=1)
    assert machine.titles == [f"dev: RESOLVED: {FILE} is bad. (2 findings)"]
