"""Rotation on real files: what goes, what stays, what is never touched, and who is asked."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.adapters import journal, locks
from ledgerflow_ops.core import catalog as known
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy, Refused
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.proof import Verdict
from ledgerflow_ops.core.restoring import Wish
from ledgerflow_ops.core.rungs import Rung
from ledgerflow_ops.operations import catalog, history, hold, pins, restore, rotate, summaries
from ledgerflow_ops.operations.desk import Site
from ledgerflow_ops.operations.rotate import Done
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder
from ledgerflow_ops_tests.fakes import grounds
from ledgerflow_ops_tests.fakes.stores import Store

ENDINGS = {".dump", ".globals.sql", ".manifest.json", ".proof.json"}


class Ground:
    """dev with a week's window and made-up backups, at noon on 23 November 2026."""

    def __init__(self, root: Path, **fields: Any) -> None:
        self.root, self.now = root, NOON
        self.fields: dict[str, Any] = {"expire_share": 1.0, **fields}
        self.store = Store(root / "backups" / "dev")

    @property
    def site(self) -> Site:
        return builders.site(self.root, now=lambda: self.now, **self.fields)

    @property
    def archive(self) -> Store:
        return Store(self.root / "archive" / "dev")

    def put(self, days: float, rung: Rung | None = Rung.VALID, **more: Any) -> Manifest:
        return self.store.put(NOON - timedelta(days=days), rung, **more)

    def week(self, first: int = 7) -> list[Manifest]:
        return [self.put(days) for days in range(first, -1, -1)]

    def rotate(self, confirmed: str = "") -> Done:
        return rotate.carry_out(self.site, confirmed)

    def told(self) -> list[str]:
        """What a rotation says."""
        recorder = Recorder()
        site = builders.site(self.root, now=lambda: self.now, reporter=recorder, **self.fields)
        rotate.carry_out(site)
        return recorder.said


@pytest.fixture
def ground(root: Path) -> Ground:
    return Ground(root)


@pytest.fixture
def archived(root: Path) -> Ground:
    (root / "archive").mkdir()
    return Ground(root, archive_roots=(root / "archive",))


def stem(made: Manifest) -> str:
    return BackupName.of(made.dump.file).stem


def called(ground: Ground, made: Manifest) -> set[str]:
    """What is left of a backup in the folder, by ending."""
    return {name.removeprefix(stem(made)) for name in ground.store.names() if name.startswith(stem(made))}


class TestGoing:
    def test_what_expires_goes_whole_and_its_records_go_into_the_history(self, ground: Ground) -> None:
        old, rest = ground.put(8), ground.week()
        done = ground.rotate()
        assert done.removed == (stem(old),)
        assert not called(ground, old)
        assert ground.store.stems() == sorted(stem(made) for made in rest)
        [past] = summaries.past(ground.site)
        assert (past.name.stem, past.state, past.proven) == (stem(old), "valid", True)
        assert (past.day, past.rows, past.rto_seconds) == (date(2026, 11, 15), 3, 1.5)
        kept = history.folder(ground.site)
        assert Manifest.decode(kept.read(f"{stem(old)}.manifest.json"), "m") == old
        assert kept.size(f"{stem(old)}.proof.json")
        assert done.days == (date(2026, 11, 15),)

    def test_a_plan_touches_nothing(self, ground: Ground) -> None:
        ground.put(8)
        ground.week()
        before = sorted(path for path in ground.root.rglob("*"))
        assert len(rotate.plan(ground.site).plan.expired) == 1
        assert sorted(path for path in ground.root.rglob("*")) == before

    def test_twice_is_once(self, ground: Ground) -> None:
        ground.put(8)
        ground.week()
        assert ground.rotate().removed
        names = ground.store.names()
        again = ground.rotate()
        assert again.removed == ()
        assert ground.store.names() == names
        assert again.days == (date(2026, 11, 15),), "a day is told until it is wiped"
        rotate.wiped(ground.site, again.days)
        assert ground.rotate().days == ()

    def test_a_day_that_has_another_backup_is_not_wiped(self, ground: Ground) -> None:
        ground.put(8)
        other = ground.put(8.1)
        pins.pin(ground.site, BackupName(stem(other)), "wanted")
        ground.week()
        assert ground.rotate().days == ()
        assert not list(history.folder(ground.site).path.glob("*.going.json"))

    def test_the_journal_says_what_went(self, ground: Ground) -> None:
        old = ground.put(8)
        ground.week()
        ground.rotate()
        [entry] = journal.entries(ground.site.desk.settings.state_dir)
        assert (entry["what"], entry["result"]) == ("rotate", "ok")
        assert entry["environment"] == "dev"
        assert entry["removed"] == [old.dump.file]
        assert (entry["kept"], entry["edge"], entry["who"]) == (8, "2026-11-16", "tests")

    def test_only_one_at_a_time(self, ground: Ground) -> None:
        ground.put(8)
        ground.week()
        state = ground.site.desk.settings.state_dir
        with locks.exclusive(state, Environment.DEV, "backup", NOON), pytest.raises(Busy, match="backup by"):
            ground.rotate()
        assert len(ground.store.stems()) == 9

    def test_no_folder_yet_is_nothing_to_do(self, ground: Ground) -> None:
        assert ground.rotate().removed == ()


