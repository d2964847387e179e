"""What a command refuses is refused before dagster is imported, which takes longer than all else."""

import subprocess
import sys
from pathlib import Path

import pytest

_REFUSED = """
import sys
from pathlib import Path
from ledgerflow_ops.commands import program
from ledgerflow_ops.commands.backup import examine_backup, take_backup
from ledgerflow_ops.commands.restore import restore_backup
from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.operation_requests import BackupRequest, RestoreRequest, VerifyRequest
from ledgerflow_ops_tests import builders

env, terminal = builders.env(Path(sys.argv[1])), Terminal(as_json=True)
calls = {
    "backup": lambda: take_backup(env, terminal, BackupRequest(file="no name"), drill=True),
    "verify": lambda: examine_backup(env, terminal, VerifyRequest(file="none.dump")),
    "restore": lambda: restore_backup(
        env, terminal, RestoreRequest(environment="dev", file="x", from_env="stage"), dry_run=False
    ),
}
try:
    calls[sys.argv[2]]()
except SettingsError as error:
    print("dagster" in sys.modules, error.message, error.hint, sep="|")
"""


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("backup", "no name", ".dump"),
        ("verify", "none.dump", "make status"),
        ("restore", "FROM_ENV='stage' is not an environment.", "dev, test, prod"),
    ],
)
def test_a_refusal_comes_before_dagster_is_imported(
    root: Path, command: str, message: str, hint: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _REFUSED, str(root), command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    imported, said, told = done.stdout.strip().split("|")
    assert imported == "False"
    assert message in said
    assert hint in told
