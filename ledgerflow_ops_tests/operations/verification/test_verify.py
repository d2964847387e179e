"""Verifying: what can be known of a dump without restoring it; what cannot is reported."""

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.errors import CannotJudge, SettingsError
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.reporting import status
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import sandboxes, servers
from ledgerflow_ops_tests.fakes.sandboxes import Sandbox

_BY_HAND = BackupName("by_hand")


def _dump_by_hand(sandbox: Sandbox, *options: str) -> Path:
    """What somebody makes with pg_dump and puts into the folder."""
    backup_folder_of(sandbox.env()).prepare()
    file = backup_folder_of(sandbox.env()).file(_BY_HAND.dump)
    subprocess.run(
        [client_tools.bundled_tools().path("pg_dump"), *options, f"--file={file}"],
        env={**os.environ, **sandbox.database.variables()},
        check=True,
    )
    file.chmod(0o600)
    return file


def _told(examination: Examination) -> dict[str, Check]:
    """What was not passed, by name."""
    return {check.name: check for check in examination.checks if not check.passed}


def test_a_whole_backup_is_known_to_be_readable_and_no_more(sandbox: Sandbox, name: BackupName) -> None:
    examination = verify.verify(sandbox.env(), name)
    assert (examination.rung, examination.bad, examination.proven) == (Rung.READABLE, None, False)
    assert {check.name for check in examination.checks} == {"exists", "integrity", "sealed"}
    assert _told(examination) == {}
    (entry,) = sandbox.entries()
    assert (entry.state, entry.proven) == ("readable", False)
    assert entry.proof is not None
    assert (entry.proof.rto_seconds, entry.proof.who) == (None, "tests")


def test_verifying_what_is_proven_lowers_nothing(sandbox: Sandbox, name: BackupName) -> None:
    proof = drill.drill(sandbox.env(), name).record()
    files = sandbox.files()
    assert verify.verify(sandbox.env(), name).rung is Rung.READABLE
    assert sandbox.files() == files
    (entry,) = sandbox.entries()
    assert entry.state == "valid"
    assert entry.proof is not None
    assert proof is not None
    assert entry.proof.rto_seconds == proof.rto_seconds


def test_a_proven_backup_that_is_damaged_later_is_bad_and_an_earlier_one_takes_its_place(
    sandbox: Sandbox,
) -> None:
    env = sandbox.env()
    earlier = sandboxes.prove_backup(env, sandboxes.take_backup(env))
    name = sandboxes.prove_backup(env, sandboxes.take_backup(env))
    file = backup_folder_of(env).file(name.dump)
    whole = file.read_bytes()
    file.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])

    bad = verify.verify(env, name).bad
    assert bad is not None
    assert (bad.name, bad.cause) == ("integrity", "hash")
    assert "its SHA-256 differs" in bad.message
    assert sandbox.states() == {earlier.stem: "valid", name.stem: "bad"}
    assert status.status(env).as_json()["newest_proven"] == earlier.dump

    # The right file, restored from elsewhere, is intact again; it must be proven again.
    file.write_bytes(whole)
    assert verify.verify(env, name).bad is None
    assert sandbox.states() == {earlier.stem: "valid", name.stem: "readable"}


def test_a_dump_that_has_gone_is_bad_and_one_that_was_swapped_for_a_link_as_well(
    sandbox: Sandbox, name: BackupName
) -> None:
    file = backup_folder_of(sandbox.env()).file(name.dump)
    elsewhere = sandbox.root / "elsewhere.dump"
    file.rename(elsewhere)
    bad = verify.verify(sandbox.env(), name).bad
    assert bad is not None
    assert bad.message.startswith(f"{name.dump} is gone from")
    assert sandbox.states() == {name.stem: "bad"}
    file.symlink_to(elsewhere)
    bad = verify.verify(sandbox.env(), name).bad
    assert bad is not None
    assert "is a symbolic link, not a regular file" in bad.message


@pytest.mark.parametrize("compression", ["0", "gzip:6", "zstd:1", "lz4"])
def test_a_dump_made_by_hand_is_read_to_its_end_and_what_it_lacks_is_said(
    sandbox: Sandbox, compression: str
) -> None:
    _dump_by_hand(sandbox, "-Fc", f"-Z{compression}")
    examination = verify.verify(sandbox.env(), _BY_HAND)
    assert (examination.rung, examination.bad, examination.proven) == (Rung.READABLE, None, False)
    told = _told(examination)
    assert list(told) == ["sealed"]
    assert (told["sealed"].severity, told["sealed"].cause) == (Severity.WARN, "no manifest")
    assert "there is no hash and no seal" in told["sealed"].message
    assert "cannot be proven equal" in told["sealed"].hint
    assert any("There is no hash to compare with" in check.message for check in examination.checks)
    assert sandbox.states() == {"by_hand": "no manifest"}
    assert list(sandbox.files()) == [_BY_HAND.dump], "nothing is claimed of it beside it"
    assert status.status(sandbox.env()).proven is None


def test_a_dump_made_by_hand_that_was_cut_is_bad(sandbox: Sandbox) -> None:
    file = _dump_by_hand(sandbox, "-Fc")
    file.write_bytes(file.read_bytes()[:-100])
    bad = verify.verify(sandbox.env(), _BY_HAND).bad
    assert bad is not None
    assert "could not be decoded" in bad.message


def _plain(sandbox: Sandbox) -> None:
    _dump_by_hand(sandbox, "-Fp")


def _tar_of_pg_dump(sandbox: Sandbox) -> None:
    _dump_by_hand(sandbox, "-Ft")


def _tar(sandbox: Sandbox) -> None:
    with tarfile.open(_place(sandbox), "w:gz") as archive:
        archive.add(__file__)