class TestAsked:
    def test_more_than_the_share_is_refused_and_nothing_goes(self, root: Path) -> None:
        ground = Ground(root, expire_share=0.34)
        made = ground.week(12)
        names = ground.store.names()
        for confirmed in ("", "prod", "DEV", "yes"):
            with pytest.raises(Refused) as refused:
                ground.rotate(confirmed)
            assert "5 of 13 backups would go at once, more than 34%" in refused.value.message
            assert "CONFIRM=dev" in refused.value.hint
            assert (f"CONFIRM={confirmed!r}" in refused.value.message) == bool(confirmed)
        assert ground.store.names() == names
        assert ground.rotate("dev").removed == tuple(stem(one) for one in made[:5])
        noted = journal.entries(ground.site.desk.settings.state_dir)
        assert [entry["result"] for entry in noted] == [*["refused"] * 4, "ok"]
        assert noted[-1]["confirmed"] == "dev"
        assert "5 of 13" in noted[-1]["asked"]

    def test_one_backup_taken_by_a_clock_years_ahead_takes_nothing_with_it(self, root: Path) -> None:
        ground = Ground(root, expire_share=1.0)
        real = [ground.put(days) for days in (3, 2, 1, 0)]
        ground.now = NOON + timedelta(days=2000)
        ahead = ground.store.put(ground.now)
        with pytest.raises(
            Refused, match=r"nothing was taken between 2026-11-23 and 2032-05-15 \(2000 days\)"
        ):
            ground.rotate()
        ground.now = NOON + timedelta(days=1)
        assert ground.rotate().removed == ()
        assert {stem(made) for made in (*real, ahead)} <= set(ground.store.stems())


