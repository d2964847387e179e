"""Quarantine: a bad backup is moved aside and back, on record, whatever kills it, and nothing is lost."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import journal_file, locks
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.errors import Busy, LedgerError, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog, quarantined, removal_history
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit
from ledgerflow_ops.operations.monitoring import environment_status, health_checks, monitor
from ledgerflow_ops.operations.retention import pins, quarantine, rotate
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import killing, sinks
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.sinks import Web

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
MORNING = NOON.replace(hour=3)
BAD = "ledgerflow_dev_20261123_030000.dump"
GOOD = "ledgerflow_dev_20261122_030000.dump"


@pytest.fixture
def web() -> Iterator[Web]:
    with sinks.web() as web:
        yield web


@pytest.fixture
def env(root: Path, web: Web) -> EnvironmentContext:
    """dev, scheduled, with ten proven backups and this morning's, which is bad."""
    channel = {"name": "web", "url": web.url}
    made = builders.env(
        root, now=lambda: NOON, scheduled=True, rules=[], expire_share=1.0, retention_days=60,
        alerts={"channels": [channel], "settle_minutes": 0},
    )  # fmt: skip
    folder = folder_of(made)
    for days in range(10, 0, -1):
        folder.add_backup(MORNING - timedelta(days=days))
    folder.add_backup(MORNING, verdict=Verdict.BAD)
    folder.path.parent.chmod(0o700)
    return made


