"""The run that copies backups to a location writes the history there as well: a roll-back is found by it."""

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.operations.archive import archiving
from ledgerflow_ops.operations.archive.archive_result import ArchiveResult
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import audit, history_files
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import disks
from ledgerflow_ops_tests.fakes.object_servers import S3Server
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups
from ledgerflow_ops_tests.operations.archive.archives import Archives
from ledgerflow_ops_tests.operations.archive.test_archiving_killed import killed
from ledgerflow_ops_tests.operations.archive.test_sources import s3_location

YESTERDAY = NOON - timedelta(days=1)


def recorded(root: Path, **location: object) -> RecordedBackups:
    """dev with a proven backup on record, and one archive location."""
    made = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON, locations=[location]))
    made.backup(YESTERDAY)
    return made


@pytest.fixture
def usb(root: Path) -> RecordedBackups:
    (root / "usb").mkdir()
    return recorded(root, name="usb", kind="folder", url=str(root / "usb"))


def archive(made: RecordedBackups) -> ArchiveResult:
    result = archiving.archive_backups(made.env)
    assert not result.troubles
    return result


def anchored(env: EnvironmentContext) -> int:
    """How many entries the copy of our history in the archive location has."""
    [at] = env.locations()[1:]
    key = history_files.signing_key(env.ctx)
    assert key
    chain = history_files.copy_in(env, at.store)
    return len(history_files.copied_lines(chain, key.id)) if chain.exists() else 0


def said_by(made: RecordedBackups) -> list[str]:
    reporter = made.env.ctx.reporter
    assert isinstance(reporter, builders.Recorder)
    return reporter.said


def roll_back(made: RecordedBackups, earlier: Path) -> None:
    """Put the whole primary folder, with the copied history, back to what it was."""
    shutil.rmtree(made.folder.parent)
    shutil.copytree(earlier, made.folder.parent)


def test_an_audit_finds_a_rolled_back_primary_by_the_anchor_in_s3(root: Path, s3_server: S3Server) -> None:
    """Also on a new machine, which has nothing but the public key."""
    dev = recorded(root, **s3_location(s3_server, root.name))
    archive(dev)
    assert anchored(dev.env) == 3
    shutil.copytree(dev.folder.parent, root / "earlier")
    lost = dev.backup(NOON)
    archive(dev)
    assert anchored(dev.env) == 5

    public = audit.audit(dev.env).public_key
    roll_back(dev, root / "earlier")
    settings = dev.env.ctx.settings.model_copy(
        update={"state_dir": root / "new state", "history_keys": (public,)}
    )
    elsewhere = replace(dev.env, ctx=replace(dev.env.ctx, settings=settings))
    for env in (elsewhere, dev.env):
        report = audit.audit(env)
        assert report.exit_code == 4
        assert [(fault.n, fault.kind, fault.file) for fault in report.faults] == [
            (4, "rolled back", ""), (4, "removed", lost.dump.file),
        ]  # fmt: skip
    [at] = dev.env.locations()[1:]
    assert anchored(dev.env) == 5, "the anchor is left as it is"
    assert at.store.taken(lost.dump.file)


def test_minisign_checks_the_anchor_that_lies_in_s3(root: Path, s3_server: S3Server) -> None:
    dev = recorded(root, **s3_location(s3_server, root.name))
    archive(dev)
    [at] = dev.env.locations()[1:]
    chain = history_files.copy_in(dev.env, at.store)
    for name in chain.names(".jsonl", ".minisig"):
        (root / name.partition(".")[2]).write_bytes(chain.read(name))
    report = audit.audit(dev.env)
    command: list[str | Path] = ["minisign", "-Vm", root / "000001.jsonl", "-P", report.public_key]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"entry 3, sha256 {report.head}" in said.stdout


def test_with_the_key_and_an_anchor_the_history_goes_on_on_a_new_machine(
    usb: RecordedBackups, root: Path
) -> None:
    archive(usb)
    state, chain = usb.env.ctx.settings.state_dir, usb.folder.parent / "chain" / "dev"
    shutil.copy2(history_files.key_file(usb.env.ctx), root / "copy of the key")
    shutil.rmtree(state)
    shutil.rmtree(usb.folder.parent)
    (state / "history").mkdir(mode=0o700, parents=True)
    shutil.copy2(root / "copy of the key", history_files.key_file(usb.env.ctx))
    shutil.copytree(root / "usb" / "dev", usb.folder, ignore=shutil.ignore_patterns("chain"))
    shutil.copytree(root / "usb" / "dev" / "chain", chain)
    usb.backup(NOON)
    archive(usb)
    report = audit.audit(usb.env)
    assert (report.faults, report.entries, report.earlier, anchored(usb.env)) == ((), 5, 0, 5)


def test_it_is_written_where_there_is_nothing_to_copy_and_once(usb: RecordedBackups, root: Path) -> None:
    archive(usb)
    usb.backup(NOON, prove=False)
    result = archive(usb)
    assert (result.locations[0].copied, anchored(usb.env)) == ({}, 4)
    chain = root / "usb" / "dev" / "chain"
    times = {file: file.stat().st_mtime_ns for file in chain.iterdir()}
    archive(usb)
    assert times == {file: file.stat().st_mtime_ns for file in chain.iterdir()}, "nothing is written twice"


def test_a_changed_anchor_is_reported_and_left_and_the_copies_are_made(
    usb: RecordedBackups, root: Path
) -> None:
    archive(usb)
    [piece] = (root / "usb" / "dev" / "chain").glob("*.jsonl")
    evidence = piece.read_text().replace("backup", "proofs", 1)
    piece.write_text(evidence)
    made = usb.backup(NOON)
    result = archive(usb)
    assert list(result.locations[0].copied) == [made.dump.file.removesuffix(".dump")]
    assert any("is not ours any more: Entry 2 of the history in" in said for said in said_by(usb))
    assert piece.read_text() == evidence
    assert audit.audit(usb.env).exit_code == 4


def test_an_anchor_that_cannot_be_written_costs_no_copy(usb: RecordedBackups, root: Path) -> None:
    chain = root / "usb" / "dev" / "chain"
    chain.parent.mkdir()
    chain.write_bytes(b"a file in its way")
    result = archive(usb)
    assert len(result.locations[0].copied) == 1
    assert any(said.startswith("usb: the history was not anchored there: ") for said in said_by(usb))
    chain.unlink()
    archive(usb)
    assert anchored(usb.env) == 3


def test_a_read_only_location_is_left_alone(usb: RecordedBackups, root: Path) -> None:
    (root / "usb" / "dev").mkdir()
    with disks.read_only(root / "usb" / "dev"):
        archive(usb)
    assert (anchored(usb.env), [*(root / "usb" / "dev").iterdir()]) == (0, [])


def test_an_audit_that_anchors_meanwhile_is_not_waited_for(usb: RecordedBackups) -> None:
    with history_files.anchoring(usb.env) as alone:
        assert alone
        result = archive(usb)
    assert (len(result.locations[0].copied), anchored(usb.env)) == (1, 0)
    archive(usb)
    assert anchored(usb.env) == 3


@pytest.mark.parametrize("where", ["naming .jsonl", "naming .jsonl.minisig"])
def test_an_anchor_that_is_killed_is_written_by_the_next_run(
    usb: RecordedBackups, root: Path, where: str
) -> None:
    killed(Archives(root, locations={"usb": {}}), "archive", where)
    archive(usb)
    assert anchored(usb.env) == 3
    report = audit.audit(usb.env)
    assert (report.faults, report.anchors[str(root / "usb" / "dev")]) == ((), 3)