class TestNeverTouched:
    def test_files_it_does_not_know(self, ground: Ground) -> None:
        ground.put(8)
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
        ground.week()
        for name, data in others.items():
            (ground.store.path / name).write_bytes(data)
        (ground.store.path / "folder.dump").mkdir()
        done = ground.rotate()
        assert len(done.removed) == 1
        for name, data in others.items():
            assert (ground.store.path / name).read_bytes() == data
        assert set(done.planned.strangers) == {
            "by_hand.dump",
            "folder.dump",
            "ledgerflow_dev_20200101_0000.dump",
            "ledgerflow_dev_20200103_0000.dump",
        }

    def test_another_environments_backup_a_swapped_manifest_and_a_dump_that_is_a_link(
        self, ground: Ground
    ) -> None:
        foreign = replace(ground.store, environment=Environment.PROD).put(NOON - timedelta(days=40))
        swapped, linked = ground.put(41), ground.put(42)
        manifest = ground.store.path / f"{stem(swapped)}.manifest.json"
        manifest.write_bytes((ground.store.path / f"{stem(linked)}.manifest.json").read_bytes())
        dump = ground.store.path / linked.dump.file
        dump.rename(ground.root / "elsewhere.dump")
        dump.symlink_to(ground.root / "elsewhere.dump")
        ground.week()
        names = ground.store.names()
        done = ground.rotate()
        assert done.removed == ()
        assert ground.store.names() == names
        assert set(done.planned.strangers) == {one.dump.file for one in (foreign, swapped, linked)}
        assert (ground.root / "elsewhere.dump").exists()

    def test_one_that_was_brought_back_while_its_removal_was_not_over(self, ground: Ground) -> None:
        """Rotation was cut off; then somebody took the manifest out of the history again, and pinned it."""
        old = ground.put(8)
        ground.week()

        def die() -> None:
            raise KeyboardInterrupt

        dying = builders.site(
            ground.root, now=lambda: NOON, reporter=grounds.At(at=Step.REMOVE, action=die), **ground.fields
        )
        with pytest.raises(KeyboardInterrupt):
            rotate.carry_out(dying)
        name = BackupName(stem(old))
        kept = history.folder(ground.site).path / name.manifest
        shutil.copyfile(kept, ground.store.path / name.manifest)
        pins.pin(ground.site, name, "wanted after all")
        done = ground.rotate()
        assert (done.removed, done.finished) == ((), ())
        assert {".dump", ".manifest.json", ".pin.json"} <= called(ground, old)
        assert catalog.entry(ground.site, name).is_backup
        assert not history.unfinished(ground.site)

    def test_a_backup_in_use(self, ground: Ground) -> None:
        old, older = ground.put(8), ground.put(9)
        ground.week()
        with hold.held(ground.site, BackupName(stem(old)), "drill"):
            done = ground.rotate()
        assert done.removed == (stem(older),)
        [told] = [one for one in done.planned.plan.decisions if one.name == stem(old)]
        assert told.reasons[0].startswith(f"it is in use: drill by {locks.who()} (process {os.getpid()})")
        assert ground.rotate().removed == (stem(old),)

    def test_one_that_is_taken_into_use_after_the_plan(self, ground: Ground) -> None:
        old = ground.put(8)
        ground.week()
        held = hold.held(ground.site, BackupName(stem(old)), "restore")
        recorder = grounds.At(at=Step.NOTE)
        ground.put(9)  # goes first; while it does, the other is taken into use
        recorder.action = held.__enter__
        site = builders.site(ground.root, now=lambda: NOON, reporter=recorder, **ground.fields)
        done = rotate.carry_out(site)
        held.__exit__(None, None, None)
        assert recorder.fired
        assert list(done.left) == [stem(old)]
        assert "is in use: restore by" in done.left[stem(old)]
        assert called(ground, old) == ENDINGS

    def test_one_that_is_pinned_after_the_plan(self, ground: Ground) -> None:
        old = ground.put(8)
        ground.week()
        ground.put(9)
        action = lambda: pins.pin(ground.site, BackupName(stem(old)), "just now")  # noqa: E731
        recorder = grounds.At(at=Step.NOTE, action=action)
        site = builders.site(ground.root, now=lambda: NOON, reporter=recorder, **ground.fields)
        assert rotate.carry_out(site).left == {stem(old): "pinned meanwhile: just now"}
        assert called(ground, old) == {*ENDINGS, ".pin.json"}

    def test_a_pin_that_cannot_be_read_holds(self, ground: Ground) -> None:
        for days, damage in ((8, b"{}"), (9, None)):
            old = ground.put(days)
            pins.pin(ground.site, BackupName(stem(old)), "wanted", NOON - timedelta(hours=1))
            if damage:
                (ground.store.path / f"{stem(old)}.pin.json").write_bytes(damage)
            else:
                ground.store.evict(f"{stem(old)}.pin.json")
        ground.week()
        assert ground.rotate().removed == ()


