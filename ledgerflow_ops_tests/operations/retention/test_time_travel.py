"""Four hundred days of each environment: the real plan, the real removal, real files, a clock of ours.

Days are missed, proofs fail, the clock jumps by years and back, the schedule stalls, the zone is renamed,
pins end, copies lie in an archive. After every rotation somebody who knows only the promises looks.
"""

import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.config import Settings
from ledgerflow_ops.core.catalog.files import FilesState
from ledgerflow_ops.core.catalog.manifest import RunFacts
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.operation_requests import RotateRequest
from ledgerflow_ops.core.schedule.schedule import due_at
from ledgerflow_ops.operations import removal_history
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.retention import pins, rotate
from ledgerflow_ops_tests import retention_rules
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.retention_rules import Backup, Rotation, Rules

DAYS = 400
BEGIN = date(2027, 9, 20)
"""From here on come both changes of the clock in every zone, and the leap day of 2028."""
FOREIGN = {"notes.txt": b"mine", "by_hand.dump": b"PGDMP of somebody", "old.proof.json": b"{}"}


@dataclass(frozen=True)
class Course:
    """What befalls an environment, by number of day."""

    environment: Environment
    zone: str
    at: time
    rules: Rules
    renamed: tuple[int, str]
    stalled: range
    ahead: range
    behind: range
    archived: bool = False
    with_files: bool = False


COURSES = [
    Course(
        Environment.PROD,
        "Europe/Vienna",
        time(2, 30),
        Rules(30, 2, weeks=4, months=6, years=1),
        (210, "Pacific/Auckland"),
        range(100, 145),
        range(180, 186),
        range(300, 304),
        archived=True,
    ),
    Course(
        Environment.DEV,
        "America/New_York",
        time(1, 30),
        Rules(7, 2),
        (250, "Asia/Tokyo"),
        range(90, 105),
        range(150, 153),
        range(330, 334),
        with_files=True,
    ),
    Course(
        Environment.TEST,
        "Australia/Lord_Howe",
        time(2, 0),
        Rules(3, 3, share=0.5),
        (120, "America/Los_Angeles"),
        range(60, 70),
        range(200, 202),
        range(220, 226),
    ),
]


