"""make backfill: the plan first, then day by day; a refused day is listed, and no run is started for it."""

import json
from datetime import date, timedelta

import pytest

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.commands.backfill import backfill_days
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests.defs.benches import Bench

ALL = ("", "", "")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The action for each day, by the JSON output."""
    found = json.loads(capsys.readouterr().out)
    return {one["day"]: one["do"] for one in found["days"]}


def day(env: EnvironmentContext, ago: int) -> date:
    return env.today() - timedelta(days=ago)


def test_brings_back_what_there_is_and_lists_what_there_is_not(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    env = bench.env()
    for ago in (3, 2):
        backup.backup(bench.env(now=lambda ago=ago: clock.now() - timedelta(days=ago)))  # type: ignore[misc]
    span = ("", str(day(env, 3)), "")
    terminal = Terminal(as_json=True)
    with bench.instance() as opened:
        assert backfill_days(env, terminal, span, dry_run=True) == 1
        assert told(capsys) == {
            str(day(env, 3)): "prove",
            str(day(env, 2)): "prove",
            str(day(env, 1)): "refuse",
        }
        assert opened.get_runs() == []

        assert backfill_days(env, terminal, span, dry_run=False) == 1
        said = capsys.readouterr()
        found = {one["day"]: one for one in json.loads(said.out)["days"]}
        assert [one["done"] for one in found.values()] == [True, True, False]
        refused = found[str(day(env, 1))]
        assert refused["run_id"] is None
        assert "no backup of dev" in refused["why"]
        assert "make up" in refused["hint"]
        assert "backups of 2 of 3 days." in said.err
        assert len(opened.get_runs()) == 2
        assert bench.materialized("dev/dump") == {str(day(env, 3)), str(day(env, 2))}

        assert backfill_days(env, terminal, ("", str(day(env, 3)), str(day(env, 2))), dry_run=False) == 0
        assert set(told(capsys).values()) == {"kept"}
        assert len(opened.get_runs()) == 2, "nothing was left to do"
        opened.delete_run(opened.get_runs()[0].run_id)
        opened.wipe_assets([key for key in opened.all_asset_keys() if key.path[-1] == "drill"])
        assert backfill_days(env, terminal, (str(day(env, 2)), "", ""), dry_run=True) == 0
        assert told(capsys) == {str(day(env, 2)): "prove"}, "proven, but not on Dagster's record"
    assert len(catalog.entries(env)) == 2


def test_takes_todays_only_when_it_is_asked_for(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    env = bench.env()
    with bench.instance():
        begin = ("", str(day(env, 7)), "")
        backfill_days(env, Terminal(as_json=True), begin, dry_run=True)
        said = capsys.readouterr()
        found = [one["day"] for one in json.loads(said.out)["days"]]
        assert str(env.today()) not in found
        assert "7 days refused, for the reasons above" in said.err
        assert said.err.count("hint:") == 1, "not the same words for each day"
        assert said.err.count(found[0]) == 4, "in the plan, twice in its reason, in the list"
        assert backfill_days(env, Terminal(as_json=True), (str(env.today()), "", ""), dry_run=False) == 0
    assert [entry.proven for entry in catalog.entries(env)] == [True]


def test_on_the_first_day_nothing_was_missed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    env = bench.env()
    with bench.instance():
        assert backfill_days(env, Terminal(as_json=True), ALL, dry_run=False) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["days"] == []
        assert f"No backup of dev was due before {env.today()}: none was taken yet." in said.err
        assert "refused" not in said.err
        assert "hint" not in said.err
        backup.backup(env)
        assert backfill_days(env, Terminal(as_json=True), ALL, dry_run=True) == 0
        said = capsys.readouterr()
        assert f"the first one known is of {env.today()}. Nothing was missed before." in said.err
        backup.backup(bench.env(now=lambda: clock.now() - timedelta(days=2)))
        assert backfill_days(env, Terminal(as_json=True), ALL, dry_run=True) == 1
        assert told(capsys) == {str(day(env, 2)): "prove", str(day(env, 1)): "refuse"}


def test_a_day_on_which_the_first_backup_failed_was_missed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    env, later = bench.env(), bench.env(now=lambda: clock.now() - timedelta(days=3))
    with pytest.raises(LedgerError), journal.recorded(later, "backup"):
        raise LedgerError("the server is down", hint=Hint("Start it."))
    with bench.instance():
        assert backfill_days(env, Terminal(as_json=True), ALL, dry_run=True) == 1
        assert list(told(capsys)) == [str(day(env, ago)) for ago in (3, 2, 1)]
