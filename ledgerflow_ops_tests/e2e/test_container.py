"""`make backup`, `restore-test`, `restore-force` of a PostgreSQL in a container, as a person types them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops_tests.e2e import commands
from ledgerflow_ops_tests.e2e.commands import Shell
from ledgerflow_ops_tests.fakes.contained import DESCRIPTION, ContainerSandbox
from ledgerflow_ops_tests.fakes.targets import MARKED

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def dev(contained: ContainerSandbox, session_root: Path) -> Iterator[Shell]:
    """A shell whose settings name the container by its three words."""
    settings = contained.root / "ledgerflow.toml"
    lines = [f"{name} = {json.dumps(contained.compose()[name])}" for name in ("project", "file", "service")]
    settings.write_text("\n".join(["[environments.dev.compose]", *lines]) + "\n")
    variables = {**contained.project.engine.environment(), "LEDGER_CONFIG": str(settings)}
    with commands.shell(session_root, LEDGER_ENV="dev", **variables) as found:
        yield found


def test_backup_proof_and_restore_through_make(dev: Shell, contained: ContainerSandbox) -> None:
    made = dev.make("-s", "backup", "FILE=first.dump", "DRILL=0", "JSON=1")
    assert made.code == 0, made.all
    assert made.json["sample"] is False
    before = contained.ask(DESCRIPTION)
    contained.ask(MARKED)
    proven = dev.make("-s", "restore-test", "FILE=first.dump")
    assert proven.code == 0, proven.all
    contained.project.up("django")
    refused = dev.make("-s", "restore", "FILE=first.dump")
    assert "Error 3" in refused.errors
    assert "is running: django" in refused.all
    done = dev.make("-s", "restore-force", "FILE=first.dump", "WHY=the container is the test", "JSON=1")
    assert done.code == 0, done.all
    assert done.json["kept"] in contained.names()
    assert contained.ask(DESCRIPTION) == before
    _no_password(dev, contained, made.all + proven.all + refused.all + done.all)


def _no_password(dev: Shell, contained: ContainerSandbox, said: str) -> None:
    """Neither in what was printed nor in any file, Dagster's records among them."""
    assert dev.ledgerflow("down").code == 0
    password = contained.project.password
    assert password not in said
    written = [file for file in dev.root.rglob("*") if file.is_file()]
    assert {"journal.jsonl", "first.manifest.json"} <= {file.name for file in written}
    assert not [file for file in written if password.encode() in file.read_bytes()]
