"""SIGKILL at every step of a backup and of a drill: nothing is lost, nothing wrong is said, nothing stays."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.progress import (
    BACKUP_STEPS,
    DRILL_STEPS,
    FILES_STEPS,
    RESTORE_STEPS,
    ROLLBACK_STEPS,
    ROTATION_STEPS,
    Step,
)
from ledgerflow_ops.core.rungs import Rung
from ledgerflow_ops.operations import verify
from ledgerflow_ops.operations.embedded import Embedded
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import Recorder
from ledgerflow_ops_tests.fakes import grounds
from ledgerflow_ops_tests.fakes.grounds import Ground

# What the catalog says of a dump whose backup was killed when this step was announced. Before the dump
# has its name there is nothing to say; before the manifest is there, it is no backup.
_NO_BACKUP_YET = (Step.GLOBALS, Step.FILES, Step.PACK, Step.KEEP, Step.COMMIT)
_LEFT_BY = {**{str(step): "no manifest" for step in _NO_BACKUP_YET}, str(Step.READ_BACK): "written"}
_WITH_A_PARTIAL = {Step.FINISH, Step.SYNC, Step.RENAME, Step.KEEP, "1 bytes", "150000 bytes"}
_MOMENTS = ("100 ms", "500 ms", "900 ms")


@pytest.fixture(scope="module")
def ground(session_root: Path, embedded: Embedded) -> Iterator[Ground]:
    """One ground for the whole module: every killed run finds what those before it have left."""
    with grounds.folder(session_root) as root, grounds.sample_copy(embedded) as database:
        ground = Ground(root, database).with_files()
        site = ground.site()
        grounds.prove(site, grounds.take(site))
        yield ground


def _kill(ground: Ground, what: str, where: str) -> str:
    """Run it until it dies there; the mark that everything it started bears. A fault must fire."""
    time.sleep(1)  # names go to the second, and a killed run may leave its own behind
    mark = secrets.token_hex(8)
    where_it_works = [str(ground.root), builders.url(ground.database), str(ground.root / "media")]
    finished = subprocess.run(
        [sys.executable, "-m", "ledgerflow_ops_tests.fakes.killed", what, where, *where_it_works],
        cwd=PROJECT,
        env={**os.environ, "FAULT_MARK": mark},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, f"the fault at {where!r} never fired:\n{finished.stderr!r}"
    return mark


def _tools_are_gone(mark: str) -> bool:
    """No pg_dump, pg_restore or Python that the killed run had started is left. Its server may be."""
    return grounds.until(lambda: {*grounds.marked(mark)} <= {"postgres"})


@pytest.mark.parametrize("where", [*BACKUP_STEPS, "1 bytes", "150000 bytes"])
def test_a_backup_killed_at_any_step_leaves_nothing_that_counts(ground: Ground, where: str) -> None:
    files, entries = ground.files(), ground.entries()
    mark = _kill(ground, "backup", where)

    assert _tools_are_gone(mark)
    assert files.items() <= ground.files().items(), "an earlier backup was touched"
    assert bool(ground.unfinished()) == (where in _WITH_A_PARTIAL)
    added = [entry for entry in ground.entries() if entry not in entries]
    assert [entry.state for entry in added] == [state for state in [_LEFT_BY.get(where)] if state]
    assert not [entry for entry in added if entry.proven]

    recorder = Recorder()
    again = ground.site(recorder)
    unfinished = ground.unfinished()
    manifest = grounds.take(again)
    assert [said.split(":")[0] for said in recorder.said] == [f"swept {name}" for name in unfinished]
    assert ground.unfinished() == []
    name = BackupName.of(manifest.dump.file)
    assert verify.verify(again, name).rung is Rung.READABLE
    assert files.items() <= ground.files().items()


def test_backups_taken_after_killed_ones_are_proven_like_any_other(ground: Ground) -> None:
    taken = [entry for entry in ground.entries() if entry.state == "readable"]
    assert len(taken) == len(BACKUP_STEPS) + 2
    for entry in taken[:: len(taken) - 1]:  # the first and the last: a drill takes longer than a backup
        assert entry.manifest is not None
        grounds.prove(ground.site(), entry.manifest)


@pytest.mark.parametrize("where", DRILL_STEPS)
def test_a_drill_killed_at_any_step_proves_nothing_and_the_next_one_cleans_up(
    ground: Ground, where: Step
) -> None:
    manifest = grounds.take(ground.site())
    stem = manifest.dump.file.removesuffix(".dump")
    files, states = ground.files(), ground.states()
    mark = _kill(ground, "drill", where)
    keys = ground.drill_keys()

    assert _tools_are_gone(mark)
    assert ground.files() == files, "a killed drill changed a file of the backups"
    assert ground.states() == states
    assert states[stem] == "written"

    grounds.prove(ground.site(), manifest)
    assert ground.states() == {**states, stem: "valid"}
    assert ground.traces(keys) == []
    with ground.database.connect() as connection:  # the server that the backups come from is unharmed
        assert connection.execute("SELECT count(*) > 0 FROM public.auth_user").fetchone() == (True,)


def test_drills_killed_at_any_moment_of_their_servers_start_leave_nothing_once_another_has_run(
    ground: Ground,
) -> None:
    manifest = grounds.take(ground.site())
    keys = []
    for moment in _MOMENTS:
        mark = _kill(ground, "drill", moment)
        keys += ground.drill_keys()
        assert _tools_are_gone(mark)
    grounds.prove(ground.site(), manifest)
    assert grounds.until(lambda: ground.traces(keys) == []), ground.traces(keys)


def test_every_step_there_is_has_its_killed_run() -> None:
    """Those of restores and rollbacks are in test_restore_killed, of rotations in test_rotate_killed."""
    restores = {*FILES_STEPS, *RESTORE_STEPS, *ROLLBACK_STEPS}
    assert {*BACKUP_STEPS, *DRILL_STEPS, *restores, *ROTATION_STEPS} == set(Step)
