"""Rotation on real files: what is removed, what stays, what is never changed, and when it asks."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters.system import journal_file, locks
from ledgerflow_ops.core.catalog import catalog as known
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, Refused
from ledgerflow_ops.core.operation_requests import RestoreRequest, RotateRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import backup_lock, catalog, removal_history
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops.operations.retention.rotate import RotationResult
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder, backup_folder_of, history_folder_of
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder

ENDINGS = {".dump", ".globals.sql", ".manifest.json", ".proof.json"}


class Ground:
    """dev with a week's window and made-up backups, at noon on 23 November 2026."""

    def __init__(self, root: Path, **fields: Any) -> None:
        self.root, self.now = root, NOON
        self.fields: dict[str, Any] = {"expire_share": 1.0, **fields}
        self.store = BackupFolder(root / "backups" / "dev")

    @property
    def env(self) -> EnvironmentContext:
        return builders.env(self.root, now=lambda: self.now, **self.fields)

    @property
    def archive(self) -> BackupFolder:
        return BackupFolder(self.root / "archive" / "dev")

    def add_backup(self, days: float, rung: Rung | None = Rung.VALID, **more: Any) -> Manifest:
        return self.store.add_backup(NOON - timedelta(days=days), rung, **more)

    def week(self, first: int = 7) -> list[Manifest]:
        return [self.add_backup(days) for days in range(first, -1, -1)]

    def rotate(self, confirmed: str = "") -> RotationResult:
        return rotate.carry_out_rotation(self.env, RotateRequest(carry_out=True, confirm=confirmed))

    def told(self) -> list[str]:
        """What a rotation says."""
        recorder = Recorder()
        env = builders.env(self.root, now=lambda: self.now, reporter=recorder, **self.fields)
        rotate.carry_out_rotation(env, RotateRequest(carry_out=True))
        return recorder.said


@pytest.fixture
def sandbox(root: Path) -> Ground:
    return Ground(root)


@pytest.fixture
def archived(root: Path) -> Ground:
    (root / "archive").mkdir()
    return Ground(root, archive_roots=(root / "archive",))


def stem(made: Manifest) -> str:
    return BackupName.of(made.dump.file).stem


def called(sandbox: Ground, made: Manifest) -> set[str]:
    """What is left of a backup in the folder, by ending."""
    return {name.removeprefix(stem(made)) for name in sandbox.store.names() if name.startswith(stem(made))}


class TestGoing:
    def test_what_expires_goes_whole_and_its_records_go_into_the_history(self, sandbox: Ground) -> None:
        old, rest = sandbox.add_backup(8), sandbox.week()
        done = sandbox.rotate()
        assert done.removed == (stem(old),)
        assert not called(sandbox, old)
        assert sandbox.store.stems() == sorted(stem(made) for made in rest)
        [past] = removal_history.removed_backups(sandbox.env)
        assert (past.name.stem, past.state, past.proven) == (stem(old), "valid", True)
        assert (past.day, past.rows, past.rto_seconds) == (date(2026, 11, 15), 3, 1.5)
        kept = history_folder_of(sandbox.env)
        assert Manifest.decode(kept.read(f"{stem(old)}.manifest.json"), "m") == old
        assert kept.size(f"{stem(old)}.proof.json")
        assert done.days == (date(2026, 11, 15),)

    def test_a_plan_touches_nothing(self, sandbox: Ground) -> None:
        sandbox.add_backup(8)
        sandbox.week()
        before = sorted(path for path in sandbox.root.rglob("*"))
        assert len(rotate.plan_rotation(sandbox.env).plan.expired) == 1
        assert sorted(path for path in sandbox.root.rglob("*")) == before

    def test_twice_is_once(self, sandbox: Ground) -> None:
        sandbox.add_backup(8)
        sandbox.week()
        assert sandbox.rotate().removed
        names = sandbox.store.names()
        again = sandbox.rotate()
        assert again.removed == ()
        assert sandbox.store.names() == names
        assert again.days == (date(2026, 11, 15),), "a day is reported until it is wiped"
        removal_history.mark_wiped(sandbox.env, again.days)
        assert sandbox.rotate().days == ()

    def test_a_day_that_has_another_backup_is_not_wiped(self, sandbox: Ground) -> None:
        sandbox.add_backup(8)
        other = sandbox.add_backup(8.1)
        pins.pin(sandbox.env, BackupName(stem(other)), "wanted")
        sandbox.week()
        assert sandbox.rotate().days == ()
        assert not list(history_folder_of(sandbox.env).path.glob("*.going.json"))

    def test_the_journal_says_what_went(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8)
        sandbox.week()
        sandbox.rotate()
        [entry] = journal_file.read_entries(sandbox.env.ctx.settings.state_dir)
        assert (entry["what"], entry["result"]) == ("rotate", "ok")
        assert entry["environment"] == "dev"
        assert entry["removed"] == [old.dump.file]
        assert (entry["kept"], entry["edge"], entry["who"]) == (8, "2026-11-16", "tests")

    def test_only_one_at_a_time(self, sandbox: Ground) -> None:
        sandbox.add_backup(8)
        sandbox.week()
        state = sandbox.env.ctx.settings.state_dir
        with (
            locks.environment_lock(state, Environment.DEV, "backup", NOON),
            pytest.raises(Busy, match="backup by"),
        ):
            sandbox.rotate()
        assert len(sandbox.store.stems()) == 9

    def test_no_folder_yet_is_nothing_to_do(self, sandbox: Ground) -> None:
        assert sandbox.rotate().removed == ()


