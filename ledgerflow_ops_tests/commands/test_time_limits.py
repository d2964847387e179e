"""Commands that start a run at a terminal begin their time limit, `backup_minutes`; the others have none."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops_tests.fakes import sandboxes

LIMITED: dict[str, tuple[str, ...]] = {
    "backup": ("--file", "no name"),
    "verify": (),
    "restore-test": (),
    "backfill": ("--day", "no day"),
    "restore": (),
    "restore-force": (),
    "rollback": ("--dry-run",),
    "recover": ("--dry-run",),
    "rotate": ("--dry-run",),
    "archive": (),
    "repair": (),
}
"""Commands with a limit, each with options by which it ends on its own once that has begun."""
UNLIMITED: dict[str, tuple[str, ...]] = {
    "discard": ("--name", "no name"),
    "identity": (),
    "pin": (),
    "quarantine": (),
    "status": (),
    "unpin": (),
}
"""Commands of one environment that start no run."""
FREE = {
    "alert-test", "audit", "completion", "doctor", "down", "journal", "keys", "metrics", "protect", "report",
    "recovery-kit", "rekey", "safety-check", "storage", "tools", "up", "watchdog",
}  # fmt: skip
"""All other commands: they start no run either, and are not called here."""


@dataclass(frozen=True)
class Called:
    """The seconds that remained of each command's limit when it had ended (0: none), and all commands."""

    remaining: dict[str, float]
    commands: set[str]


_MINUTES = 7
_CALLED = """
import json, signal, sys
from ledgerflow_ops.commands.program import program

remaining = {}
for name, arguments in json.loads(sys.argv[1]).items():
    try:
        program.main([name, *arguments])
    except SystemExit:
        pass
    remaining[name], _ = signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps({"remaining": remaining, "commands": sorted(program.commands)}))
"""
"""Calls each command and prints a `Called`."""


@pytest.fixture(scope="module")
def called(session_root: Path) -> Iterator[Called]:
    """What the commands have left of their limits, and the names of all commands."""
    with sandboxes.temporary_folder(session_root) as root:
        yield _called(root)


def _called(root: Path) -> Called:
    variables = {
        "LEDGER_ENV": "dev",
        "LEDGER_BACKUP_ROOT": str(root / "backups"),
        "LEDGER_STATE_DIR": str(root / "state"),
        "LEDGER_DEV_DATABASE_URL": f"postgresql://nobody@/books?host={root}",  # no server listens there
        "LEDGER_DEV_BACKUP_MINUTES": str(_MINUTES),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CALLED, json.dumps(LIMITED | UNLIMITED)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return Called(told["remaining"], set(told["commands"]))


@pytest.mark.parametrize("command", LIMITED)
def test_a_command_that_starts_a_run_begins_its_limit(called: Called, command: str) -> None:
    assert 0 < called.remaining[command] <= _MINUTES * 60


@pytest.mark.parametrize("command", UNLIMITED)
def test_a_command_without_a_run_has_no_limit(called: Called, command: str) -> None:
    assert called.remaining[command] == 0


def test_each_command_is_one_or_the_other(called: Called) -> None:
    assert called.commands == {*LIMITED, *UNLIMITED, *FREE}
