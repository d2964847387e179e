"""SIGKILL at every step of a backup and a drill: no backup is lost, no report is wrong, nothing stays."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.operation_requests import RestoreRequest, RotateRequest
from ledgerflow_ops.core.progress import (
    ARCHIVE_STEPS,
    BACKUP_STEPS,
    DRILL_STEPS,
    FILES_STEPS,
    QUARANTINE_STEPS,
    REKEY_STEPS,
    REPAIR_STEPS,
    RESTORE_STEPS,
    ROLLBACK_STEPS,
    ROTATION_STEPS,
    UP_STEPS,
    Step,
)
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.embedded_postgres import EmbeddedPostgres
from ledgerflow_ops.operations.history import audit
from ledgerflow_ops.operations.monitoring import doctor, monitor
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.restore import restore
from ledgerflow_ops.operations.retention import rotate
from ledgerflow_ops.operations.servers import web_servers
from ledgerflow_ops.operations.verification import verify
from ledgerflow_ops_tests import builders, databases
from ledgerflow_ops_tests.builders import Recorder, backup_folder_of
from ledgerflow_ops_tests.fakes import killing, sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

# What the catalog says of a dump whose backup was killed when this step was announced. Before the dump
# has its name there is nothing to say; before the manifest is there, it is no backup.
_NO_BACKUP_YET = (Step.GLOBALS, Step.FILES, Step.PACK, Step.KEEP, Step.COMMIT)
_LEFT_BY = {
    **{str(step): "no manifest" for step in _NO_BACKUP_YET},
    **{str(step): "written" for step in (Step.READ_BACK, Step.RECORD)},
}
_WITH_A_PARTIAL = {Step.FINISH, Step.SYNC, Step.RENAME, Step.KEEP, "1 bytes", "150000 bytes"}
_NOISE = "CREATE TABLE noise AS SELECT sha512(n::text::bytea) AS bytes FROM generate_series(1, 4000) AS n"
"""256 KB that cannot be compressed: a backup is killed in the middle of its dump."""
_MOMENTS = ("5 ms", "20 ms", "50 ms", "100 ms", "300 ms")


@pytest.fixture(scope="module")
def sandbox(session_root: Path, embedded: EmbeddedPostgres) -> Iterator[Sandbox]:
    """One ground for the whole module: every killed run finds what those before it have left."""
    with (
        sandboxes.temporary_folder(session_root) as root,
        databases.temporary_database(embedded.start()) as database,
    ):
        databases.fill_small(database)
        databases.run_statements(database, _NOISE)
        sandbox = Sandbox(root, database).with_files()
        env = sandbox.env()
        sandboxes.prove_backup(env, sandboxes.take_backup(env))
        yield sandbox


def _kill(sandbox: Sandbox, what: str, where: str) -> str:
    """Run it until it dies there; the mark that everything it started bears. A fault must fire."""
    time.sleep(1)  # names go to the second, and a killed run may leave its own behind
    mark = secrets.token_hex(8)
    url, media = builders.database_url(sandbox.database), str(sandbox.root / "media")
    killing.kill_at(what, where, sandbox.root, url, media, FAULT_MARK=mark)
    return mark


def _tools_are_gone(mark: str) -> bool:
    """No pg_dump, pg_restore or Python that the killed run had started is left. Its server may be."""
    return sandboxes.wait_until(lambda: {*sandboxes.processes_marked(mark)} <= {"postgres"})


@pytest.mark.parametrize("where", [*BACKUP_STEPS, "1 bytes", "150000 bytes"])
def test_a_backup_killed_at_any_step_leaves_nothing_that_counts(sandbox: Sandbox, where: str) -> None:
    files, entries = sandbox.files(), sandbox.entries()
    mark = _kill(sandbox, "backup", where)

    assert _tools_are_gone(mark)
    assert files.items() <= sandbox.files().items(), "an earlier backup was touched"
    assert bool(sandbox.unfinished()) == (where in _WITH_A_PARTIAL)
    uncommitted = [file for file in sandbox.files() if file not in files and not file.startswith(".")]
    if where in (Step.READ_BACK, Step.RECORD):  # it is committed: nothing of it is swept
        uncommitted = []
    added = [entry for entry in sandbox.entries() if entry not in entries]
    assert [entry.state for entry in added] == [state for state in [_LEFT_BY.get(where)] if state]
    assert not [entry for entry in added if entry.proven]

    recorder = Recorder()
    again = sandbox.env(recorder)
    stranger = _stranger(again)
    manifest = sandboxes.take_backup(again)
    assert {said.split(":")[0] for said in recorder.said} == {f"swept {name}" for name in uncommitted}
    name = BackupName.of(manifest.dump.file)  # within the same minute it may be the killed one's
    still = [file for file in uncommitted if file in sandbox.files() and not file.startswith(f"{name.stem}.")]
    assert still == [], "what a killed run has left without a manifest is gone"
    assert [file for file in sandbox.files() if file.startswith(".") or file.endswith(".partial")] == []
    assert sandbox.states()[stranger.stem] == "no manifest", "what somebody else has put there stays"
    backup_folder_of(again).file(stranger.dump).unlink()
    assert verify.verify(again, name).rung is Rung.READABLE
    assert files.items() <= sandbox.files().items()
    report = audit.audit(again)
    assert (report.faults, report.trouble) == ((), None)


def _stranger(env: EnvironmentContext) -> BackupName:
    """A dump that somebody has put into the folder, under a name as ours are, and no manifest with it."""
    name = BackupName("ledgerflow_dev_20200229_0230")
    backup_folder_of(env).file(name.dump).write_bytes(b"PGDMP of somebody else")
    return name


def test_a_file_that_has_taken_the_place_of_ours_is_not_ours(sandbox: Sandbox) -> None:
    """The record of a killed run names a file by what it is, not by its name alone."""
    before = sandbox.files()
    _kill(sandbox, "backup", Step.COMMIT)
    env, recorder = sandbox.env(), Recorder()
    (dump,) = [file for file in sandbox.files() if file not in before and file.endswith(".dump")]
    path = backup_folder_of(env).file(dump)
    copy = path.read_bytes()
    path.with_name("aside").write_bytes(copy)
    path.with_name("aside").replace(path)  # the same bytes under the same name: brought by somebody
    leftover_sweep.sweep_folder(sandbox.env(recorder))
    assert path.read_bytes() == copy
    assert not any(dump in said for said in recorder.said)
    assert sandbox.states()[BackupName.of(dump).stem] == "no manifest"
    path.unlink()
    assert sandbox.files() == before


SWEEPERS: dict[str, Callable[[EnvironmentContext], object]] = {
    "status": lambda env: status.overview(env.ctx, [env]),
    "doctor": lambda env: doctor.examine(env.ctx, [env]),
    "watchdog": lambda env: monitor.run_watchdog(env.ctx),
    "verify": lambda env: verify.verify(env, catalog.find(env, None)),
    "backup": lambda env: sandboxes.take_backup(env),
    "rotate": lambda env: rotate.carry_out_rotation(env, RotateRequest(carry_out=True, confirm="dev")),
    "make down": lambda env: web_servers.down(env.ctx),
    "restore": lambda env: _refused_restore(env),
}


def _refused_restore(env: EnvironmentContext) -> None:
    with pytest.raises(LedgerError, match="no_such"):
        restore.restore(env, RestoreRequest(environment=Environment.DEV, file="no_such.dump", force=True))


@pytest.mark.parametrize("sweeper", SWEEPERS)
def test_whatever_starts_or_stops_ends_the_server_that_a_killed_drill_has_left(
    sandbox: Sandbox, sweeper: str
) -> None:
    mark = _kill(sandbox, "drill", Step.COMPARE)
    keys = sandbox.drill_keys()
    assert _tools_are_gone(mark)
    assert sandboxes.processes_marked(mark), "the fault did not fire: no server was left"
    assert any(Path(f"/dev/shm/lf-{key}").exists() for key in keys), "no copy of the books was left in memory"
    recorder = Recorder()
    SWEEPERS[sweeper](sandbox.env(recorder))
    assert sandbox.traces(keys) == []
    assert sandboxes.wait_until(lambda: not sandboxes.processes_marked(mark))
    assert f"swept drill {keys[0]}" in " ".join(recorder.said)


def test_backups_taken_after_killed_ones_are_proven_like_any_other(sandbox: Sandbox) -> None:
    taken = [entry for entry in sandbox.entries() if entry.state == "readable"]
    assert len(taken) >= len(BACKUP_STEPS) + 2
    for entry in taken[:: len(taken) - 1]:  # the first and the last: a drill takes longer than a backup
        assert entry.manifest is not None
        sandboxes.prove_backup(sandbox.env(), entry.manifest)


@pytest.mark.parametrize("where", DRILL_STEPS)
def test_a_drill_killed_at_any_step_proves_nothing_and_the_next_one_cleans_up(
    sandbox: Sandbox, where: Step
) -> None:
    manifest = sandboxes.take_backup(sandbox.env())
    stem = manifest.dump.file.removesuffix(".dump")
    files, states = sandbox.files(), sandbox.states()
    mark = _kill(sandbox, "drill", where)
    keys = sandbox.drill_keys()

    assert _tools_are_gone(mark)
    assert sandbox.files() == files, "a killed drill changed a file of the backups"
    assert sandbox.states() == states
    assert states[stem] == "written"

    sandboxes.prove_backup(sandbox.env(), manifest)
    assert sandbox.states() == {**states, stem: "valid"}
    assert sandbox.traces(keys) == []
    assert audit.audit(sandbox.env()).faults == ()
    with sandbox.database.connect() as connection:  # the server that the backups come from is unharmed
        assert connection.execute("SELECT count(*) > 0 FROM public.profiles_transaction").fetchone() == (
            True,
        )


def test_drills_killed_at_any_moment_of_their_servers_start_leave_nothing_once_another_has_run(
    sandbox: Sandbox,
) -> None:
    manifest = sandboxes.take_backup(sandbox.env())
    keys = []
    for moment in _MOMENTS:
        mark = _kill(sandbox, "drill", moment)
        keys += sandbox.drill_keys()
        assert _tools_are_gone(mark)
    sandboxes.prove_backup(sandbox.env(), manifest)
    assert sandboxes.wait_until(lambda: sandbox.traces(keys) == []), sandbox.traces(keys)


def test_every_step_there_is_has_its_killed_run() -> None:
    """Restores and rollbacks are in test_restore_killed, rotations in test_rotate_killed, quarantines in
    test_quarantine, the steps of `make up` in e2e/test_servers, copies and repairs in operations/archive, and
    new recipients in test_rekey."""
    restores = {*FILES_STEPS, *RESTORE_STEPS, *ROLLBACK_STEPS}
    moves = {*ROTATION_STEPS, *QUARANTINE_STEPS, *ARCHIVE_STEPS, *REPAIR_STEPS, *REKEY_STEPS}
    assert {*BACKUP_STEPS, *DRILL_STEPS, *restores, *moves, *UP_STEPS} == set(Step)