class TestAsked:
    def test_more_than_the_share_is_refused_and_nothing_goes(self, root: Path) -> None:
        sandbox = Ground(root, expire_share=0.34)
        made = sandbox.week(12)
        names = sandbox.store.names()
        for confirmed in ("", "prod", "DEV", "yes"):
            with pytest.raises(Refused) as refused:
                sandbox.rotate(confirmed)
            assert "5 of 13 backups would be removed at once, more than 34%" in refused.value.message
            assert "CONFIRM=dev" in refused.value.hint
            assert (f"CONFIRM={confirmed!r}" in refused.value.message) == bool(confirmed)
        assert sandbox.store.names() == names
        assert sandbox.rotate("dev").removed == tuple(stem(one) for one in made[:5])
        noted = journal_file.read_entries(sandbox.env.ctx.settings.state_dir)
        assert [entry["result"] for entry in noted] == [*["refused"] * 4, "ok"]
        assert noted[-1]["confirmed"] == "dev"
        assert "5 of 13" in noted[-1]["asked"]

    def test_missed_days_are_removed_the_next_night_without_a_question(self, root: Path) -> None:
        """The settings of test: a window of three days, and the share as it is by default."""
        sandbox = Ground(root, expire_share=0.34, retention_days=3)
        old = [sandbox.add_backup(days) for days in (6, 5, 4)]
        newer = sandbox.add_backup(3)
        back = sandbox.add_backup(0)  # two days were missed
        assert sandbox.rotate().removed == tuple(stem(made) for made in old)
        assert sandbox.store.stems() == [stem(newer), stem(back)]

    def test_one_backup_taken_by_a_clock_years_ahead_takes_nothing_with_it(self, root: Path) -> None:
        sandbox = Ground(root, expire_share=1.0)
        real = [sandbox.add_backup(days) for days in (3, 2, 1, 0)]
        sandbox.now = NOON + timedelta(days=2000)
        ahead = sandbox.store.add_backup(sandbox.now)
        with pytest.raises(
            Refused, match=r"nothing was taken between 2026-11-23 and 2032-05-15 \(2000 days\)"
        ):
            sandbox.rotate()
        sandbox.now = NOON + timedelta(days=1)
        assert sandbox.rotate().removed == ()
        assert {stem(made) for made in (*real, ahead)} <= set(sandbox.store.stems())


