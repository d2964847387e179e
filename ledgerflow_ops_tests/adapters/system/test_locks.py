"""The environment's lock, between real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Busy
from ledgerflow_ops_tests.builders import NOON

_HOLDER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests.builders import NOON
with locks.environment_lock(Path(sys.argv[1]), Environment.DEV, "backup", NOON):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(state: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of dev until its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_the_second_is_told_who_is_at_work_and_since_when(root: Path) -> None:
    with _holder(root) as holder:
        for _ in range(2):
            with (
                pytest.raises(Busy) as caught,
                locks.environment_lock(root, Environment.DEV, "drill", NOON),
            ):
                pytest.fail("two hold one lock")
            holder_text = f"backup by {locks.account_name()} (process {holder.pid}) since {NOON.isoformat()}"
            assert holder_text in caught.value.message
            assert "dev" in caught.value.message
        holder.communicate("")
    with locks.environment_lock(root, Environment.DEV, "drill", NOON):
        pass


def test_the_lock_of_a_killed_holder_is_free(root: Path) -> None:
    with _holder(root) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locks.environment_lock(root, Environment.DEV, "drill", NOON):
            note = json.loads((root / "locks" / "dev.holder.json").read_text())
    assert (note["what"], note["pid"]) == ("drill", os.getpid())


def test_environments_do_not_wait_for_each_other(root: Path) -> None:
    with (
        locks.environment_lock(root, Environment.DEV, "backup", NOON),
        locks.environment_lock(root, Environment.TEST, "backup", NOON),
    ):
        pass


def test_the_note_goes_with_the_lock_also_when_the_block_fails(root: Path) -> None:
    with (
        pytest.raises(ValueError, match="trouble"),
        locks.environment_lock(root, Environment.DEV, "backup", NOON),
    ):
        raise ValueError("trouble")
    assert not (root / "locks" / "dev.holder.json").exists()
    with locks.environment_lock(root, Environment.DEV, "backup", NOON):
        pass


def test_a_note_that_cannot_be_read_does_not_hide_that_somebody_is_at_work(root: Path) -> None:
    with _holder(root) as holder:
        (root / "locks" / "dev.holder.json").write_text("{")
        with (
            pytest.raises(Busy, match="it began this moment"),
            locks.environment_lock(root, Environment.DEV, "drill", NOON),
        ):
            pytest.fail("two hold one lock")
        holder.kill()


_USER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests.builders import NOON
with locks.hold_backup(Path(sys.argv[1]), Environment.DEV, "x", "drill", NOON):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_backup_in_use_by_another_process_is_reported_and_free_when_that_is_killed(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _USER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "held\n"
        user_text = f"drill by {locks.account_name()} (process {user.pid}) since {NOON.isoformat()}"
        assert locks.backups_in_use(root, Environment.DEV) == {"x": user_text}
        with pytest.raises(Busy, match="x is in use"), locks.lock_for_removal(root, Environment.DEV, "x"):
            pytest.fail("removed, and in use")
        with (
            locks.lock_for_removal(root, Environment.DEV, "y"),
            locks.lock_for_removal(root, Environment.TEST, "x"),
        ):
            pass
        user.send_signal(signal.SIGKILL)
        user.wait()
    assert locks.backups_in_use(root, Environment.DEV) == {}
    with locks.lock_for_removal(root, Environment.DEV, "x"):
        pass
    assert not list((root / "locks" / "backups" / "dev").iterdir()), "the lock goes with the backup"


def test_looking_who_uses_a_backup_keeps_nobody_from_using_it(root: Path) -> None:
    with (
        locks.hold_backup(root, Environment.DEV, "x", "drill", NOON),
        locks.hold_backup(root, Environment.DEV, "x", "verify", NOON),
    ):
        assert locks.backups_in_use(root, Environment.DEV)["x"].startswith("verify by")
    assert locks.backups_in_use(root, Environment.DEV) == {}
    with locks.hold_backup(root, Environment.DEV, "x", "drill", NOON):
        pass
