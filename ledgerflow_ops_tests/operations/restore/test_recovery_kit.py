"""The recovery kit, followed literally on a server of its own, with nothing but Debian's programs."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.operations.restore import recovery_kit
from ledgerflow_ops_tests import builders, needs
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import age_keys, sandboxes, servers, targets
from ledgerflow_ops_tests.fakes.backup_folder import BackupFolder
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox
from ledgerflow_ops_tests.fakes.servers import Server

_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def debian(session_root: Path) -> Iterator[Server]:
    with (
        sandboxes.temporary_folder(session_root) as root,
        servers.server(root, servers.debian_15()) as server,
    ):
        yield server


def _followed(kit: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type all code blocks of the kit, in order, into one bash that has only Debian's programs."""
    script = "\n".join(_BLOCK.findall((kit / "README.md").read_text()))
    environment = {"PATH": f"{servers.DEBIAN_15}:/usr/bin:/bin", "HOME": str(kit.parent), **variables}
    bash = ["/bin/bash", "-e"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(bash, input=script, cwd=kit, env=environment, text=True, check=False, **pipes)


def test_a_stranger_restores_database_and_files(root: Path, debian: Server) -> None:
    for program in ("age", "zstd", "tar", "sha256sum"):
        needs.program(program)
    key = age_keys.new_key(root / "key.txt")
    sandbox = Sandbox(root, debian.books("kit_source"), key.settings).with_files()
    tools = {"tools_dir": servers.DEBIAN_15}
    first = sandboxes.with_settings(sandbox.env(), **tools)
    sandboxes.take_backup(first)
    (root / "media" / "new.txt").write_text("a second file")
    env = sandboxes.with_settings(sandbox.env(), **tools)
    manifest = sandboxes.take_backup(env)
    sandboxes.prove_backup(env, manifest)
    assert manifest.files
    assert len(manifest.files.needs) == 1, "the first file is in the archive of the first backup"

    kit = recovery_kit.write_kit(env)
    assert kit == root / "backups" / "recovery-kit" / "dev"
    assert (kit / "recipients.txt").read_text() == f"{key.recipient}\n"
    told = b"".join(file.read_bytes() for file in kit.iterdir())
    assert key.identity.encode() not in told
    assert b"password" not in told
    at = debian.database.parameters
    variables = {"PGHOST": at["host"], "PGPORT": at["port"], "PGUSER": at["user"], "DATABASE": "kit_restored"}
    done = _followed(kit, **variables, IDENTITY=str(key.file), FILES=str(root / "unpacked"))
    assert done.returncode == 0, done.stderr
    assert f"{manifest.dump.file}: OK" in done.stdout
    restored = targets.sealed_contents(debian.database.named("kit_restored"))
    original = targets.sealed_contents(debian.database.named("kit_source"))
    assert restored.tables == original.tables
    assert restored.content == original.content
    unpacked = Path(f"{root}/unpacked{root}/media")
    assert {file.name for file in unpacked.iterdir()} == {"statement.pdf", "link", "new.txt"}
    assert (unpacked / "statement.pdf").read_bytes() == (root / "media" / "statement.pdf").read_bytes()


def test_a_damaged_copy_stops_it_before_anything_is_restored(root: Path, debian: Server) -> None:
    folder = BackupFolder(root / "backups" / "dev")
    manifest = folder.add_backup(NOON)
    kit = recovery_kit.write_kit(builders.env(root, now=lambda: NOON))
    (folder.path / manifest.dump.file).write_bytes(b"something else")
    done = _followed(kit, PGHOST="127.0.0.1", PGPORT=debian.database.parameters["port"])
    assert done.returncode != 0
    assert "FAILED" in done.stdout
    assert "createdb" not in done.stderr


def test_without_a_proven_backup_there_is_no_kit(root: Path) -> None:
    BackupFolder(root / "backups" / "dev").add_backup(NOON, None)
    env = builders.env(root, now=lambda: NOON)
    with pytest.raises(Refused, match="dev has no proven backup") as refusal:
        recovery_kit.write_kit(env)
    assert "make backup" in refusal.value.hint
    assert not recovery_kit.kit_folder(env).exists()