class TestNeverTouched:
    def test_files_it_does_not_know(self, sandbox: Ground) -> None:
        sandbox.add_backup(8)
        others = {
            "by_hand.dump": b"PGDMP",
            "notes.txt": b"mine",
            "ledgerflow_dev_20200101_0000.dump": b"old",
            "ledgerflow_dev_20200101_0000.globals.sql": b"roles",
            "ledgerflow_dev_20200102_0000.proof.json": b"{}",
            "ledgerflow_dev_20200103_0000.manifest.json": b"{}",
            "ledgerflow_dev_20200104_0000.files.tar.zst": b"files",
            ".hidden": b"too",
        }
        sandbox.week()
        for name, data in others.items():
            (sandbox.store.path / name).write_bytes(data)
        (sandbox.store.path / "folder.dump").mkdir()
        done = sandbox.rotate()
        assert len(done.removed) == 1
        for name, data in others.items():
            assert (sandbox.store.path / name).read_bytes() == data
        assert set(done.planned.strangers) == {
            "by_hand.dump",
            "folder.dump",
            "ledgerflow_dev_20200101_0000.dump",
            "ledgerflow_dev_20200103_0000.dump",
        }

    def test_another_environments_backup_a_swapped_manifest_and_a_dump_that_is_a_link(
        self, sandbox: Ground
    ) -> None:
        foreign = replace(sandbox.store, environment=Environment.PROD).add_backup(NOON - timedelta(days=40))
        swapped, linked = sandbox.add_backup(41), sandbox.add_backup(42)
        manifest = sandbox.store.path / f"{stem(swapped)}.manifest.json"
        manifest.write_bytes((sandbox.store.path / f"{stem(linked)}.manifest.json").read_bytes())
        dump = sandbox.store.path / linked.dump.file
        dump.rename(sandbox.root / "elsewhere.dump")
        dump.symlink_to(sandbox.root / "elsewhere.dump")
        sandbox.week()
        names = sandbox.store.names()
        done = sandbox.rotate()
        assert done.removed == ()
        assert sandbox.store.names() == names
        assert set(done.planned.strangers) == {one.dump.file for one in (foreign, swapped, linked)}
        assert (sandbox.root / "elsewhere.dump").exists()

    def test_one_that_was_restored_while_its_removal_was_not_over(self, sandbox: Ground) -> None:
        """Rotation was killed; then somebody moved the manifest out of the history, and pinned the backup."""
        old = sandbox.add_backup(8)
        sandbox.week()

        def die() -> None:
            raise KeyboardInterrupt

        dying = builders.env(
            sandbox.root,
            now=lambda: NOON,
            reporter=sandboxes.ActionAtStep(at=Step.REMOVE, action=die),
            **sandbox.fields,
        )
        with pytest.raises(KeyboardInterrupt):
            rotate.carry_out_rotation(dying, RotateRequest(carry_out=True))
        name = BackupName(stem(old))
        kept = history_folder_of(sandbox.env).path / name.manifest
        shutil.copyfile(kept, sandbox.store.path / name.manifest)
        pins.pin(sandbox.env, name, "wanted after all")
        done = sandbox.rotate()
        assert (done.removed, done.finished) == ((), ())
        assert {".dump", ".manifest.json", ".pin.json"} <= called(sandbox, old)
        assert catalog.entry(sandbox.env, name).is_backup
        assert not removal_history.unfinished_removals(sandbox.env)

    def test_a_backup_in_use(self, sandbox: Ground) -> None:
        old, older = sandbox.add_backup(8), sandbox.add_backup(9)
        sandbox.week()
        with backup_lock.hold_backup(sandbox.env, BackupName(stem(old)), "drill"):
            done = sandbox.rotate()
        assert done.removed == (stem(older),)
        [told] = [one for one in done.planned.plan.decisions if one.name == stem(old)]
        assert told.reasons[0].startswith(
            f"it is in use: drill by {locks.account_name()} (process {os.getpid()})"
        )
        assert sandbox.rotate().removed == (stem(old),)

    def test_one_that_is_taken_into_use_after_the_plan(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8)
        sandbox.week()
        held = backup_lock.hold_backup(sandbox.env, BackupName(stem(old)), "restore")
        recorder = sandboxes.ActionAtStep(at=Step.NOTE)
        sandbox.add_backup(9)  # goes first; while it does, the other is taken into use
        recorder.action = held.__enter__
        env = builders.env(sandbox.root, now=lambda: NOON, reporter=recorder, **sandbox.fields)
        done = rotate.carry_out_rotation(env, RotateRequest(carry_out=True))
        held.__exit__(None, None, None)
        assert recorder.fired
        assert list(done.left) == [stem(old)]
        assert "is in use: restore by" in done.left[stem(old)]
        assert called(sandbox, old) == ENDINGS

    def test_one_that_is_pinned_after_the_plan(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8)
        sandbox.week()
        sandbox.add_backup(9)
        action = lambda: pins.pin(sandbox.env, BackupName(stem(old)), "just now")  # noqa: E731
        recorder = sandboxes.ActionAtStep(at=Step.NOTE, action=action)
        env = builders.env(sandbox.root, now=lambda: NOON, reporter=recorder, **sandbox.fields)
        assert rotate.carry_out_rotation(env, RotateRequest(carry_out=True)).left == {
            stem(old): "pinned meanwhile: just now"
        }
        assert called(sandbox, old) == {*ENDINGS, ".pin.json"}

    def test_a_pin_that_cannot_be_read_holds(self, sandbox: Ground) -> None:
        for days, damage in ((8, b"{}"), (9, None)):
            old = sandbox.add_backup(days)
            pins.pin(sandbox.env, BackupName(stem(old)), "wanted", NOON - timedelta(hours=1))
            if damage:
                (sandbox.store.path / f"{stem(old)}.pin.json").write_bytes(damage)
            else:
                sandbox.store.evict(f"{stem(old)}.pin.json")
        sandbox.week()
        assert sandbox.rotate().removed == ()