@dataclass
class World:
    """An environment on its course. `true` is what everybody else's clock says."""

    course: Course
    root: Path
    dice: random.Random
    true: datetime = datetime(2027, 9, 20, tzinfo=UTC)
    off: timedelta = timedelta()
    zone: str = ""
    removed: list[datetime] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    states: list[FilesState] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.true + self.off

    @property
    def archive(self) -> BackupFolder:
        return BackupFolder(self.root / "archive" / self.course.environment, self.course.environment)

    @property
    def store(self) -> BackupFolder:
        environment = self.course.environment
        return BackupFolder(self.root / "backups" / environment, environment, ZoneInfo(self.zone))

    def env(self) -> EnvironmentContext:
        """The environment with its settings of this day."""
        rules = self.course.rules
        settings = Settings(
            backup_root=self.root / "backups",
            state_dir=self.root / "state",
            archive_roots=(self.root / "archive",) if self.course.archived else (),
            environments={
                self.course.environment: {
                    "time_zone": self.zone,
                    "retention_days": rules.days,
                    "minimum_redundancy": rules.minimum,
                    "keep_weekly": rules.weeks,
                    "keep_monthly": rules.months,
                    "keep_yearly": rules.years,
                    "expire_share": rules.share,
                }
            },
        )
        ctx = OperationContext(
            settings, Recorder(), lambda: self.now, RunFacts(run_id="", who="tests", why="time")
        )
        return ctx.env(self.course.environment)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def day(self, number: int) -> None:
        """One day: what befalls, the backup that was due, the rotation after it."""
        course = self.course
        self.zone = course.renamed[1] if number >= course.renamed[0] else course.zone
        self.true = due_at(BEGIN + timedelta(days=number), course.at, ZoneInfo(self.zone))
        self.off = timedelta(days=1500) if number in course.ahead else timedelta()
        self.off = timedelta(days=-7000) if number in course.behind else self.off
        if number not in course.stalled and self.dice.random() > 0.07:
            self.back_up()
            if self.dice.random() < 0.05:
                self.true += timedelta(hours=1)
                self.back_up()
        self.people()
        if self.dice.random() > 0.05:
            self.rotate()

    def back_up(self) -> None:
        luck = self.dice.random()
        rung = None if luck < 0.04 else Rung.READABLE if luck < 0.07 else Rung.VALID
        verdict = Verdict.BAD if 0.07 <= luck < 0.1 else Verdict.GOOD
        earlier = [state for state in self.states[-6:] if self.dice.random() < 0.3]
        files = [one for one in earlier if (self.store.path / one.archive.file).exists()]
        made = self.store.add_backup(self.now, rung, verdict, files=files if self.course.with_files else None)
        if made.files:
            self.states.append(made.files)
        if self.course.archived and self.dice.random() < 0.8:
            self.archive.copy_from(self.store, made, proof=self.dice.random() < 0.9)
        self.count("backups")

    def people(self) -> None:
        """Now and then somebody pins a backup, or takes a pin away; iCloud takes the bytes of one."""
        stems, env = self.store.stems(), self.env()
        if stems and self.dice.random() < 0.03:
            until = self.now + timedelta(days=self.dice.randint(1, 120)) if self.dice.random() < 0.7 else None
            pins.pin(env, BackupName(self.dice.choice(stems)), "somebody wants it", until)
            self.count("pins")
        for file in sorted(name for name in self.store.names() if name.endswith(".pin.json")):
            if self.dice.random() < 0.01:
                (self.store.path / file).unlink()
        if stems and self.dice.random() < 0.03:
            stem = self.dice.choice(stems)
            if (self.store.path / f"{stem}.dump").exists():
                self.store.evict(f"{stem}.dump")

    def rotate(self) -> None:
        """The rotation, and the look of somebody who knows only the promises."""
        env, stems = self.env(), self.store.stems()
        used = self.dice.choice(stems) if stems and self.dice.random() < 0.1 else ""
        right = not self.off
        with ExitStack() as stack:
            if used:
                folder = env.ctx.settings.state_dir
                stack.enter_context(locks.hold_backup(folder, env.environment, used, "a drill", self.now))
            before = self.look(used)
            files = self.everything()
            confirmed = right and self.dice.random() < 0.3
            try:
                done = rotate.carry_out_rotation(
                    env, RotateRequest(carry_out=True, confirm=str(env.environment) if confirmed else "")
                )
                asked = bool(done.planned.plan.asks)
                removal_history.mark_wiped(env, done.days)
            except Refused:
                asked = True
                assert self.everything() == files, "refused, and touched something"
                self.count("refused")
        after = {one.name for one in self.look("")}
        gone = [one for one in before if one.name not in after]
        today = self.now.astimezone(ZoneInfo(self.zone)).date()
        rules = self.course.rules
        moment = Rotation(
            before, [one.name for one in gone], self.now, today, rules, confirmed, asked, self.removed
        )
        retention_rules.check_rotation(moment)
        self.check_arrival(before, gone, used, confirmed)
        self.check_files(files, after)
        self.removed += [one.taken for one in gone]
        self.count("rotations")
        self.counts["removed"] = len(self.removed)

    def look(self, used: str) -> list[Backup]:
        """The backups as anybody can see them: files and JSON."""
        return [self._look(stem, used) for stem in self.store.stems()]

    def _look(self, stem: str, used: str) -> Backup:
        folder = self.store.path
        manifest = _json(folder / f"{stem}.manifest.json")
        pin = _json(folder / f"{stem}.pin.json")
        ends = pin.get("until")
        evicted = (folder / f".{stem}.dump.icloud").exists()
        there = (self.archive.path / f"{stem}.dump").exists()
        return Backup(
            name=stem,
            day=date.fromisoformat(manifest["backup_day"]),
            taken=datetime.fromisoformat(manifest["recovery_point"]),
            proven=_proves(_json(folder / f"{stem}.proof.json")),
            bad=_json(folder / f"{stem}.proof.json").get("verdict") == "bad",
            local=not evicted,
            pinned=bool(pin),
            pin_ends=datetime.fromisoformat(ends) if ends else None,
            busy=stem == used,
            copies_proven=(_proves(_json(self.archive.path / f"{stem}.proof.json")),) if there else (),
        )

    def everything(self) -> dict[str, tuple[int, int]]:
        """Every file in the folder, as it is."""
        found = {path.name: path.stat() for path in self.store.path.iterdir() if path.is_file()}
        return {name: (facts.st_ino, facts.st_mtime_ns) for name, facts in found.items()}

    def check_arrival(self, before: list[Backup], gone: list[Backup], used: str, confirmed: bool) -> None:
        """Nothing goes when nothing new and proven has arrived since the last rotation, nor anything else."""
        real = [one for one in before if one.proven and one.taken <= self.now]
        state = json.dumps([sorted(one.name for one in real), used, confirmed, sorted(map(str, before))])
        newest = max((one.taken.isoformat() for one in real), default="")
        was, self.seen = self.seen, {"newest": newest, "left": json.dumps(sorted(map(str, before)))}
        assert not (gone and not newest)
        assert not (gone and was.get("state") == state), "removed though nothing had changed"
        self.seen["state"] = state
        if gone and max(one.taken for one in real) > self.true + timedelta(days=30):
            assert confirmed, "removed by a clock that is years ahead"
        if self.off < timedelta():
            assert all(one.taken <= self.now for one in gone), "removed by a clock that is years behind"

    def check_files(self, before: dict[str, tuple[int, int]], after: set[str]) -> None:
        """What stays is as it was; of what went nothing is left; what is not ours was never touched."""
        now = self.everything()
        assert {name for name in now if now[name] != before.get(name)} == set(), "a file was changed or made"
        for file, data in FOREIGN.items():
            assert (self.store.path / file).read_bytes() == data
        needed = set[str]()
        for stem in after:
            listed = _json(self.store.path / f"{stem}.manifest.json").get("files") or {}
            needed |= {facts["file"] for facts in [listed["archive"], *listed["needs"]]} if listed else set()
        assert needed <= set(now), "an archive that a kept backup needs is gone"
        rest = set(now) - needed - set(FOREIGN)
        known = {f"{stem}{end}" for stem in after for end in _ENDINGS} | {
            f".{stem}.dump.icloud" for stem in after
        }
        assert rest <= known, f"left of what has gone: {rest - known}"
        if self.course.archived:
            ours = {name.split(".")[0] for name in now} | {
                name.split(".")[1] for name in now if name[0] == "."
            }
            assert {name.split(".")[0] for name in self.archive.names()} <= ours, "a copy outlived its backup"


