"""An audit finds every tampering and names the first wrong entry; honest life is never accused."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.errors import BadBackup, Refused, SettingsError
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import acceptance, audit, history_files, recording
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
from ledgerflow_ops_tests.fakes import backup_files, sandboxes
from ledgerflow_ops_tests.fakes.recorded_backups import RecordedBackups

DAYS = 6
FIRST = NOON - timedelta(days=DAYS)


@pytest.fixture(scope="module")
def made_once(session_root: Path) -> Iterator[tuple[RecordedBackups, Path]]:
    """dev with six proven backups on record and copies of them in an archive location; a copy of all that."""
    with sandboxes.temporary_folder(session_root) as folder, sandboxes.temporary_folder(session_root) as copy:
        made = make_history(folder / "dev")
        shutil.copytree(folder / "dev", copy / "dev")
        yield made, copy / "dev"


@pytest.fixture
def dev(made_once: tuple[RecordedBackups, Path]) -> RecordedBackups:
    """The same for each test, as it was made."""
    made, copy = made_once
    folder = made.env.ctx.settings.backup_root.parent
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return made


def make_history(root: Path) -> RecordedBackups:
    root.mkdir()
    archive = root / "archive"
    archive.mkdir()
    made = RecordedBackups(
        builders.env(root, rules=[], archive_roots=(archive,), now=lambda: NOON, retention_days=60)
    )
    for day in range(DAYS):
        made.backup(FIRST + timedelta(days=day))
    audit.audit(made.env)  # anchors the history in the archive
    for file in made.folder.glob("ledgerflow_*"):
        shutil.copy2(file, archive / "dev")
    return made


def name_of(day: int) -> BackupName:
    return BackupName(f"ledgerflow_dev_{FIRST + timedelta(days=day):%Y%m%d_%H%M%S}")


def location_of(dev: RecordedBackups) -> Path:
    return dev.env.ctx.settings.archive_roots[0] / "dev"


def faults(dev: RecordedBackups, **options: bool) -> list[tuple[int, str, str]]:
    report = audit.audit(dev.env, **options)
    assert report.trouble is None
    assert report.exit_code == (4 if report.faults else 0)
    assert all(str(fault.hint) for fault in report.faults)
    return [(fault.n, fault.kind, fault.file) for fault in report.faults]


def entry_of(kind: str, day: int) -> int:
    """The number of the entry: 1 is the beginning, then a backup and its proof for each day."""
    return 2 + 2 * day + (kind == "proof")


def test_an_honest_history_is_whole_anchored_and_checked_by_minisign(dev: RecordedBackups) -> None:
    report = audit.audit(dev.env, full=True)
    assert (report.faults, report.entries, report.exit_code) == ((), 1 + 2 * DAYS, 0)
    assert report.anchors == {str(dev.folder): 13, str(location_of(dev)): 13}
    for place in (dev.chain, location_of(dev) / "chain"):
        [piece] = place.glob("*.jsonl")
        said = subprocess.run(
            ["minisign", "-Vm", piece, "-P", report.public_key], capture_output=True, text=True, check=True
        )
        assert f"entry 13, sha256 {report.head}" in said.stdout


def test_every_entry_can_be_checked_by_minisign_alone(dev: RecordedBackups, root: Path) -> None:
    [piece] = dev.chain.glob("*.jsonl")
    line = json.loads(piece.read_text().splitlines()[4])
    (root / "entry").write_text(line["entry"])
    (root / "entry.minisig").write_text(line["minisig"])
    public = audit.audit(dev.env).public_key
    said = subprocess.run(
        ["minisign", "-Vm", root / "entry", "-P", public], capture_output=True, text=True, check=True
    )
    assert "history of dev, entry 5, sha256" in said.stdout


# -- an attacker who can write to the primary folder, and compute any hash ------------------------------


def edit_manifest(dev: RecordedBackups, folder: Path) -> None:
    """Say another day's data in the manifest, with its digest recomputed."""
    manifest = dev.manifest(FIRST + timedelta(days=2))
    changed = manifest.model_copy(update={"lsn": "0/1"})
    backup_files.write_file(folder, name_of(2).manifest, changed.encode())


