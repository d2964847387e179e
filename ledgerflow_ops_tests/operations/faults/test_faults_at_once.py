"""Two operations at once: on one environment the second is refused; two environments do not interfere."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.adapters.system.locks import account_name
from ledgerflow_ops.core.catalog.identity import Identity
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.verification import verify
from ledgerflow_ops.places import PROJECT
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder
from ledgerflow_ops_tests.fakes import sandboxes
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep, Sandbox


@pytest.mark.parametrize("step", [Step.PREFLIGHT, Step.DUMP, Step.COMMIT])
def test_a_second_backup_of_one_environment_is_told_who_is_at_work_since_when(
    sandbox: Sandbox, step: Step
) -> None:
    recorder = Recorder()

    def meanwhile() -> None:
        files = sandbox.files()
        with pytest.raises(Busy) as refusal:
            backup.backup(sandbox.env(recorder))
        assert refusal.value.exit_code == 3
        assert refusal.value.message == (
            f"Another operation is at work on dev: backup by {account_name()} (process {os.getpid()}) "
            "since 2026-11-23T12:00:00+00:00."
        )
        assert "Its lock ends with it" in refusal.value.hint
        assert recorder.steps == [], "it was told before anything was done"
        assert sandbox.files() == files

    first = ActionAtStep(at=step, action=meanwhile)
    manifest = backup.backup(sandbox.env(first, lambda: NOON))
    assert first.fired
    assert list(sandbox.states()) == [manifest.dump.file.removesuffix(".dump")]
    backup.backup(sandbox.env())


def test_the_lock_of_another_process_holds_until_that_process_is_dead(sandbox: Sandbox) -> None:
    # It stops itself in mid-dump with the lock in its hand, and is then killed with no chance to let go.
    mine = subprocess.Popen(
        [sys.executable, "-c", _STOPS, str(sandbox.root), builders.database_url(sandbox.database)],
        cwd=PROJECT,
    )
    try:
        assert os.waitid(os.P_PID, mine.pid, os.WSTOPPED | os.WNOWAIT) is not None
        with pytest.raises(Busy, match=rf"\(process {mine.pid}\) since \d{{4}}-") as refusal:
            backup.backup(sandbox.env())
        assert re.search(r"since \S+\+00:00\.$", refusal.value.message)
    finally:
        mine.kill()
        mine.wait()
    assert mine.returncode == -signal.SIGKILL
    recorder = Recorder()
    backup.backup(sandbox.env(recorder))
    assert len(recorder.said) == 1, "its half-written dump was swept"


_STOPS = """
import os, signal, sys
from pathlib import Path
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep

stop = ActionAtStep(at=Step.FINISH, action=lambda: os.kill(os.getpid(), signal.SIGSTOP))
backup.backup(builders.env(Path(sys.argv[1]), Database.from_address(sys.argv[2], "url"), reporter=stop))
"""


def test_two_environments_are_backed_up_at_the_same_time(
    root: Path, books: Database, database: Database
) -> None:
    # Each waits for the other in mid-dump: had they to take turns, neither would go on.
    meeting = threading.Barrier(2, timeout=60)
    own = {Environment.DEV: books, Environment.PROD: database}
    reporters = {environment: ActionAtStep(at=Step.FINISH, action=meeting.wait) for environment in own}
    envs = [sandboxes.new_env(name, root, own[name], reporters[name]) for name in own]
    with ThreadPoolExecutor(2) as pool:
        manifests = list(pool.map(backup.backup, envs))
    assert [manifest.environment for manifest in manifests] == list(own)
    assert all(reporter.fired for reporter in reporters.values())
    for env, manifest in zip(envs, manifests, strict=True):
        assert [entry.manifest for entry in catalog.entries(env)] == [manifest]
        assert verify.verify(env, BackupName.of(manifest.dump.file)).rung is Rung.READABLE


def test_environments_that_meet_their_databases_at_the_same_time_are_all_remembered(root: Path) -> None:
    identities = IdentityRecords(root / "state" / "identities.json")
    meeting = threading.Barrier(3, timeout=60)

    def remember(environment: Environment) -> None:
        meeting.wait()
        for round_ in range(30):
            identities.remember(environment, Identity(str(round_), environment))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(remember, Environment))
    assert identities.recorded() == {environment: Identity("29", environment) for environment in Environment}