class TestBad:
    def test_a_bad_one_is_evidence_in_the_window_and_goes_after_it(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8, Rung.HASHED, verdict=Verdict.BAD)
        recent = sandbox.add_backup(3.5, Rung.HASHED, verdict=Verdict.BAD)
        sandbox.week()
        assert sandbox.rotate().removed == (stem(old),)
        assert stem(recent) in sandbox.store.stems()
        [past] = removal_history.removed_backups(sandbox.env)
        assert past.bad

    @pytest.mark.parametrize("damage", ["gone", "cut"])
    def test_one_whose_dump_is_gone_or_cut(self, sandbox: Ground, damage: str) -> None:
        old = sandbox.add_backup(8)
        dump = sandbox.store.path / old.dump.file
        dump.unlink() if damage == "gone" else dump.write_bytes(b"x")
        sandbox.week()
        assert sandbox.rotate().removed == (stem(old),)
        assert not called(sandbox, old)

    def test_where_too_few_are_proven_what_is_not_proven_stays(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8, None)
        sandbox.add_backup(0)
        assert sandbox.rotate().removed == ()
        sandbox.add_backup(1)
        assert sandbox.rotate().removed == (stem(old),)


class TestCloud:
    def test_an_evicted_one_goes_with_what_icloud_left_in_its_place(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8)
        for file in (old.dump.file, f"{stem(old)}.globals.sql"):
            sandbox.store.evict(file)
        sandbox.week()
        assert sandbox.rotate().removed == (stem(old),)
        assert not [name for name in sandbox.store.names() if stem(old) in name]

    def test_one_whose_manifest_is_evicted_is_not_known(self, sandbox: Ground) -> None:
        old = sandbox.add_backup(8)
        sandbox.store.evict(f"{stem(old)}.manifest.json")
        sandbox.week()
        done = sandbox.rotate()
        assert done.removed == ()
        assert done.planned.strangers == (old.dump.file,)