def exchange_dump_and_manifest(dev: RecordedBackups, folder: Path) -> None:
    """Another dump with a manifest that commits it, and a proof of both."""
    dump = backup_files.write_file(folder, name_of(2).dump, b"PGDMP of an attacker")
    changed = dev.manifest(FIRST + timedelta(days=2)).model_copy(update={"dump": dump})
    backup_files.write_file(folder, name_of(2).dump, b"PGDMP of an attacker")
    backup_files.write_file(folder, name_of(2).manifest, changed.encode())
    backup_files.write_file(folder, name_of(2).proof, dev.proof(changed, NOON).encode())


def remove_backup(dev: RecordedBackups, folder: Path) -> None:
    for file in folder.glob(f"{name_of(2).stem}*"):
        file.unlink()


def forge_proof(dev: RecordedBackups, folder: Path) -> None:
    manifest = dev.manifest(FIRST + timedelta(days=2))
    backup_files.write_file(folder, name_of(2).proof, dev.proof(manifest, NOON).encode())


def copy_proof(dev: RecordedBackups, folder: Path) -> None:
    shutil.copy(folder / name_of(4).proof, folder / name_of(2).proof)


def remove_proof(dev: RecordedBackups, folder: Path) -> None:
    (folder / name_of(2).proof).unlink()


def remove_dump(dev: RecordedBackups, folder: Path) -> None:
    (folder / name_of(2).dump).unlink()