class TestBad:
    def test_a_bad_one_is_evidence_in_the_window_and_goes_after_it(self, ground: Ground) -> None:
        old = ground.put(8, Rung.HASHED, verdict=Verdict.BAD)
        recent = ground.put(3.5, Rung.HASHED, verdict=Verdict.BAD)
        ground.week()
        assert ground.rotate().removed == (stem(old),)
        assert stem(recent) in ground.store.stems()
        [past] = summaries.past(ground.site)
        assert past.bad

    @pytest.mark.parametrize("damage", ["gone", "cut"])
    def test_one_whose_dump_is_gone_or_cut(self, ground: Ground, damage: str) -> None:
        old = ground.put(8)
        dump = ground.store.path / old.dump.file
        dump.unlink() if damage == "gone" else dump.write_bytes(b"x")
        ground.week()
        assert ground.rotate().removed == (stem(old),)
        assert not called(ground, old)

    def test_where_too_few_are_proven_what_is_not_proven_stays(self, ground: Ground) -> None:
        old = ground.put(8, None)
        ground.put(0)
        assert ground.rotate().removed == ()
        ground.put(1)
        assert ground.rotate().removed == (stem(old),)


class TestCloud:
    def test_an_evicted_one_goes_with_what_icloud_left_in_its_place(self, ground: Ground) -> None:
        old = ground.put(8)
        for file in (old.dump.file, f"{stem(old)}.globals.sql"):
            ground.store.evict(file)
        ground.week()
        assert ground.rotate().removed == (stem(old),)
        assert not [name for name in ground.store.names() if stem(old) in name]

    def test_one_whose_manifest_is_evicted_is_not_known(self, ground: Ground) -> None:
        old = ground.put(8)
        ground.store.evict(f"{stem(old)}.manifest.json")
        ground.week()
        done = ground.rotate()
        assert done.removed == ()
        assert done.planned.strangers == (old.dump.file,)


class TestFiles:
    def test_an_archive_goes_when_nobody_needs_it_any_more(self, ground: Ground) -> None:
        first = ground.put(20, files=[])
        assert first.files
        second = ground.put(8, files=[first.files])
        assert second.files
        third = ground.put(7, files=[first.files, second.files])
        week = [ground.put(days, files=[]) for days in range(6, -1, -1)]
        assert ground.rotate().removed == (stem(first), stem(second))
        assert called(ground, first) == {".files.tar.zst"}
        assert called(ground, second) == {".files.tar.zst"}
        assert not [entry for entry in catalog.entries(ground.site) if entry.bad]

        ground.now = NOON + timedelta(days=1)
        ground.store.put(ground.now, files=[])
        done = ground.rotate()
        assert done.removed == (stem(third),)
        assert not {name for name in ground.store.names() if ".files." in name} & {
            f"{stem(made)}.files.tar.zst" for made in (first, second, third)
        }
        assert all(f"{stem(made)}.files.tar.zst" in ground.store.names() for made in week)

    @pytest.mark.parametrize("damage", ["changed", "evicted"])
    def test_while_a_manifest_cannot_be_read_no_archive_goes(self, ground: Ground, damage: str) -> None:
        old = ground.put(8, files=[])
        assert old.files
        needing = ground.put(1.5, files=[old.files])
        ground.week()
        manifest = f"{stem(needing)}.manifest.json"
        whole = (ground.store.path / manifest).read_bytes()
        if damage == "evicted":
            ground.store.evict(manifest)
        else:
            (ground.store.path / manifest).write_bytes(whole[:-9])
        said = ground.told()
        assert called(ground, old) == {".files.tar.zst"}
        assert f"{manifest} cannot be read: nobody knows which archives of files it needs" in said
        (ground.store.path / f".{manifest}.icloud").unlink(missing_ok=True)
        (ground.store.path / manifest).write_bytes(whole)
        assert ground.rotate().finished == (old.dump.file,)
        assert called(ground, old) == {".files.tar.zst"}, "it is needed"


