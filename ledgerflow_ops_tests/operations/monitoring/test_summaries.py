"""The index of summaries is always what reading the manifests would say."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog.backup_summary import ListedDump
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops.operations import catalog, summaries
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, backup_folder_of
from ledgerflow_ops_tests.fakes import backup_tables
from ledgerflow_ops_tests.hypothesis_profiles import examples

_OLD = 1_700_000_000
_TICK = 0.012
"""Seconds after which a file's times are others than before: Linux keeps them by the tick of its clock."""


def slow(env: EnvironmentContext) -> list[ListedDump]:
    """The backups as their manifests describe them."""
    return [
        backup_summary.list_dump(entry, manifest=backup_folder_of(env).taken(entry.name.manifest))
        for entry in catalog.entries(env)
    ]


def index(env: EnvironmentContext) -> Path:
    (file,) = (env.ctx.settings.state_dir / "index").glob("dev-*.json")
    return file


def age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file count as settled, as if it had been written long ago."""
    monkeypatch.setattr(summaries, "_RECENT_NS", 0)


def env_of(root: Path) -> EnvironmentContext:
    return builders.env(root, now=lambda: NOON)


def _names(env: EnvironmentContext) -> list[BackupName]:
    return [entry.name for entry in catalog.entries(env)]


Change = Callable[[EnvironmentContext, int], None]


def _put(env: EnvironmentContext, number: int) -> None:
    taken = NOON - timedelta(days=number % 9, minutes=number % 7)
    backup_tables.add_backup(env, taken, size=100 + number, proven_at=taken if number % 2 else None)


def _prove(env: EnvironmentContext, number: int) -> None:
    for name in _names(env)[number % 5 :][:1]:
        try:
            manifest = catalog.read_manifest(env, name)
        except Exception:  # noqa: BLE001 - a damaged one is not proven
            return
        if manifest and manifest.dump.file == name.dump:
            backup_tables.add_proof(env, manifest, NOON, Verdict.GOOD if number % 3 else Verdict.BAD)


def _file(env: EnvironmentContext, number: int) -> Path | None:
    files = sorted(path for path in backup_folder_of(env).path.iterdir() if path.is_file())
    return files[number % len(files)] if files else None


def _remove(env: EnvironmentContext, number: int) -> None:
    if file := _file(env, number):
        file.unlink()


def _damage(env: EnvironmentContext, number: int) -> None:
    if file := _file(env, number):
        data = bytearray(file.read_bytes() or b"x")
        data[number % len(data)] ^= 1 + number % 255
        file.write_bytes(bytes(data))


def _cut(env: EnvironmentContext, number: int) -> None:
    if file := _file(env, number):
        os.truncate(file, number % 50)


def _evict(env: EnvironmentContext, number: int) -> None:
    if (file := _file(env, number)) and not file.name.startswith("."):
        file.rename(file.with_name(f".{file.name}.icloud"))


def _copy(env: EnvironmentContext, number: int) -> None:
    if file := _file(env, number):
        file.with_name(f"copy{number % 3}_{file.name}").write_bytes(file.read_bytes())


def _link(env: EnvironmentContext, number: int) -> None:
    if (file := _file(env, number)) and not file.is_symlink():
        aside = backup_folder_of(env).path.parent / f"aside{number}_{file.name}"
        file.rename(aside)
        file.symlink_to(aside)


def _age_back(env: EnvironmentContext, number: int) -> None:
    if file := _file(env, number):
        os.utime(file, (_OLD + number, _OLD + number))


CHANGES: list[Change] = [_put, _prove, _remove, _damage, _cut, _evict, _copy, _link, _age_back]


@examples(60, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(CHANGES), st.integers(0, 400), st.booleans()), min_size=1, max_size=12
    )
)
def test_it_says_what_the_manifests_say_whatever_happens_to_the_files(
    session_root: Path, steps: list[tuple[Change, int, bool]]
) -> None:
    root = builders.new_folder(session_root)
    env = env_of(root)
    _put(env, 1)
    with pytest.MonkeyPatch.context() as patch:
        age(patch)  # or nothing would be kept: all of it was changed this moment
        for change, number, look in steps:
            change(env, number)
            clock.pause(_TICK)
            if look:
                assert summaries.list_dumps(env) == slow(env)
        assert summaries.list_dumps(env) == slow(env)
        assert summaries.list_dumps(env) == slow(env)
    shutil.rmtree(root)


def test_what_has_not_changed_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A falsified entry of an old backup is returned as it is; the newest backups are read anyway."""
    env = env_of(root)
    age(monkeypatch)
    backup_tables.add_days(env, NOON.date(), 12)
    first = summaries.list_dumps(env)
    assert len(first) == 12
    kept = json.loads(index(env).read_bytes())
    assert len(kept["records"]) == 12
    kept["records"][0][3] = 77
    _rewrite(index(env), kept)
    assert [one.size for one in summaries.list_dumps(env)] == [77, *(one.size for one in first[1:])]
    name = first[0].name
    os.utime(backup_folder_of(env).file(name.proof))
    assert summaries.list_dumps(env) == first