@pytest.mark.parametrize(
    ("attack", "entry", "kind"),
    [
        (edit_manifest, ("backup", 2), "manifest"),
        (exchange_dump_and_manifest, ("backup", 2), "manifest"),
        (remove_backup, ("backup", 2), "removed"),
        (forge_proof, ("proof", 2), "proof"),
        (copy_proof, ("proof", 2), "proof"),
        (remove_proof, ("proof", 2), "proof"),
        (remove_dump, ("backup", 2), "dump"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("location", ["the primary", "and one location"])
def test_a_changed_backup_is_found(
    dev: RecordedBackups,
    attack: Callable[[RecordedBackups, Path], None],
    entry: tuple[str, int],
    kind: str,
    location: str,
) -> None:
    attack(dev, dev.folder)
    if location == "and one location":
        attack(dev, location_of(dev))
    found = faults(dev)
    assert found[0] == (entry_of(*entry), kind, name_of(2).dump)
    assert {file for _, _, file in found} == {name_of(2).dump}


def test_a_backup_that_was_exchanged_in_a_location_alone_is_found(dev: RecordedBackups) -> None:
    edit_manifest(dev, location_of(dev))
    assert faults(dev) == [(entry_of("backup", 2), "copied backup", name_of(2).dump)]
    assert faults(dev, copies=False) == []


def test_bytes_of_a_dump_that_differ_are_found_when_they_are_read(dev: RecordedBackups) -> None:
    path = dev.folder / name_of(2).dump
    path.write_bytes(path.read_bytes().replace(b"PGDMP", b"PGDMQ"))
    assert faults(dev) == []
    assert faults(dev, full=True) == [(entry_of("backup", 2), "dump", name_of(2).dump)]


def test_an_older_proof_is_found(dev: RecordedBackups) -> None:
    proof = dev.folder / name_of(2).proof
    good = proof.read_bytes()
    dev.prove(dev.manifest(FIRST + timedelta(days=2)), NOON, Verdict.BAD)
    assert faults(dev) == []
    proof.write_bytes(good)
    report = audit.audit(dev.env)
    assert [(fault.n, fault.kind) for fault in report.faults] == [(14, "proof")]
    assert "is an older one" in report.faults[0].message


def test_a_backup_that_nobody_made_is_found(dev: RecordedBackups) -> None:
    taken = FIRST - timedelta(days=30)
    manifest = dev.manifest(taken)
    name = BackupName.of(manifest.dump.file)
    backup_files.write_file(dev.folder, name.manifest, manifest.encode())
    assert faults(dev) == [(14, "unknown", name.dump)]


def test_a_folder_that_was_put_back_to_an_earlier_state_is_found(dev: RecordedBackups, root: Path) -> None:
    shutil.copytree(dev.folder.parent, root / "earlier")
    dev.backup(NOON)
    dev.backup(NOON + timedelta(days=1))
    shutil.rmtree(dev.folder.parent)
    shutil.copytree(root / "earlier", dev.folder.parent)
    found = faults(dev)
    assert found[0] == (14, "rolled back", "")
    assert [file for _, kind, file in found if kind == "removed"] == [name_of(6).dump, name_of(7).dump]


def test_it_is_found_by_whoever_has_only_the_public_key(dev: RecordedBackups, root: Path) -> None:
    shutil.copytree(dev.folder.parent, root / "earlier")
    dev.backup(NOON)
    public = audit.audit(dev.env).public_key
    shutil.rmtree(dev.folder.parent)
    shutil.copytree(root / "earlier", dev.folder.parent)
    settings = dev.env.ctx.settings.model_copy(
        update={"state_dir": root / "new state", "history_keys": (public,)}
    )
    elsewhere = RecordedBackups(replace(dev.env, ctx=replace(dev.env.ctx, settings=settings)))
    assert faults(elsewhere) == [(14, "rolled back", ""), (14, "removed", name_of(6).dump)]


# -- the history itself ------------------------------------------------------------------------------------


def lines_of(dev: RecordedBackups) -> tuple[Path, list[str]]:
    [piece] = dev.chain.glob("*.jsonl")
    return piece, piece.read_text().splitlines()


def rewrite(dev: RecordedBackups, change: Callable[[list[str]], list[str]]) -> None:
    piece, lines = lines_of(dev)
    piece.write_text("".join(f"{line}\n" for line in change(lines)))


def edited(lines: list[str], word: str, other: str) -> list[str]:
    """The lines with a word of the fourth replaced."""
    return [*lines[:3], lines[3].replace(word, other), *lines[4:]]


def own_file(dev: RecordedBackups) -> Path:
    [file] = (dev.env.ctx.settings.state_dir / "history" / "dev").glob("*.jsonl")
    return file


@pytest.mark.parametrize(
    ("change", "n"),
    [
        (
            lambda lines: [
                line.replace("backup", "proofs") if n == 3 else line for n, line in enumerate(lines)
            ],
            4,
        ),
        (lambda lines: lines[:3] + lines[4:], 4),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], 4),
        (lambda lines: [*lines, lines[-1]], 14),
        (lambda lines: lines[:-2], 12),
        (lambda lines: [], 1),
    ],
    ids=["edited", "removed", "re-ordered", "repeated", "cut", "emptied"],
)
def test_a_changed_copy_of_the_history_is_found_and_left_as_evidence(
    dev: RecordedBackups, change: Callable[[list[str]], list[str]], n: int
) -> None:
    rewrite(dev, change)
    piece, after = lines_of(dev)
    [found] = faults(dev)
    assert (found[0], found[1] in ("copy", "rolled back")) == (n, True)
    dev.backup(NOON)
    assert lines_of(dev) == (piece, after)
    assert faults(dev)[0][0] == n


@pytest.mark.parametrize(
    ("change", "n", "kind"),
    [
        (lambda lines: edited(lines, "tests", "tested"), 4,
         "signature"),
        (lambda lines: lines[:3] + lines[4:], 4, "order"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], 4, "order"),
        (lambda lines: [*lines[:5], "{}", *lines[6:]], 6, "edited"),
    ],
    ids=["edited", "removed", "re-ordered", "no entry"],
)  # fmt: skip
def test_a_change_of_our_own_history_is_found(
    dev: RecordedBackups, change: Callable[[list[str]], list[str]], n: int, kind: str
) -> None:
    file = own_file(dev)
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))
    assert faults(dev) == [(n, kind, "")]


def test_a_history_signed_by_another_key_is_not_ours(dev: RecordedBackups, root: Path) -> None:
    """An attacker removes a backup, and writes a history with a rotation of it, signed with his own key."""
    remove_backup(dev, dev.folder)
    settings = dev.env.ctx.settings.model_copy(update={"state_dir": root / "attacker"})
    attacker = RecordedBackups(replace(dev.env, ctx=replace(dev.env.ctx, settings=settings)))
    attacker.backup(NOON)
    report = audit.audit(dev.env)
    assert [(fault.kind, fault.file) for fault in report.faults] == [
        ("removed", name_of(2).dump), ("unknown", name_of(6).dump),
    ]  # fmt: skip
    assert any("which is not known here" in note for note in report.notes)


