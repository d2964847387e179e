"""Bad copies are replaced from good ones: whichever place is bad, and never the other way round."""

from datetime import timedelta
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.system import clock, journal_file
from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.progress import REPAIR_STEPS, Step
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive import repair
from ledgerflow_ops.operations.archive.repair import RepairResult
from ledgerflow_ops_tests.e2e.commands import flip_bit
from ledgerflow_ops_tests.fakes import age_keys
from ledgerflow_ops_tests.operations.archive.archives import Archives
from ledgerflow_ops_tests.operations.archive.test_archiving_killed import killed


@pytest.fixture
def archives(root: Path) -> Archives:
    return Archives(root)


def copied(archives: Archives) -> BackupName:
    name = archives.add(1, files=[])
    archives.archive()
    return name


def damage(archives: Archives, place: str, file: str) -> None:
    """Change one bit, as a disk does, and let an examination have found it."""
    at = archives.at(place)
    folder = at.store.root()
    assert folder
    flip_bit(folder / file)


def repaired(archives: Archives, file: str = "") -> RepairResult:
    env = archives.env
    return repair.repair(env, repair.plan(env, file))


@pytest.mark.parametrize("place", ["primary", "usb"])
@pytest.mark.parametrize("ending", [".dump", ".globals.sql", ".files.tar.zst"])
def test_a_changed_byte_is_found_and_replaced_wherever_it_is(
    archives: Archives, place: str, ending: str
) -> None:
    name = copied(archives)
    whole = archives.files_of(name)
    damage(archives, place, name.stem + ending)
    assert not repair.plan(archives.env), "names and sizes do not show it"
    (planned,) = repair.plan(archives.env, name.dump)
    assert (planned.target, planned.why) == (place, f"not the committed bytes: {name.stem + ending}")
    result = repair.repair(archives.env, [planned])
    source = "usb" if place == "primary" else "primary"
    assert result.repaired == [f"{name.dump}: repaired in {place} from {source} ({name.stem + ending})."]
    assert archives.files_of(name) == whole
    assert archives.copies("usb") == whole
    assert archives.state(place, name) is CopyState.GOOD
    *_, entry = journal_file.read_entries(archives.env.ctx.settings.state_dir)
    assert entry["what"] == "repair"
    assert (entry["result"], entry["repaired"]) == ("ok", result.repaired)


def test_a_missing_file_and_a_damaged_manifest_are_known_without_reading(archives: Archives) -> None:
    name = copied(archives)
    whole = archives.files_of(name)
    (archives.primary.path / name.dump).unlink()
    damage(archives, "usb", name.manifest)
    assert sorted(planned.target for planned in repair.plan(archives.env)) == ["primary", "usb"]
    assert not repaired(archives).failed
    assert archives.files_of(name) == whole
    assert archives.copies("usb") == whole


def test_one_that_an_examination_found_bad_is_repaired_without_naming_it(archives: Archives) -> None:
    name = copied(archives)
    manifest = catalog.read_manifest(archives.env, name)
    assert manifest
    damage(archives, "primary", name.dump)
    archives.primary.prove(manifest, Rung.WRITTEN, Verdict.BAD)
    assert archives.state("primary", name) is CopyState.BAD
    assert not repaired(archives).failed
    assert archives.is_original(name), "the proof of the good copy holds for the repaired one"


def test_without_a_good_copy_nothing_is_touched(archives: Archives) -> None:
    name = copied(archives)
    for place in ("primary", "usb", "far"):
        damage(archives, place, name.dump)
    before = [archives.versions(place) for place in archives.places]
    result = repaired(archives, name.dump)
    assert not result.repaired
    assert [error.exit_code for error in result.failed] == [4, 4, 4]
    assert "No good copy of it is known." in result.failed[0].message
    assert "make quarantine" in result.failed[0].hint
    assert [archives.versions(place) for place in archives.places] == before


def test_a_source_that_is_bad_as_well_is_passed_over(archives: Archives) -> None:
    """Names and sizes call usb good; its bytes are not."""
    name = copied(archives)
    (archives.primary.path / name.dump).unlink()
    damage(archives, "usb", name.dump)
    result = repaired(archives)
    assert result.repaired == [f"{name.dump}: repaired in primary from far ({name.dump})."]
    assert archives.is_original(name)


def test_a_bad_file_is_not_moved_where_the_only_source_is_bad_as_well(root: Path) -> None:
    archives = Archives(root, locations={"usb": {}})
    name = copied(archives)
    bad = archives.primary.path / name.dump
    bad.write_bytes(b"half of it")
    damage(archives, "usb", name.dump)
    result = repaired(archives)
    assert "is not what its manifest commits either." in result.failed[0].message
    assert bad.read_bytes() == b"half of it"
    assert not (archives.primary.path / repair.ASIDE).exists()


def test_another_backup_of_the_same_name_is_never_replaced(archives: Archives) -> None:
    name = copied(archives)
    there = archives.folder("usb")
    for file in there.path.iterdir():
        file.unlink()
    there.add_backup(clock.now() - timedelta(days=3), stem=name.stem)
    before = archives.copies("usb")
    assert archives.state("usb", name) is CopyState.FOREIGN
    assert not repair.plan(archives.env, name.dump)
    assert archives.copies("usb") == before
    assert "another backup has its name there" in archives.archive().checks(name)[0].message


def test_a_name_that_no_location_has_is_an_error_of_the_call(archives: Archives) -> None:
    copied(archives)
    with pytest.raises(SettingsError, match=r"No location of dev has 'no\.dump'\.") as error:
        repair.plan(archives.env, "no.dump")
    assert "make status" in error.value.hint


_KILLED_AT = [*REPAIR_STEPS[1:], f"{REPAIR_STEPS[2]}#2"]


@pytest.mark.parametrize("where", _KILLED_AT)
def test_a_repair_killed_at_any_step_is_completed_by_the_next(root: Path, where: str) -> None:
    repair_and_complete(Archives(root, locations={"usb": {}}), where)


@pytest.mark.parametrize("where", ["naming .dump.age", Step.COPY_BACK, Step.SETTLE])
def test_a_killed_repair_of_an_encrypted_backup_needs_no_key(root: Path, where: str) -> None:
    recipient = age_keys.new_key(root / "key.txt").recipient
    repair_and_complete(Archives(root, locations={"usb": {}}, recipients=(recipient,)), where)


def repair_and_complete(archives: Archives, where: str) -> None:
    """Repair the primary folder's backup, killed at `where`, then again: it is as it was, and proven."""
    name = copied(archives)
    whole = archives.files_of(name)
    for file in (name.dump, name.globals):
        (archives.primary.path / file).write_bytes(b"bad")
    killed(archives, "repair", where)
    state = archives.state("primary", name)
    if archives.files_of(name) != whole:
        assert state is not CopyState.GOOD
    assert archives.copies("usb") == whole, "the source is never written to"
    assert not repaired(archives).failed
    assert archives.files_of(name) == whole
    assert archives.is_original(name)
    aside = archives.primary.path / repair.ASIDE
    assert not aside.exists() or not list(aside.iterdir()), "what was bad is gone once it is replaced"