class TestArchives:
    def test_copies_go_with_the_backup(self, archived: Ground) -> None:
        old = archived.put(8)
        for made in (old, *archived.week()):
            archived.archive.copy_from(archived.store, made)
        (archived.archive.path / "by_hand.dump").write_bytes(b"PGDMP")
        assert archived.rotate().removed == (stem(old),)
        assert archived.archive.stems() == archived.store.stems()
        assert (archived.archive.path / "by_hand.dump").exists()
        assert not [name for name in archived.archive.names() if stem(old) in name]

    @pytest.mark.parametrize("damage", ["no proof", "cut", "no manifest"])
    def test_a_backup_whose_only_other_copy_is_not_proven_stays(self, archived: Ground, damage: str) -> None:
        old = archived.put(8)
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
        old = archived.put(8)
        other = archived.archive.put(NOON - timedelta(days=300), None, stem=stem(old))
        archived.week()
        assert archived.rotate().removed == (stem(old),)
        assert stem(other) in archived.archive.stems()

    def test_what_is_only_in_the_archive_is_not_touched(self, archived: Ground) -> None:
        archived.week()
        archived.archive.put(NOON - timedelta(days=300))
        names = archived.archive.names()
        archived.rotate()
        assert archived.archive.names() == names

    def test_an_archive_that_is_away_is_cleaned_when_it_is_back(self, archived: Ground) -> None:
        old = archived.put(8)
        for made in (old, *archived.week()):
            archived.archive.copy_from(archived.store, made)
        away = archived.root / "away"
        (archived.root / "archive").rename(away)
        done = archived.rotate()
        assert done.removed == (stem(old),)
        rotate.wiped(archived.site, done.days)
        again = archived.rotate()
        assert again.planned.unfinished, "it is remembered"
        assert again.days == ()
        away.rename(archived.root / "archive")
        assert archived.rotate().finished == (old.dump.file,)
        assert archived.archive.stems() == archived.store.stems()
        assert archived.rotate().planned.unfinished == ()

    def test_an_archive_that_is_not_set_any_more_is_forgotten(self, archived: Ground) -> None:
        archived.put(8)
        archived.week()
        shutil.rmtree(archived.root / "archive")
        rotate.wiped(archived.site, archived.rotate().days)
        archived.fields.pop("archive_roots")
        archived.rotate()
        assert archived.rotate().planned.unfinished == ()


class TestHistory:
    def test_a_name_that_was_used_before_has_its_own_place(self, ground: Ground) -> None:
        first = ground.put(30, stem="before_migration")
        ground.week()
        rotate.wiped(ground.site, ground.rotate().days)
        second = ground.put(20, stem="before_migration")
        ground.rotate()
        past = summaries.past(ground.site)
        assert [one.recovery_point for one in past] == [second.recovery_point, first.recovery_point]
        assert {one.name.stem for one in past} == {"before_migration"}

    def test_one_that_comes_back_and_goes_again_leaves_nothing_behind(self, archived: Ground) -> None:
        """Brought back from an archive each time: the very same backup has been in the history before."""
        old = archived.put(8)
        archived.week()
        elsewhere = Store(archived.root / "elsewhere")
        elsewhere.path.mkdir()
        elsewhere.copy_from(archived.store, old)
        for _ in range(4):
            assert archived.rotate().removed == (stem(old),)
            assert not called(archived, old)
            archived.store.copy_from(elsewhere, old)

    def test_manifests_stay_whole_for_a_while_and_their_facts_longer(self, ground: Ground) -> None:
        there = history.folder(ground.site)
        for days in range(9, 120):
            Store(there.path).put(NOON - timedelta(days=days))
        ground.week(8)
        oldest = ground.put(300)
        to_wipe = ground.rotate("dev").days
        assert len(summaries.past(ground.site)) == 113, "the facts were noted before manifests went"
        assert len(there.names(".facts.json")) == 113
        assert f"{stem(oldest)}.manifest.json" in there.names(".manifest.json"), "its removal is not over"
        rotate.wiped(ground.site, to_wipe)
        ground.rotate()
        assert len(there.names(".manifest.json")) == len(there.names(".proof.json")) == 90
        assert there.names(".manifest.json")[0] == "ledgerflow_dev_20260818_120000.manifest.json"

    def test_a_clock_years_ahead_does_not_empty_it(self, ground: Ground) -> None:
        there = history.folder(ground.site)
        for days in range(9, 100):
            Store(there.path).put(NOON - timedelta(days=days))
        ground.week(8)
        ground.now = NOON + timedelta(days=3000)
        ground.store.put(ground.now)
        ground.rotate("dev")
        assert len(summaries.past(ground.site)) == 99
        assert len(there.names(".manifest.json")) == 90

    def test_facts_that_were_edited_are_left_out_and_a_damaged_record_is_told(self, ground: Ground) -> None:
        old, older = ground.put(8), ground.put(9)
        ground.week()
        ground.rotate()
        there = history.folder(ground.site)
        (there.path / f"{stem(old)}.facts.json").write_bytes(b"{}")
        (there.path / f"{stem(older)}.going.json").write_bytes(b"{}")
        assert [one.name.stem for one in summaries.past(ground.site)] == [stem(older)]
        assert any(f"history/{stem(older)}.going.json" in said for said in ground.told())