def test_two_hosts_that_know_each_others_keys_accept_each_others_work(
    dev: RecordedBackups, root: Path
) -> None:
    settings = dev.env.ctx.settings.model_copy(update={"state_dir": root / "other host"})
    other = RecordedBackups(replace(dev.env, ctx=replace(dev.env.ctx, settings=settings)))
    made = other.backup(NOON)
    other.quarantine(dev.manifest(FIRST), NOON)
    keys = [audit.audit(host.env).public_key for host in (dev, other)]
    for host, key in ((dev, keys[1]), (other, keys[0])):
        known = host.env.ctx.settings.model_copy(update={"history_keys": (key,)})
        knowing = RecordedBackups(replace(host.env, ctx=replace(host.env.ctx, settings=known)))
        assert faults(knowing) == []
    assert (14, "unknown", made.dump.file) in faults(dev)


# -- what a person does then ---------------------------------------------------------------------------------


def test_what_a_person_accepts_is_on_record_and_found_no_more(dev: RecordedBackups) -> None:
    remove_backup(dev, dev.folder)
    edit_manifest(dev, dev.folder)
    forge_proof(dev, dev.folder)
    (dev.folder / name_of(4).manifest).unlink()
    rewrite(dev, lambda lines: lines[:-2])
    with pytest.raises(SettingsError, match="needs WHY="):
        acceptance.accept(dev.env, " ")
    accepted = acceptance.accept(dev.env, "we know")
    assert len(accepted.faults) == 3
    assert faults(dev) == []
    assert acceptance.accept(dev.env, "again").faults == ()
    last = json.loads(json.loads(lines_of(dev)[1][-1])["entry"])
    assert (last["kind"], last["why"], last["file"]) == ("accepted", "we know", name_of(4).dump)


def test_a_damaged_history_is_moved_aside_and_a_new_one_begins(dev: RecordedBackups) -> None:
    file = own_file(dev)
    file.write_text(file.read_text().replace("tests", "tested", 1))
    assert faults(dev) == [(1, "signature", "")]
    acceptance.accept(dev.env, "the disk was bad")
    assert faults(dev) == []
    report = audit.audit(dev.env)
    assert (report.entries, report.earlier) == (1 + DAYS, DAYS)
    assert [*file.parent.glob("*.damaged-*")]


# -- the key -------------------------------------------------------------------------------------------------


def test_the_key_is_private_and_made_once(dev: RecordedBackups) -> None:
    file = history_files.key_file(dev.env.ctx)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [path for path in dev.folder.parent.rglob("*") if path.name == file.name]
    file.chmod(0o640)
    report = audit.audit(dev.env)
    assert report.exit_code == 5
    assert report.trouble
    assert f"chmod 600 {file}" in str(report.trouble.hint)


def test_no_key_is_made_where_the_backups_are_and_the_backup_is_taken_anyway(root: Path) -> None:
    archive = root
    made = RecordedBackups(builders.env(root, rules=[], archive_roots=(archive,), now=lambda: NOON))
    manifest = made.backup(NOON)
    assert (made.folder / BackupName.of(manifest.dump.file).manifest).exists()
    assert any("where the backups are: no history is written" in said for said in said_by(made.env))
    assert not [*root.rglob("signing.key")]
    with pytest.raises(Refused, match="The signing key would be"):
        history_files.key_file(made.env.ctx)
    report = audit.audit(made.env)
    assert report.trouble
    assert "Set state_dir to a folder outside" in str(report.trouble.hint)


def said_by(env: EnvironmentContext) -> list[str]:
    reporter = env.ctx.reporter
    assert isinstance(reporter, builders.Recorder)
    return reporter.said


# -- locations, clouds, old installations ----------------------------------------------------------------


def test_a_location_that_is_away_is_caught_up_when_it_returns(dev: RecordedBackups, root: Path) -> None:
    location = location_of(dev)
    location.parent.rename(root / "away")
    dev.backup(NOON)
    report = audit.audit(dev.env)
    assert (report.exit_code, report.anchors[str(location)]) == (0, 13)
    assert any("cannot be reached" in note for note in report.notes)
    (root / "away").rename(location.parent)
    report = audit.audit(dev.env)
    assert (report.exit_code, report.anchors[str(location)]) == (0, 15)