@pytest.mark.parametrize("count", [1, 12])
def test_a_forged_index_raises_nothing_that_is_relied_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The newest backup is bad; the index, with a correct digest and correct marks, says that it is valid."""
    env = env_of(root)
    age(monkeypatch)
    *_, newest = backup_tables.add_days(env, NOON.date(), count)
    backup_tables.add_proof(env, newest, NOON, Verdict.BAD)
    right = summaries.list_dumps(env)
    assert right[-1].state == "bad"
    whole = index(env).read_bytes()
    forged = whole.replace(b'"bad"', b'"valid"').replace(b"false,true,true", b"true,false,true")
    assert forged != whole, "the fault did not fire"
    fields = json.loads(forged)
    _rewrite(index(env), fields)
    assert summaries.list_dumps(env) == right
    assert index(env).read_bytes() == whole, "and it is made again"


def _rewrite(file: Path, fields: dict[str, object]) -> None:
    from ledgerflow_ops.core.catalog.manifest import encode_sealed

    fields.pop("digest")
    file.write_bytes(encode_sealed(fields))


def test_what_was_changed_this_moment_is_read_again(root: Path) -> None:
    """Within its tick of the clock a file can change twice and show the same times."""
    env = env_of(root)
    backup_tables.add_days(env, NOON.date(), 3)
    assert len(summaries.list_dumps(env)) == 3
    assert (
        not list((env.ctx.settings.state_dir / "index").glob("dev-*"))
        or not json.loads(index(env).read_bytes())["records"]
    )


@pytest.mark.parametrize("what", ["a bit", "cut", "empty", "not JSON", "another program's", "a folder"])
def test_a_damaged_or_foreign_index_is_made_again(
    root: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_of(root)
    age(monkeypatch)
    backup_tables.add_days(env, NOON.date(), 3)
    right = summaries.list_dumps(env)
    file = index(env)
    good = file.read_bytes()
    fields = json.loads(good)
    if what == "a bit":
        file.write_bytes(good.replace(b'"valid"', b'"valie"', 1))
    elif what == "cut":
        file.write_bytes(good[: len(good) // 2])
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "not JSON":
        file.write_bytes(b"\x80\x04pickle")
    elif what == "another program's":
        fields["records"][0][3] = 77
        _rewrite(file, {**fields, "code": "other"})
    else:
        file.unlink()
        file.mkdir()
    assert summaries.list_dumps(env) == right
    if what != "a folder":
        assert file.read_bytes() == good


def test_a_reading_that_failed_is_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = env_of(root)
    age(monkeypatch)
    manifest = backup_tables.add_backup(env, NOON)
    name = BackupName.of(manifest.dump.file)
    whole = backup_folder_of(env).read(name.manifest)
    backup_folder_of(env).file(name.manifest).write_bytes(whole[:-9])
    (found,) = summaries.list_dumps(env)
    assert found.state == "bad"
    assert json.loads(index(env).read_bytes())["records"] == [] if _has_index(env) else True
    backup_folder_of(env).file(name.manifest).write_bytes(whole)
    (found,) = summaries.list_dumps(env)
    assert found.state == "written"


def _has_index(env: EnvironmentContext) -> bool:
    return bool(list((env.ctx.settings.state_dir / "index").glob("dev-*.json")))


_MANY = """
import sys
from pathlib import Path
from ledgerflow_ops.operations import summaries
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON
env = builders.env(Path(sys.argv[1]), now=lambda: NOON)
for _ in range(20):
    (env.ctx.settings.state_dir / "index").mkdir(parents=True, exist_ok=True)
    for file in (env.ctx.settings.state_dir / "index").glob("dev-*.json"):
        file.unlink(missing_ok=True)
    assert len(summaries.list_dumps(env)) == 12
"""


def test_several_processes_may_look_at_once(root: Path) -> None:
    env = env_of(root)
    backup_tables.add_days(env, NOON.date(), 12)
    looking = [subprocess.Popen([sys.executable, "-c", _MANY, str(root)]) for _ in range(3)]
    assert [process.wait(60) for process in looking] == [0, 0, 0]
    assert summaries.list_dumps(env) == slow(env)
    assert not list((env.ctx.settings.state_dir / "index").glob(".*"))


def test_a_state_folder_that_cannot_be_written_to_costs_only_time(root: Path) -> None:
    env = env_of(root)
    backup_tables.add_days(env, NOON.date(), 2)
    env.ctx.settings.state_dir.write_bytes(b"a file, not a folder")
    assert summaries.list_dumps(env) == slow(env)


_KILLED = """
import os, signal, sys
from pathlib import Path
from ledgerflow_ops.operations import summaries
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import NOON, Recorder

class Fatal(Recorder):
    def counted(self, done, of, what):
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

summaries._RECENT_NS = 0
summaries.list_dumps(builders.env(Path(sys.argv[1]), reporter=Fatal(), now=lambda: NOON))
"""


def test_a_reading_that_is_killed_leaves_what_it_has_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = builders.Recorder()
    env = builders.env(root, reporter=told, now=lambda: NOON)
    backup_tables.add_days(env, NOON.date(), 520)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(root), "510"], check=False)
    assert killed.returncode == -signal.SIGKILL, "the fault did not fire"
    assert len(json.loads(index(env).read_bytes())["records"]) == 500
    age(monkeypatch)
    assert summaries.list_dumps(env) == slow(env)
    assert told.counts == [
        *((read, 520, "backups read") for read in range(501, 521)),
        (520, 520, "backups read"),
    ]
    told.counts.clear()
    assert len(json.loads(index(env).read_bytes())["records"]) == 520
    assert len(summaries.list_dumps(env)) == 520
    assert told.counts == [], "and nothing is read twice"


def test_an_index_written_on_the_way_keeps_what_is_not_looked_at_yet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older half is touched, and read again; a kill after that costs the newer half nothing."""
    env = env_of(root)
    age(monkeypatch)
    backup_tables.add_days(env, NOON.date(), 530)
    right = summaries.list_dumps(env)
    for one in right[:515]:
        os.utime(backup_folder_of(env).file(one.name.proof))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(root), "505"], check=False)
    assert killed.returncode == -signal.SIGKILL, "the fault did not fire"
    assert len(json.loads(index(env).read_bytes())["records"]) == 530
    assert summaries.list_dumps(env) == right