class TestFiles:
    def test_an_archive_goes_when_nobody_needs_it_any_more(self, sandbox: Ground) -> None:
        first = sandbox.add_backup(20, files=[])
        assert first.files
        second = sandbox.add_backup(8, files=[first.files])
        assert second.files
        third = sandbox.add_backup(7, files=[first.files, second.files])
        week = [sandbox.add_backup(days, files=[]) for days in range(6, -1, -1)]
        assert sandbox.rotate().removed == (stem(first), stem(second))
        assert called(sandbox, first) == {".files.tar.zst"}
        assert called(sandbox, second) == {".files.tar.zst"}
        assert not [entry for entry in catalog.entries(sandbox.env) if entry.bad]

        sandbox.now = NOON + timedelta(days=1)
        sandbox.store.add_backup(sandbox.now, files=[])
        done = sandbox.rotate()
        assert done.removed == (stem(third),)
        assert not {name for name in sandbox.store.names() if ".files." in name} & {
            f"{stem(made)}.files.tar.zst" for made in (first, second, third)
        }
        assert all(f"{stem(made)}.files.tar.zst" in sandbox.store.names() for made in week)

    @pytest.mark.parametrize("damage", ["changed", "evicted"])
    def test_while_a_manifest_cannot_be_read_no_archive_goes(self, sandbox: Ground, damage: str) -> None:
        old = sandbox.add_backup(8, files=[])
        assert old.files
        needing = sandbox.add_backup(1.5, files=[old.files])
        sandbox.week()
        manifest = f"{stem(needing)}.manifest.json"
        whole = (sandbox.store.path / manifest).read_bytes()
        if damage == "evicted":
            sandbox.store.evict(manifest)
        else:
            (sandbox.store.path / manifest).write_bytes(whole[:-9])
        said = sandbox.told()
        assert called(sandbox, old) == {".files.tar.zst"}
        assert f"{manifest} cannot be read: the archives of files that it needs are not known" in said
        (sandbox.store.path / f".{manifest}.icloud").unlink(missing_ok=True)
        (sandbox.store.path / manifest).write_bytes(whole)
        assert sandbox.rotate().finished == (old.dump.file,)
        assert called(sandbox, old) == {".files.tar.zst"}, "it is needed"


class TestArchives:
    def test_copies_go_with_the_backup(self, archived: Ground) -> None:
        old = archived.add_backup(8)
        for made in (old, *archived.week()):
            archived.archive.copy_from(archived.store, made)
        (archived.archive.path / "by_hand.dump").write_bytes(b"PGDMP")
        assert archived.rotate().removed == (stem(old),)
        assert archived.archive.stems() == archived.store.stems()
        assert (archived.archive.path / "by_hand.dump").exists()
        assert not [name for name in archived.archive.names() if stem(old) in name]

    @pytest.mark.parametrize("damage", ["no proof", "cut", "no manifest"])
    def test_a_backup_whose_only_other_copy_is_not_proven_stays(self, archived: Ground, damage: str) -> None:
        old = archived.add_backup(8)
        archived.week()
        archived.archive.copy_from(archived.store, old, proof=damage != "no proof")
        if damage == "cut":
            (archived.archive.path / old.dump.file).write_bytes(b"PG")
        if damage == "no manifest":
            (archived.archive.path / f"{stem(old)}.manifest.json").unlink()
        done = archived.rotate()
        assert done.removed == ()
        [told] = [one for one in done.planned.plan.decisions if one.name == stem(old)]
        assert told.reasons == (f"its only other copy is not proven: {archived.archive.path}",)
        assert called(archived, old) == ENDINGS

    def test_another_backup_of_that_name_in_the_archive_is_no_copy(self, archived: Ground) -> None:
        old = archived.add_backup(8)
        other = archived.archive.add_backup(NOON - timedelta(days=300), None, stem=stem(old))
        archived.week()
        assert archived.rotate().removed == (stem(old),)
        assert stem(other) in archived.archive.stems()

    def test_what_is_only_in_the_archive_is_not_touched(self, archived: Ground) -> None:
        archived.week()
        archived.archive.add_backup(NOON - timedelta(days=300))
        names = archived.archive.names()
        archived.rotate()
        assert archived.archive.names() == names

    def test_an_archive_that_is_away_is_cleaned_when_it_is_back(self, archived: Ground) -> None:
        old = archived.add_backup(8)
        for made in (old, *archived.week()):
            archived.archive.copy_from(archived.store, made)
        away = archived.root / "away"
        (archived.root / "archive").rename(away)
        done = archived.rotate()
        assert done.removed == (stem(old),)
        removal_history.mark_wiped(archived.env, done.days)
        again = archived.rotate()
        assert again.planned.unfinished, "it is remembered"
        assert again.days == ()
        away.rename(archived.root / "archive")
        assert archived.rotate().finished == (old.dump.file,)
        assert archived.archive.stems() == archived.store.stems()
        assert archived.rotate().planned.unfinished == ()

    def test_an_archive_that_is_not_set_any_more_is_forgotten(self, archived: Ground) -> None:
        archived.add_backup(8)
        archived.week()
        shutil.rmtree(archived.root / "archive")
        removal_history.mark_wiped(archived.env, archived.rotate().days)
        archived.fields.pop("archive_roots")
        archived.rotate()
        assert archived.rotate().planned.unfinished == ()