class TestTheRealThing:
    def test_drills_and_restores_hold_their_backup(self, site: Site) -> None:
        """Looked at from within, while they are at work."""
        seen: dict[str, str] = {}

        def look() -> None:
            seen.update(locks.in_use(site.desk.settings.state_dir, Environment.DEV))

        manifest = grounds.take(site)
        name = BackupName.of(manifest.dump.file)
        for step in (Step.VERIFY, Step.COMPARE, Step.PROOF):
            seen.clear()
            recorder = grounds.At(at=step, action=look)
            grounds.prove(Site(replace(site.desk, reporter=recorder), site.environment), manifest)
            assert seen[name.stem].startswith("drill by "), step
        seen.clear()
        recorder = grounds.At(at=Step.CREATE, action=look)
        wish = Wish(Environment.DEV, name.dump, force=True)
        restore.restore(Site(replace(site.desk, reporter=recorder), site.environment), wish)
        assert seen[name.stem].startswith("restore by ")
        look()
        assert locks.in_use(site.desk.settings.state_dir, Environment.DEV) == {}
        assert known.newest_proven(catalog.entries(site))

    def test_a_restore_of_what_has_just_been_rotated_away_touches_nothing(self, site: Site) -> None:
        manifest = grounds.take(site)
        name = BackupName.of(manifest.dump.file)
        prepared = restore.prepare(site, Wish(Environment.DEV, name.dump, force=True))
        site.folder.remove(name.manifest)
        with pytest.raises(Refused, match="removed by a rotation a moment ago"):
            restore.carry_out(site, prepared)


def test_a_backup_that_is_just_being_removed_is_not_taken_into_use(ground: Ground) -> None:
    old = ground.put(8)
    state = ground.site.desk.settings.state_dir
    with (
        locks.alone(state, Environment.DEV, stem(old)),
        pytest.raises(Busy, match="just being removed"),
        hold.held(ground.site, BackupName(stem(old)), "drill"),
    ):
        pytest.fail("used, and removed")
    with hold.held(ground.site, BackupName(stem(old)), "drill"):
        pass


def test_several_may_use_a_backup_at_once(ground: Ground) -> None:
    old, site = ground.put(8), ground.site
    name, state = BackupName(stem(old)), site.desk.settings.state_dir
    with hold.held(site, name, "drill"):
        with hold.held(site, name, "restore"):
            assert locks.in_use(state, Environment.DEV)[stem(old)].startswith("restore by")
        with pytest.raises(Busy, match="is in use"), locks.alone(state, Environment.DEV, stem(old)):
            pytest.fail("taken away from under a drill")
    assert locks.in_use(state, Environment.DEV) == {}
    assert locks.in_use(state, Environment.PROD) == {}


def test_the_time_is_that_of_the_environment(root: Path) -> None:
    """Late in the evening in Vienna it is the same day; in Auckland it is the next already."""
    ground = Ground(root, time_zone="Pacific/Auckland")
    ground.now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    ground.store = replace(ground.store, zone=ground.site.settings.zone)
    made = [ground.store.put(ground.now - timedelta(days=days)) for days in range(8, -1, -1)]
    done = ground.rotate()
    assert done.planned.plan.edge == date(2026, 11, 17)
    assert done.removed == (stem(made[0]),)