def test_an_evicted_record_is_not_accused(dev: RecordedBackups) -> None:
    for name in (name_of(2).manifest, name_of(3).proof):
        (dev.folder / name).unlink()
        (dev.folder / f".{name}.icloud").write_bytes(b"bplist00")
    assert faults(dev) == []


def test_backups_from_before_are_marked_once_and_watched_from_then_on(root: Path) -> None:
    made = RecordedBackups(builders.env(root, rules=[], now=lambda: NOON))
    old = made.manifest(FIRST)
    backup_files.write_file(made.folder, name_of(0).manifest, old.encode())
    report = audit.audit(made.env)
    assert (report.exit_code, report.entries) == (0, 0)
    assert "begins with the next backup" in report.notes[0]
    made.backup(NOON)
    made.backup(NOON + timedelta(days=1))
    report = audit.audit(made.env)
    assert (report.faults, report.earlier, report.entries) == ((), 1, 6)
    (made.folder / name_of(0).manifest).unlink()
    assert faults(made) == [(2, "removed", name_of(0).dump)]


def test_a_state_folder_that_was_put_back_takes_our_entries_from_beside_the_backups(
    dev: RecordedBackups, root: Path
) -> None:
    state = dev.env.ctx.settings.state_dir
    shutil.copytree(state, root / "earlier")
    dev.backup(NOON)
    shutil.rmtree(state)
    shutil.copytree(root / "earlier", state)
    assert faults(dev) == []
    dev.backup(NOON + timedelta(days=1))
    report = audit.audit(dev.env)
    assert (report.faults, report.entries) == ((), 17)


def test_a_cut_entry_is_no_entry(dev: RecordedBackups) -> None:
    file = own_file(dev)
    with file.open("a") as lines:
        lines.write('{"entry":"{\\"version\\":1')
    assert faults(dev) == []
    dev.backup(NOON)
    report = audit.audit(dev.env)
    assert (report.faults, report.entries) == ((), 15)


def test_a_backup_that_was_put_there_is_adopted_on_record(dev: RecordedBackups) -> None:
    manifest = dev.manifest(FIRST - timedelta(days=3))
    name = BackupName.of(manifest.dump.file)
    backup_files.write_file(dev.folder, name.manifest, manifest.encode())
    recording.record_found(dev.env, manifest)
    recording.record_found(dev.env, manifest)
    report = audit.audit(dev.env)
    assert (report.faults, report.entries) == ((), 14)


def test_a_copy_that_was_exchanged_is_not_adopted_and_a_good_one_is(dev: RecordedBackups) -> None:
    remove_backup(dev, dev.folder)
    manifest = location_of(dev) / name_of(2).manifest
    good = manifest.read_bytes()
    edit_manifest(dev, location_of(dev))
    (dev.folder / name_of(2).dump).unlink()  # the fake writes it to make the manifest
    with pytest.raises(BadBackup, match="is not the manifest of entry 6 of the history"):
        adopt(dev)
    assert not (dev.folder / name_of(2).manifest).exists()
    manifest.write_bytes(good)
    adopt(dev)
    assert faults(dev) == []


def adopt(dev: RecordedBackups) -> None:
    [at] = dev.env.locations()[1:]
    adoption.adopt_copy(dev.env, at, catalog.entry(at, name_of(2)))


def test_a_repair_is_on_record(dev: RecordedBackups) -> None:
    """Bytes of the dump were lost; the copy in the archive has them, and an older proof."""
    proof = dev.folder / name_of(2).proof
    dev.prove(dev.manifest(FIRST + timedelta(days=2)), NOON, Verdict.BAD)
    [at] = dev.env.locations()[1:]
    with recording.repairing(dev.env, at.store, name_of(2)):
        shutil.copy2(location_of(dev) / name_of(2).proof, proof)
    assert faults(dev) == []
    last = json.loads(json.loads(lines_of(dev)[1][-1])["entry"])
    assert (last["kind"], last["file"]) == ("repair", name_of(2).dump)