class TestHistory:
    def test_a_name_that_was_used_before_has_its_own_place(self, sandbox: Ground) -> None:
        first = sandbox.add_backup(30, stem="before_migration")
        sandbox.week()
        removal_history.mark_wiped(sandbox.env, sandbox.rotate().days)
        second = sandbox.add_backup(20, stem="before_migration")
        sandbox.rotate()
        past = removal_history.removed_backups(sandbox.env)
        assert [one.recovery_point for one in past] == [second.recovery_point, first.recovery_point]
        assert {one.name.stem for one in past} == {"before_migration"}

    def test_one_that_comes_back_and_goes_again_leaves_nothing_behind(self, archived: Ground) -> None:
        """The same backup is restored from an archive each time, after it has been in the history before."""
        old = archived.add_backup(8)
        archived.week()
        elsewhere = BackupFolder(archived.root / "elsewhere")
        elsewhere.path.mkdir()
        elsewhere.copy_from(archived.store, old)
        for _ in range(4):
            assert archived.rotate().removed == (stem(old),)
            assert not called(archived, old)
            archived.store.copy_from(elsewhere, old)

    def test_manifests_stay_whole_for_a_while_and_their_facts_longer(self, sandbox: Ground) -> None:
        there = history_folder_of(sandbox.env)
        for days in range(9, 120):
            BackupFolder(there.path).add_backup(NOON - timedelta(days=days))
        sandbox.week(8)
        oldest = sandbox.add_backup(300)
        to_wipe = sandbox.rotate("dev").days
        assert len(removal_history.removed_backups(sandbox.env)) == 113, (
            "the facts were noted before manifests went"
        )
        assert len(there.names(".facts.json")) == 113
        assert f"{stem(oldest)}.manifest.json" in there.names(".manifest.json"), "its removal is not over"
        removal_history.mark_wiped(sandbox.env, to_wipe)
        sandbox.rotate()
        assert len(there.names(".manifest.json")) == len(there.names(".proof.json")) == 90
        assert there.names(".manifest.json")[0] == "ledgerflow_dev_20260818_120000.manifest.json"

    def test_a_clock_years_ahead_does_not_empty_it(self, sandbox: Ground) -> None:
        there = history_folder_of(sandbox.env)
        for days in range(9, 100):
            BackupFolder(there.path).add_backup(NOON - timedelta(days=days))
        sandbox.week(8)
        sandbox.now = NOON + timedelta(days=3000)
        sandbox.store.add_backup(sandbox.now)
        sandbox.rotate("dev")
        assert len(removal_history.removed_backups(sandbox.env)) == 99
        assert len(there.names(".manifest.json")) == 90

    def test_facts_that_were_edited_are_left_out_and_a_damaged_record_is_reported(
        self, sandbox: Ground
    ) -> None:
        old, older = sandbox.add_backup(8), sandbox.add_backup(9)
        sandbox.week()
        sandbox.rotate()
        there = history_folder_of(sandbox.env)
        (there.path / f"{stem(old)}.facts.json").write_bytes(b"{}")
        (there.path / f"{stem(older)}.going.json").write_bytes(b"{}")
        assert [one.name.stem for one in removal_history.removed_backups(sandbox.env)] == [stem(older)]
        assert any(f"history/{stem(older)}.going.json" in said for said in sandbox.told())


