"""Honest life is never accused: a death between any two steps, and 400 days of backups, drills, rotations,
quarantines, deaths and wrong clocks."""

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.history.entry import Kind, Statement
from ledgerflow_ops.operations.history import audit, history_files, recording
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import backup_files
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups

DAYS = 400
BEGIN = datetime(2026, 1, 1, 2, tzinfo=UTC)


@pytest.fixture
def in_memory(root: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: the simulation writes 30,000 small files durably."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="lf-test-", dir=memory if memory.is_dir() else root) as folder:
        yield Path(folder)


def died(work: Callable[[], object]) -> None:
    """Do `work` in a process that dies right after it: nothing is cleaned up."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(9)
    assert os.waitpid(child, 0)[1] >> 8 == 9


def begun(context: AbstractContextManager[None], write: Callable[[], object] | None) -> Callable[[], object]:
    """Announce, write what was announced (None: not even that), and never enter it."""

    def work() -> None:
        context.__enter__()
        if write:
            write()

    return work


@pytest.mark.parametrize("written", [False, True], ids=["before its file", "after its file"])
@pytest.mark.parametrize("what", ["backup", "proof"])
def test_who_dies_before_the_entry_is_not_accused_and_the_entry_is_made_up_for(
    root: Path, what: str, written: bool
) -> None:
    dev = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON))
    first = dev.backup(NOON - timedelta(days=1))
    manifest = dev.manifest(NOON)
    proof = dev.proof(first, NOON, Verdict.BAD)
    name = BackupName.of(manifest.dump.file) if what == "backup" else BackupName.of(first.dump.file)
    context, file, data = (
        (recording.committing(dev.env, manifest), name.manifest, manifest.encode())
        if what == "backup"
        else (recording.proving(dev.env, proof), name.proof, proof.encode())
    )
    died(begun(context, (lambda: backup_files.write_file(dev.folder, file, data)) if written else None))
    for _ in range(2):
        report = audit.audit(dev.env)
        assert (report.faults, report.entries) == ((), 4 if written else 3)
    assert not [*history_files.home(dev.env).glob("*.announced.json")]
    dev.backup(NOON + timedelta(days=1))
    assert audit.audit(dev.env).faults == ()


@pytest.mark.parametrize("proven", [False, True])
def test_who_dies_while_the_first_entry_is_written_is_not_accused(root: Path, *, proven: bool) -> None:
    """A proof that follows comes after the entry that is made up for."""
    dev = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON))
    manifest = dev.manifest(NOON)
    name = BackupName.of(manifest.dump.file)
    died(
        begun(
            recording.committing(dev.env, manifest),
            lambda: backup_files.write_file(dev.folder, name.manifest, manifest.encode()),
        )
    )
    if proven:
        dev.prove(manifest, NOON)
    report = audit.audit(dev.env)
    assert (report.faults, report.entries, report.earlier) == ((), 3 if proven else 2, 0)


def test_a_copy_that_stopped_between_its_two_files_is_continued(root: Path) -> None:
    dev = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON))
    dev.backup(NOON)
    [signature] = dev.chain.glob("*.minisig")
    before = signature.read_bytes()
    dev.backup(NOON + timedelta(days=1))
    signature.write_bytes(before)
    for written in history_files.home(dev.env).glob("*.written.json"):
        written.unlink()
    assert audit.audit(dev.env).faults == ()
    assert signature.read_bytes() != before


def test_pieces_follow_each_other(root: Path) -> None:
    dev = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON))
    file = dev.backup(NOON).dump.file
    recording.record_accepted(dev.env, [Statement(kind=Kind.UNDO, file=file)] * (history_files.PIECE - 3))
    dev.backup(NOON + timedelta(days=1))
    names = sorted(path.name.split(".", 1)[1] for path in dev.chain.iterdir())
    assert names == [f"{first}.jsonl{end}" for first in ("000001", "000257") for end in ("", ".minisig")]
    report = audit.audit(dev.env)
    assert (report.faults, report.entries) == ((), history_files.PIECE + 2)


def test_400_days_of_honest_life(in_memory: Path) -> None:
    archive = in_memory / "archive"
    archive.mkdir()
    dev = RecordedBackups(
        builders.env(in_memory, rules=[], retention_days=21, archive_roots=(archive,), now=lambda: NOON)
    )
    life, chance = _Life(dev, archive), random.Random(48)
    for day in range(DAYS):
        life.day(BEGIN + timedelta(days=day), chance)
    report = audit.audit(dev.env, full=True)
    assert (report.faults, report.trouble) == ((), None)
    assert report.entries > 2 * DAYS
    assert life.done == {
        "backup",
        "bad proof",
        "death",
        "rotation",
        "quarantine",
        "undo",
        "clock",
        "away",
        "look",
    }
    assert {Kind.BACKUP, Kind.PROOF, Kind.ROTATION, Kind.QUARANTINE, Kind.UNDO} <= life.kinds()


class _Life:
    """The days of an environment, each with what happens on it by chance."""

    def __init__(self, dev: RecordedBackups, archive: Path) -> None:
        self.dev, self.archive, self.aside = dev, archive, list[Manifest]()
        self.done = set[str]()

    def day(self, now: datetime, chance: random.Random) -> None:
        if chance.random() < 0.02:  # a clock that is wrong by up to three days for this day
            now += timedelta(hours=chance.uniform(-72, 72))
            self.done.add("clock")
        manifest = self._backup(now, chance)
        if chance.random() < 0.05:
            self.dev.prove(manifest, now + timedelta(hours=1), Verdict.BAD)
            self.done.add("bad proof")
            self.dev.quarantine(manifest, now + timedelta(hours=2))
            self.aside.append(manifest)
            self.done.add("quarantine")
        if self.aside and chance.random() < 0.05:
            self.dev.undo(self.aside.pop(), now + timedelta(hours=3))
            self.done.add("undo")
        if now.weekday() == 6 and self.dev.rotate(now + timedelta(hours=4)):
            self.done.add("rotation")
        if chance.random() < 0.03:
            self._away()
        if chance.random() < 0.1 or "death" in self.happened:
            assert audit.audit(self.dev.env).faults == (), f"accused on {now}: {self.happened}"
            self.done.add("look")

    def _backup(self, now: datetime, chance: random.Random) -> Manifest:
        """A backup and its proof, each of which may die before or after its file, with or without a retry."""
        self.happened, dev = ["backup"], self.dev
        self.done.add("backup")
        manifest = dev.manifest(now)
        name = BackupName.of(manifest.dump.file)
        if chance.random() < 0.04:
            committing = recording.committing(dev.at(now), manifest)
            died(begun(committing, self._write(name.manifest, manifest.encode(), chance)))
        if not (dev.folder / name.manifest).exists():
            dev.backup(now, prove=False)
        proof = dev.proof(manifest, now)
        if chance.random() < 0.04:
            proving = recording.proving(dev.at(now), proof)
            died(begun(proving, self._write(name.proof, proof.encode(), chance)))
        else:
            dev.prove(manifest, now)
        return manifest

    def _write(self, file: str, data: bytes, chance: random.Random) -> Callable[[], object] | None:
        self.done.add("death")
        self.happened.append("death")
        if chance.random() < 0.5:
            return None
        return lambda: backup_files.write_file(self.dev.folder, file, data)

    def _away(self) -> None:
        """The archive is away while one audit looks."""
        hidden = self.archive.with_name("away")
        self.archive.rename(hidden)
        assert audit.audit(self.dev.env).faults == ()
        hidden.rename(self.archive)
        self.done.add("away")

    def kinds(self) -> set[Kind]:
        [file] = history_files.home(self.dev.env).glob("*.jsonl")
        return {kind for kind in Kind if f'\\"kind\\":\\"{kind}\\"' in file.read_text()}