def _zip(sandbox: Sandbox) -> None:
    with zipfile.ZipFile(_place(sandbox), "w") as archive:
        archive.write(__file__)


def _nothing(sandbox: Sandbox) -> None:
    _place(sandbox).touch()


def _place(sandbox: Sandbox) -> Path:
    backup_folder_of(sandbox.env()).prepare()
    return backup_folder_of(sandbox.env()).file(_BY_HAND.dump)


@pytest.mark.parametrize("make", [_plain, _tar_of_pg_dump, _tar, _zip, _nothing])
def test_what_is_no_archive_of_pg_dump_is_called_that(
    sandbox: Sandbox, make: Callable[[Sandbox], None]
) -> None:
    make(sandbox)
    examination = verify.verify(sandbox.env(), _BY_HAND)
    assert examination.bad is not None
    assert (examination.bad.name, examination.proven) == ("integrity", False)
    assert examination.bad.message == "by_hand.dump is not an archive of pg_dump."
    assert sandbox.states() == {"by_hand": "no manifest"}


@pytest.mark.parametrize("make", [_plain, _zip, _nothing])
def test_what_is_no_archive_of_pg_dump_is_not_restored(
    sandbox: Sandbox, make: Callable[[Sandbox], None]
) -> None:
    make(sandbox)
    examination = drill.drill(sandbox.env(), _BY_HAND)
    assert examination.bad is not None
    assert examination.proven is False
    assert sandbox.states() == {"by_hand": "no manifest"}
    assert sandbox.traces([]) == []


@pytest.mark.parametrize("part", ["dump", "manifest", "globals"])
def test_what_is_only_in_the_cloud_is_not_local_and_neither_lost_nor_bad(
    sandbox: Sandbox, name: BackupName, part: str
) -> None:
    if part == "dump":  # one that is proven stays so: its bytes will come back as they were
        drill.drill(sandbox.env(), name)
    folder, file = backup_folder_of(sandbox.env()), getattr(name, part)
    size = folder.file(name.dump).stat().st_size
    whole = folder.file(file).read_bytes()
    before = sandbox.states()
    _evict(sandbox, file)
    files = sandbox.files()

    for operation in (verify.verify, drill.drill):
        with pytest.raises(CannotJudge, match=f"{file} is not local") as unjudged:
            operation(sandbox.env(), name)
        assert unjudged.value.exit_code == 5
        assert "Download it" in unjudged.value.hint
    with pytest.raises(CannotJudge, match="is not local"):
        verify.quick_checks(sandbox.env(), name)
    assert sandbox.files() == files, "no verdict was kept"
    (entry,) = sandbox.entries()
    assert (entry.state, entry.bad) == ("not local", False)
    if part != "manifest":
        assert entry.size == size, "what its manifest says, not that of the placeholder"

    folder.placeholder(file).unlink(missing_ok=True)
    folder.file(file).write_bytes(whole)
    assert sandbox.states() == before


def _evict(sandbox: Sandbox, file: str) -> None:
    """Take a file's bytes away as iCloud does. (Its newer way marks the file, which only macOS can.)"""
    folder = backup_folder_of(sandbox.env())
    folder.file(file).unlink()
    folder.placeholder(file).write_bytes(b"bplist00")


def test_a_backup_of_a_newer_pg_dump_than_any_here_cannot_be_judged(
    sandbox: Sandbox, name: BackupName
) -> None:
    folder = backup_folder_of(sandbox.env())
    manifest = Manifest.decode(folder.read(name.manifest), name.manifest)
    folder.replace(name.manifest, manifest.model_copy(update={"tool_version": "99.1"}).encode())
    with pytest.raises(
        CannotJudge, match="written by pg_dump 99; every pg_restore here is older"
    ) as unjudged:
        verify.verify(sandbox.env(), name)
    assert "PostgreSQL 99" in unjudged.value.hint
    assert sandbox.states() == {name.stem: "written"}


def test_older_tools_in_the_settings_do_not_keep_a_dump_from_being_read(
    sandbox: Sandbox, name: BackupName
) -> None:
    old = sandboxes.with_settings(sandbox.env(), tools_dir=servers.debian_15().folder)
    _dump_by_hand(sandbox, "-Fc")
    assert verify.verify(old, _BY_HAND).rung is Rung.READABLE
    assert verify.verify(old, name).rung is Rung.READABLE


def test_a_proof_that_was_edited_or_belongs_to_another_backup_proves_nothing(sandbox: Sandbox) -> None:
    env = sandbox.env()
    first, second = sandboxes.take_backup(env), BackupName.of(sandboxes.take_backup(env).dump.file)
    proven = sandboxes.prove_backup(env, first)
    folder = backup_folder_of(env)
    folder.replace(second.proof, folder.read(proven.proof))
    assert sandbox.states() == {proven.stem: "valid", second.stem: "written"}
    folder.replace(proven.proof, folder.read(proven.proof).replace(b"good", b"GOOD"))
    assert sandbox.states() == {proven.stem: "written", second.stem: "written"}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("missing.dump", "There is no missing.dump in"),
        ("../test/x.dump", "is not in dev's folder"),
        ("prod/x.dump", "is not in dev's folder"),
        ("/etc/passwd", "is not in dev's folder"),
        ("by_hand.manifest.json", "does not end in .dump"),
    ],
)
def test_a_file_that_is_not_in_the_folder_is_a_mistake_in_the_call(
    sandbox: Sandbox, name: BackupName, file: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as mistake:
        catalog.find(sandbox.env(), file)
    assert mistake.value.exit_code == 2
    assert catalog.find(sandbox.env(), str(backup_folder_of(sandbox.env()).file(name.dump))) == name