class TestTheRealThing:
    def test_drills_and_restores_hold_their_backup(self, env: EnvironmentContext) -> None:
        """Looked at from within, while they are at work."""
        seen: dict[str, str] = {}

        def look() -> None:
            seen.update(locks.backups_in_use(env.ctx.settings.state_dir, Environment.DEV))

        manifest = sandboxes.take_backup(env)
        name = BackupName.of(manifest.dump.file)
        for step in (Step.VERIFY, Step.COMPARE, Step.PROOF):
            seen.clear()
            recorder = sandboxes.ActionAtStep(at=step, action=look)
            sandboxes.prove_backup(
                EnvironmentContext(replace(env.ctx, reporter=recorder), env.environment), manifest
            )
            assert seen[name.stem].startswith("drill by "), step
        seen.clear()
        recorder = sandboxes.ActionAtStep(at=Step.CREATE, action=look)
        request = RestoreRequest(environment=Environment.DEV, file=name.dump, force=True)
        restore.restore(EnvironmentContext(replace(env.ctx, reporter=recorder), env.environment), request)
        assert seen[name.stem].startswith("restore by ")
        look()
        assert locks.backups_in_use(env.ctx.settings.state_dir, Environment.DEV) == {}
        assert known.newest_proven(catalog.entries(env))

    def test_a_restore_of_what_has_just_been_rotated_away_touches_nothing(
        self, env: EnvironmentContext
    ) -> None:
        manifest = sandboxes.take_backup(env)
        name = BackupName.of(manifest.dump.file)
        prepared = restore.prepare_restore(
            env, RestoreRequest(environment=Environment.DEV, file=name.dump, force=True)
        )
        backup_folder_of(env).remove(name.manifest)
        with pytest.raises(Refused, match="removed by a rotation a moment ago"):
            restore.carry_out_restore(env, prepared)


def test_a_backup_that_is_just_being_removed_is_not_taken_into_use(sandbox: Ground) -> None:
    old = sandbox.add_backup(8)
    state = sandbox.env.ctx.settings.state_dir
    with (
        locks.lock_for_removal(state, Environment.DEV, stem(old)),
        pytest.raises(Busy, match="being removed"),
        backup_lock.hold_backup(sandbox.env, BackupName(stem(old)), "drill"),
    ):
        pytest.fail("used, and removed")
    with backup_lock.hold_backup(sandbox.env, BackupName(stem(old)), "drill"):
        pass


def test_several_may_use_a_backup_at_once(sandbox: Ground) -> None:
    old, env = sandbox.add_backup(8), sandbox.env
    name, state = BackupName(stem(old)), env.ctx.settings.state_dir
    with backup_lock.hold_backup(env, name, "drill"):
        with backup_lock.hold_backup(env, name, "restore"):
            assert locks.backups_in_use(state, Environment.DEV)[stem(old)].startswith("restore by")
        with (
            pytest.raises(Busy, match="is in use"),
            locks.lock_for_removal(state, Environment.DEV, stem(old)),
        ):
            pytest.fail("removed while a drill uses it")
    assert locks.backups_in_use(state, Environment.DEV) == {}
    assert locks.backups_in_use(state, Environment.PROD) == {}


def test_the_time_is_that_of_the_environment(root: Path) -> None:
    """Late in the evening in Vienna it is the same day; in Auckland it is the next already."""
    sandbox = Ground(root, time_zone="Pacific/Auckland")
    sandbox.now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    sandbox.store = replace(sandbox.store, zone=sandbox.env.settings.zone)
    made = [sandbox.store.add_backup(sandbox.now - timedelta(days=days)) for days in range(8, -1, -1)]
    done = sandbox.rotate()
    assert done.planned.plan.edge == date(2026, 11, 17)
    assert done.removed == (stem(made[0]),)