_ENDINGS = (".dump", ".manifest.json", ".proof.json", ".globals.sql", ".pin.json", ".files.tar.zst")


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _proves(proof: dict[str, Any]) -> bool:
    return proof.get("verdict") == "good" and proof.get("rung") == 7


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder in memory where there is one: four hundred days sync their files thousands of times."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="lft-", dir=memory if memory.is_dir() else None))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: str(course.environment))
def test_four_hundred_days_keep_every_promise(course: Course, fast: Path) -> None:
    world = World(course, fast, random.Random(f"{course.environment} 5"), zone=course.zone)
    world.store.path.mkdir(parents=True)
    world.archive.path.mkdir(parents=True)
    for file, data in FOREIGN.items():
        (world.store.path / file).write_bytes(data)
    for number in range(DAYS):
        world.day(number)
    assert world.counts["backups"] > 250
    assert world.counts["rotations"] > 340
    assert world.counts["removed"] > 200, "so much was kept that nothing was shown"
    assert world.counts["refused"] > 1
    assert world.counts["pins"] > 3
    past = removal_history.removed_backups(world.env())
    assert sorted(one.recovery_point for one in past) == sorted(world.removed)
    states = {one.state for one in past}
    assert states >= {"valid", "bad"}
    assert states & {"written", "readable"}
