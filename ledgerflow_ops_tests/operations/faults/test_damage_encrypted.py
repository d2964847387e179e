"""Encrypted backups damaged on the disk: each verdict names the file, and nothing garbled is restored.

Every damage is judged twice: as a disk does it, where the hash tells, and under a manifest that was made to
fit it, where only age's authentication is left.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, Refused
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.verification import drill, verify
from ledgerflow_ops.operations.verification.examination import Examination
from ledgerflow_ops_tests.builders import backup_folder_of
from ledgerflow_ops_tests.fakes import encrypted_backups
from ledgerflow_ops_tests.fakes.encrypted_backups import (
    CHUNK,
    LARGE,
    PARTS,
    SMALL,
    Deed,
    EncryptedBackups,
    flip_last,
    for_another_key,
    header_of,
)
from ledgerflow_ops_tests.fakes.sandboxes import ActionAtStep
from ledgerflow_ops_tests.fakes.servers import Server


@pytest.fixture(scope="module")
def stock(session_root: Path, server: Server) -> Iterator[EncryptedBackups]:
    with encrypted_backups.encrypted_backups(session_root, server) as made:
        yield made


@pytest.fixture
def whole(stock: EncryptedBackups) -> EncryptedBackups:
    """Laid out whole before each test."""
    stock.lay({})
    return stock


CASES = [
    *((part, kind, deed) for part in PARTS for kind, deed in SMALL.items()),
    *((part, kind, deed) for part in ("dump", "files") for kind, deed in LARGE.items()),
]
MATRIX = pytest.mark.parametrize(
    ("part", "deed"), [pytest.param(part, deed, id=f"{part}: {kind}") for part, kind, deed in CASES]
)


def found_bad(backups: EncryptedBackups, look: Callable[..., Examination] = verify.verify) -> str:
    """Check, cause and message of the verdict on first.dump, which must be bad."""
    env = backups.target.env()
    examination = look(env, backups.name)
    assert examination.bad is not None, f"called good: {[check.message for check in examination.checks]}"
    assert examination.bad.hint
    assert not examination.proven
    entry = catalog.entry(env, backups.name)
    assert (entry.state, entry.proven) == ("bad", False)
    return f"{examination.bad.name}/{examination.bad.cause}: {examination.bad.message}"


def test_whole_ones_are_never_called_bad(whole: EncryptedBackups) -> None:
    env = whole.target.env()
    for manifest in (whole.first, whole.second):
        assert verify.verify(env, BackupName.of(manifest.dump.file)).rung is Rung.READABLE
    assert catalog.entry(env, whole.name).proven
    whole.lay(whole.forged("dump", whole.data("dump")))
    assert verify.verify(env, whole.name).rung is Rung.READABLE, "a forged manifest is as sound as its facts"


def test_the_dump_and_the_files_have_several_chunks(stock: EncryptedBackups) -> None:
    assert all(len(stock.data(part)) > 3 * CHUNK for part in ("dump", "files"))


@MATRIX
def test_damage_is_found_by_the_hash(whole: EncryptedBackups, part: str, deed: Deed) -> None:
    data = deed(whole, part)
    assert data != whole.data(part)
    whole.lay({whole.file(part): data})
    said = found_bad(whole)
    assert said.startswith(f"integrity/{'files' if part == 'files' else 'hash'}: {whole.file(part)} has ")


@MATRIX
def test_damage_that_the_manifest_commits_is_found_by_the_cipher(
    whole: EncryptedBackups, part: str, deed: Deed
) -> None:
    own, data = whole.data(part), deed(whole, part)
    whole.lay(whole.forged(part, data))
    try:
        said = found_bad(whole)
    except KeyUnavailable:  # the header's lines for the recipient are what was damaged
        assert not data.startswith(header_of(own)[:-16])
        assert not catalog.entry(whole.target.env(), whole.name).proven
        return
    assert said.startswith("integrity/cipher: ")
    assert whole.file(part) in said
    assert "altered or cut" in said or "header of the encrypted file is damaged" in said


def _is_untouched(backups: EncryptedBackups) -> bool:
    """Whether the live database is as it was, and no other one is beside it."""
    return backups.target.is_old() and backups.target.names() == [backups.target.name]


@pytest.mark.parametrize("part", PARTS)
def test_a_header_for_another_key_is_bad_by_its_hash_and_else_no_verdict(
    whole: EncryptedBackups, part: str
) -> None:
    env, data = whole.target.env(), for_another_key(whole, part)
    whole.lay({whole.file(part): data})
    assert "its SHA-256 differs" in found_bad(whole)
    whole.lay(whole.forged(part, data))
    for examine in (verify.verify, drill.drill):
        with pytest.raises(
            KeyUnavailable, match=r"first\.dump\.age: .*no identity here opens it"
        ) as unopened:
            examine(env, whole.name)
        assert unopened.value.exit_code == 5
        assert "Its manifest names its recipients" in unopened.value.hint
    entry = catalog.entry(env, whole.name)
    assert (entry.state, entry.bad) == ("hashed", False)
    with pytest.raises(KeyUnavailable):
        whole.target.restore("first.dump")
    assert _is_untouched(whole)


SWAPPED: dict[str, tuple[Callable[[EncryptedBackups], Mapping[str, bytes]], str]] = {
    "the dump of another backup": (
        lambda backups: {backups.file("dump"): backups.others("dump")},
        r"integrity/hash: first\.dump\.age ",
    ),
    "the dump of another backup, committed": (
        lambda backups: backups.forged("dump", backups.others("dump")),
        r"sealed/contents: .*profiles_transaction",
    ),
    "dump and manifest of another backup": (
        lambda backups: {backups.file(part): backups.others(part) for part in ("dump", "manifest")},
        r"sealed/manifest: .*second\.dump\.age, not first\.dump\.age: it was swapped",
    ),
    "the manifest of a plain backup": (
        lambda backups: {backups.name.manifest: backups.others("manifest", "plain.dump")},
        r"sealed/manifest: .*plain\.dump, not first\.dump\.age: it was swapped",
    ),
    "the files of another backup": (
        lambda backups: {backups.file("files"): backups.others("files")},
        r"integrity/files: first\.files\.tar\.zst\.age ",
    ),
    "the files of another backup, committed": (
        lambda backups: backups.forged("files", backups.others("files")),
        r"integrity/.*first\.files\.tar\.zst\.age",
    ),
    "roles and dump in each other's place": (
        lambda backups: {
            backups.file("dump"): backups.data("globals"),
            backups.file("globals"): backups.data("dump"),
        },
        r"integrity/hash: first\.dump\.age ",
    ),
    "the roles in the place of the dump, committed": (
        lambda backups: backups.forged("dump", backups.data("globals")),
        r"integrity/list: first\.dump\.age is not an archive of pg_dump",
    ),
    "a manifest that is cut": (
        lambda backups: {backups.name.manifest: backups.data("manifest")[:-100]},
        r"sealed/manifest: first\.manifest\.json",
    ),
    "an empty manifest": (
        lambda backups: {backups.name.manifest: b""},
        r"sealed/manifest: first\.manifest\.json",
    ),
}
"""What is exchanged between backups for the same key, and what verify says."""


@pytest.mark.parametrize("kind", SWAPPED)
def test_files_of_other_backups_are_bad_and_never_restored(whole: EncryptedBackups, kind: str) -> None:
    change, expected = SWAPPED[kind]
    whole.lay(change(whole))
    said = found_bad(whole)
    assert re.match(expected, said, re.DOTALL), said
    with pytest.raises(Refused) as refusal:
        whole.target.restore("first.dump")
    assert refusal.value.hint
    assert _is_untouched(whole)


@pytest.mark.parametrize("file", ["first", "second"])
def test_a_damaged_proof_and_that_of_another_backup_prove_nothing(whole: EncryptedBackups, file: str) -> None:
    env, name = whole.target.env(), BackupName(file, encrypted=True)
    whole.lay({name.proof: whole.data("proof")[:-9] if file == "first" else whole.data("proof")})
    assert not catalog.entry(env, name).proven
    assert verify.verify(env, name).bad is None
    assert catalog.entry(env, name).state == "readable"


@pytest.mark.parametrize("forged", [False, True], ids=["", "committed"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["another backup's header", "a flip in the last byte", "a plain file"])
def test_drill_and_restore_find_it_before_a_byte_is_loaded(
    whole: EncryptedBackups, kind: str, part: str, forged: bool
) -> None:
    data = SMALL[kind](whole, part)
    whole.lay(whole.forged(part, data) if forged else {whole.file(part): data})
    assert whole.file(part) in found_bad(whole, drill.drill)
    with pytest.raises(Refused) as refusal:
        whole.target.restore("first.dump")
    assert whole.file(part) in refusal.value.message
    assert refusal.value.hint
    assert _is_untouched(whole)


def test_files_that_are_altered_after_they_were_read_are_not_put_in_place(whole: EncryptedBackups) -> None:
    """Their last byte: all files could be unpacked by then."""
    folder, media = backup_folder_of(whole.target.env()).path, whole.target.sandbox.root / "media"
    before = {file.name: file.read_bytes() for file in media.iterdir()}
    archive = folder / whole.file("files")
    alter = ActionAtStep(at=Step.LAY_OUT, action=lambda: flip_last(archive))
    with pytest.raises(BadBackup, match=r"first\.files\.tar\.zst\.age: .*altered or cut") as bad:
        whole.target.restore("first.dump", reporter=alter)
    assert alter.fired
    assert bad.value.exit_code == 4
    assert {file.name: file.read_bytes() for file in media.iterdir()} == before
    assert [file.name for file in whole.target.sandbox.root.iterdir() if "media" in file.name] == ["media"]
    assert _is_untouched(whole)


def test_a_dump_that_is_altered_after_it_was_read_is_not_loaded_by_a_drill(whole: EncryptedBackups) -> None:
    dump = backup_folder_of(whole.target.env()).path / whole.file("dump")
    alter = ActionAtStep(at=Step.CLUSTER, action=lambda: flip_last(dump))
    examination = drill.drill(whole.target.env(reporter=alter), whole.name)
    assert alter.fired
    assert examination.bad
    assert (examination.bad.name, examination.bad.cause) == ("integrity", "cipher")
    assert re.search(r"first\.dump\.age: .*altered or cut", examination.bad.message)
    assert catalog.entry(whole.target.env(), whole.name).state == "bad"