def folder_of(env: EnvironmentContext) -> BackupFolder:
    return BackupFolder(backup_folder_of(env).path)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of the backups, wherever below the folder they are, without records of ours."""
    ours = (".quarantine.json",)
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(ours)
    }


def later(env: EnvironmentContext, **span: float) -> EnvironmentContext:
    now = NOON + timedelta(**span)
    return replace(env, ctx=replace(env.ctx, clock=lambda: now))


def bad_findings(env: EnvironmentContext) -> list[tuple[str, Level, str]]:
    found = health_checks.find_problems(env)
    return [(one.subject, one.level, str(one.hint)) for one in found if one.kind == "bad"]


class TestMoving:
    def test_a_bad_backup_is_no_backup_any_more_and_everything_is_kept(self, env: EnvironmentContext) -> None:
        before = contents(folder_of(env).path)
        record = quarantine.quarantine(env, BAD, "a flipped byte", "")
        assert (record.file, record.complete, record.reason, record.bad) == (
            BAD,
            True,
            "a flipped byte",
            True,
        )
        assert contents(folder_of(env).path) == before
        stem = BackupName.of(BAD).stem
        assert not [name for name in folder_of(env).names() if name.startswith(stem)]
        assert stem not in {entry.name.stem for entry in catalog.entries(env)}
        status = environment_status.read_folder_status(env)
        assert status.newest is not None
        assert (status.newest.name.dump, [one.file for one in status.quarantined]) == (GOOD, [BAD])
        [noted] = journal_file.read_entries(env.ctx.settings.state_dir)
        assert (noted["what"], noted["file"], noted["reason"], noted["result"]) == (
            "quarantine", BAD, "a flipped byte", "ok",
        )  # fmt: skip

    def test_nothing_that_was_moved_is_missed(self, env: EnvironmentContext) -> None:
        health_checks.find_problems(env)  # the watch has seen it
        quarantine.quarantine(env, BAD, "", "")
        kinds = {one.kind for one in health_checks.find_problems(env)}
        assert not kinds & {"removed", "changed", "foreign", "late", "missed", "never"}
        quarantine.undo(env, BAD)
        kinds = {one.kind for one in health_checks.find_problems(env)}
        assert not kinds & {"removed", "changed", "foreign", "late", "missed", "never"}

    def test_back_it_is_what_it_was(self, env: EnvironmentContext) -> None:
        files, before = folder_of(env).names(), contents(folder_of(env).path)
        entry = catalog.entry(env, BackupName.of(BAD))
        quarantine.quarantine(env, BAD, "", "")
        quarantine.undo(env, BAD)
        assert folder_of(env).names() == files
        assert contents(folder_of(env).path) == before
        assert catalog.entry(env, BackupName.of(BAD)) == entry
        assert quarantined.quarantined_backups(env) == []
        [_, noted] = journal_file.read_entries(env.ctx.settings.state_dir)
        assert (noted["what"], noted["file"]) == ("quarantine undone", BAD)

    def test_a_dump_that_is_gone_and_a_manifest_that_is_damaged(self, env: EnvironmentContext) -> None:
        name = BackupName.of(BAD)
        backup_folder_of(env).file(name.dump).unlink()
        file = backup_folder_of(env).file(name.manifest)
        file.write_bytes(file.read_bytes()[:-5])
        record = quarantine.quarantine(env, BAD, "", "")
        assert record.day is not None, "its name says it"
        assert record.day.isoformat() == "2026-11-23"
        assert not folder_of(env).names() & {name.dump, name.manifest, name.globals, name.proof}

    def test_a_second_one_of_the_same_name(self, env: EnvironmentContext) -> None:
        for taken in (MORNING, MORNING + timedelta(hours=1)):
            if taken != MORNING:
                folder_of(env).add_backup(taken, verdict=Verdict.BAD, stem=BackupName.of(BAD).stem)
            quarantine.quarantine(env, BAD, "", "")
        first, second = quarantined.quarantined_backups(env)
        assert {first.key, second.key} == {BackupName.of(BAD).stem, f"{BackupName.of(BAD).stem}.2"}
        assert quarantine.undo(env, second.key).file == BAD

    def test_rotation_neither_counts_nor_touches_it(self, env: EnvironmentContext) -> None:
        quarantine.quarantine(env, BAD, "", "")
        inside = contents(quarantine_folder(env))
        much_later = later(env, days=200)
        planned = rotate.plan_rotation(much_later)
        assert BackupName.of(BAD).stem not in planned.manifests
        rotate.carry_out_rotation(much_later, RotateRequest(carry_out=True, confirm="dev"))
        assert contents(quarantine_folder(env)) == inside
        assert BAD not in [one.name.dump for one in removal_history.removed_backups(env)]

    def test_an_archive_of_files_that_another_backup_needs_stays(self, root: Path) -> None:
        env = builders.env(root, now=lambda: NOON)
        folder = folder_of(env)
        first = folder.add_backup(MORNING - timedelta(days=1), verdict=Verdict.BAD, files=[])
        assert first.files
        folder.add_backup(MORNING, files=[first.files])
        name = BackupName.of(first.dump.file)
        record = quarantine.quarantine(env, first.dump.file, "", "")
        assert name.files in folder.names()
        assert name.files not in {item.file for item in record.files}
        quarantine.undo(env, first.dump.file)
        assert catalog.entry(env, name).manifest is not None


def quarantine_folder(env: EnvironmentContext) -> Path:
    return backup_folder_of(env).path / "quarantine"


class TestRefusing:
    def refused(
        self, env: EnvironmentContext, file: str, confirm: str = "", kind: type[LedgerError] = Refused
    ) -> LedgerError:
        before, files = contents(folder_of(env).path), folder_of(env).names()
        with pytest.raises(kind) as caught:
            quarantine.quarantine(env, file, "", confirm)
        assert contents(folder_of(env).path) == before
        assert folder_of(env).names() >= files
        return caught.value

    def test_a_proven_one_unless_its_name_is_typed(self, env: EnvironmentContext) -> None:
        error = self.refused(env, GOOD)
        assert error.message == f"{GOOD} is proven and whole. Nothing was moved."
        assert str(error.hint.within("dev")) == (
            f"If it must go all the same: LEDGER_ENV=dev make quarantine FILE={GOOD} CONFIRM={GOOD}"
        )
        assert "CONFIRM='dev' is not its name" in self.refused(env, GOOD, "dev").message
        assert quarantine.quarantine(env, GOOD, "", GOOD).bad is False

    def test_one_that_nobody_has_judged(self, env: EnvironmentContext) -> None:
        made = folder_of(env).add_backup(MORNING + timedelta(hours=1), rung=None)
        assert "has not been shown to be bad (it is 'written')" in self.refused(env, made.dump.file).message

    def test_a_pinned_one_however_bad(self, env: EnvironmentContext) -> None:
        pins.pin_on_request(env, BAD, "evidence")
        error = self.refused(env, BAD, BAD)
        assert error.message == f"{BAD} is pinned: evidence. Nothing was moved."
        assert str(error.hint.within("dev")) == (
            f"LEDGER_ENV=dev make unpin FILE={BAD}; then LEDGER_ENV=dev make quarantine FILE={BAD}"
        )

    def test_one_in_use_and_an_environment_at_work(self, env: EnvironmentContext) -> None:
        state, stem = env.ctx.settings.state_dir, BackupName.of(BAD).stem
        with locks.hold_backup(state, env.environment, stem, "verify", NOON):
            assert "is in use: verify by" in self.refused(env, BAD).message
        with locks.environment_lock(state, env.environment, "backup", NOON):
            assert "backup by" in self.refused(env, BAD, kind=Busy).message

    def test_one_whose_bytes_are_only_in_the_cloud(self, env: EnvironmentContext) -> None:
        folder_of(env).evict(BAD)
        assert f"{BAD}: only in the cloud" in self.refused(env, BAD, BAD).message

    @pytest.mark.parametrize("file", ["", "nothing.dump", "../x.dump", "ledgerflow_dev_20261123_0300"])
    def test_an_unknown_one_with_the_names_that_are_known(self, env: EnvironmentContext, file: str) -> None:
        error = self.refused(env, file, kind=SettingsError)
        assert str(error.hint.within("dev")).startswith(
            f"LEDGER_ENV=dev make quarantine FILE={BAD}; also known: {GOOD}, "
        )

    def test_taking_back_what_is_not_there_or_has_a_successor(self, env: EnvironmentContext) -> None:
        with pytest.raises(SettingsError, match=r"There is no x\.dump in dev's quarantine") as caught:
            quarantine.undo(env, "x.dump")
        assert "make status" in caught.value.hint
        quarantine.quarantine(env, BAD, "", "")
        with pytest.raises(SettingsError, match=r"There is no x\.dump") as caught:
            quarantine.undo(env, "x.dump")
        assert str(caught.value.hint.within("dev")) == f"LEDGER_ENV=dev make quarantine FILE={BAD} UNDO=1"
        with pytest.raises(SettingsError, match="is in quarantine already") as caught:
            quarantine.quarantine(env, BAD, "", "")
        assert f"make quarantine FILE={BAD} UNDO=1" in caught.value.hint
        folder_of(env).add_backup(MORNING + timedelta(hours=1), stem=BackupName.of(BAD).stem)
        before = contents(folder_of(env).path)
        with pytest.raises(Refused, match=r"exists: .* stays in quarantine"):
            quarantine.undo(env, BAD)
        assert contents(folder_of(env).path) == before

    def test_a_dry_run_says_what_would_be_moved_and_moves_nothing(self, env: EnvironmentContext) -> None:
        before, name = folder_of(env).names(), BackupName.of(BAD)
        planned = quarantine.plan(env, BAD, "")
        assert planned.moves == (name.manifest, name.dump, name.globals, name.proof)
        assert (planned.stays, planned.refusal) == ((), None)
        assert folder_of(env).names() == before
        assert not quarantine_folder(env).exists()


class TestKilled:
    @pytest.mark.parametrize(
        "where",
        [Step.NOTE, *(f"{Step.SET_ASIDE}#{number}" for number in (1, 2, 3, 4)), Step.SETTLE],
    )
    @pytest.mark.parametrize("back", [False, True])
    def test_at_each_step_the_next_operation_finishes_it_and_nothing_is_lost(
        self, env: EnvironmentContext, where: str, back: bool
    ) -> None:
        before, files = contents(folder_of(env).path), folder_of(env).names()
        if back:
            quarantine.quarantine(env, BAD, "", "")
            where = where.replace(Step.SET_ASIDE, Step.PUT_IN_PLACE)
        self.killed(env, where, back)
        assert contents(folder_of(env).path) == before
        health_checks.find_problems(env)
        kinds = {one.kind for one in health_checks.find_problems(env)}
        assert not kinds & {"removed", "changed"}
        assert BAD not in [entry.name.dump for entry in catalog.entries(env) if entry.proven]

        rotate.carry_out_rotation(env, RotateRequest(carry_out=True, confirm="dev"))  # any operation does
        gone = {name for name in files if name.startswith(BackupName.of(BAD).stem)}
        begun = where != Step.NOTE
        moved = not begun if back else begun
        assert folder_of(env).names() == (files - gone if moved else files)
        assert [one.file for one in quarantined.quarantined_backups(env)] == ([BAD] if moved else [])
        assert contents(folder_of(env).path) == before
        assert audit.audit(env).faults == ()

    def test_asked_again_it_goes_on_where_it_was(self, env: EnvironmentContext) -> None:
        before = contents(folder_of(env).path)
        self.killed(env, f"{Step.SET_ASIDE}#3", back=False)
        assert quarantine.quarantine(env, BAD, "", "").complete
        self.killed(env, f"{Step.PUT_IN_PLACE}#3", back=True)
        assert quarantine.undo(env, BAD).undo
        assert quarantined.quarantined_backups(env) == []
        assert contents(folder_of(env).path) == before

    def killed(self, env: EnvironmentContext, where: str, back: bool) -> None:
        root, what = env.ctx.settings.state_dir.parent, "take out" if back else "quarantine"
        killing.kill_at(what, where, root, NOWHERE, BAD)


class TestTheIncident:
    def test_ends_when_the_file_is_aside_and_a_newer_backup_is_proven(
        self, env: EnvironmentContext, web: Web
    ) -> None:
        def watch(hours: float) -> None:
            monitor.watch_environment(later(env, hours=hours).ctx, env.environment)

        def titles() -> list[str]:
            return [title for title in web.titles if BAD in title]

        watch(0)
        told = f"dev: CRITICAL: {BAD} is bad. (2 findings)"  # the RPO is missed because of it
        assert titles() == [told]
        command = f"LEDGER_ENV=dev make quarantine FILE={BAD}"
        assert f"Do: LEDGER_ENV=dev make backup; then {command}\n" in f"{web.alerts[0]['message']}\n"
        folder_of(env).add_backup(MORNING + timedelta(hours=2))
        watch(1)
        assert bad_findings(env) == [(BAD, Level.WARNING, command)]
        assert titles() == [told], "the bad file is still there"
        quarantine.quarantine(env, BAD, "", "")
        watch(2)
        assert titles()[1:] == [f"dev: RESOLVED: {BAD} is bad. (2 findings)"]
        assert [one for one in alerts.open_alerts(env.ctx) if one.finding.kind == "bad"] == []

    def test_stays_open_in_quarantine_until_a_newer_one_is_proven(
        self, env: EnvironmentContext, web: Web
    ) -> None:
        monitor.watch_environment(env.ctx, env.environment)
        quarantine.quarantine(env, BAD, "", "")
        monitor.watch_environment(later(env, hours=1).ctx, env.environment)
        assert bad_findings(env) == [(BAD, Level.CRITICAL, "LEDGER_ENV=dev make backup")]
        assert not [title for title in web.titles if "RESOLVED" in title and BAD in title]
        folder_of(env).add_backup(MORNING + timedelta(hours=2))
        assert bad_findings(env) == []

    def test_of_a_good_one_that_was_set_aside_there_is_none(self, env: EnvironmentContext) -> None:
        quarantine.quarantine(env, GOOD, "", GOOD)
        assert [subject for subject, *_ in bad_findings(env)] == [BAD]
