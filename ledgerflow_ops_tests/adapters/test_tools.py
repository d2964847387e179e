"""Which programs are chosen, shown with programs that say what they like."""

import os
from pathlib import Path

import pytest

from ledgerflow_ops.adapters import source, tools
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.operations import backup
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.fakes import programs, servers


def _pg_dump(folder: Path, script: str) -> Path:
    """A folder with a pg_dump that runs `script`."""
    folder.mkdir()
    programs.write(folder / "pg_dump", script)
    return folder


def _saying(folder: Path, version: str) -> Path:
    return _pg_dump(folder, f'echo "pg_dump (PostgreSQL) {version}"')


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A PATH without any PostgreSQL."""
    monkeypatch.setenv("PATH", "/nonexistent")
    return monkeypatch


def test_a_pg_dump_older_than_the_server_is_refused_before_anything_is_written(
    root: Path, database: Database
) -> None:
    site = builders.site(root, database)
    desk = site.desk.settings.model_copy(update={"tools_dir": _saying(root / "old", "14.9")})
    with pytest.raises(LedgerError) as told:
        backup.backup(type(site)(type(site.desk)(desk), site.environment))
    with database.connect() as connection:
        version = source.facts(connection).server_version
    assert f"server {version}" in told.value.message
    assert "14.9 (tools_dir)" in told.value.message
    assert "Take tools_dir out of ledgerflow.toml" in told.value.hint
    assert told.value.hint.endswith("make tools VERSION=17")
    assert list(site.folder.path.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo pg_dump; exit 0", "echo 'pg_dump (PostgreSQL) 17.2'; exit 1", "kill -SEGV $$"],
)
def test_a_broken_pg_dump_in_the_configured_folder_is_told(root: Path, script: str) -> None:
    folder = _pg_dump(root / "broken", script)
    with pytest.raises(LedgerError, match=f"no working pg_dump in {folder}"):
        tools.choose(folder, "17.2")


def test_a_configured_folder_without_a_program_to_run_is_told(root: Path) -> None:
    (root / "empty").mkdir()
    text = root / "text"
    text.mkdir()
    (text / "pg_dump").write_text("not a program")
    for folder in (root / "empty", text, root / "nowhere"):
        with pytest.raises(LedgerError, match=f"no working pg_dump in {folder}"):
            tools.choose(folder, "17.2")


def test_a_program_of_the_wrong_format_is_told(root: Path) -> None:
    folder = root / "odd"
    folder.mkdir()
    (folder / "pg_dump").write_bytes(b"\x7fELF" + bytes(60))
    (folder / "pg_dump").chmod(0o755)
    with pytest.raises(LedgerError, match="pg_dump"):
        tools.choose(folder, "17.2")


def test_the_configured_folder_is_the_only_one_asked(root: Path, path: pytest.MonkeyPatch) -> None:
    path.setenv("PATH", str(_saying(root / "on_path", "99.1")))
    with pytest.raises(LedgerError, match=r"found 14\.9 \(tools_dir\)\."):
        tools.choose(_saying(root / "old", "14.9"), tools.bundled().version)


def test_the_pg_dump_on_the_path_is_taken_where_it_is_new_enough(
    root: Path, path: pytest.MonkeyPatch
) -> None:
    folder = _saying(root / "on_path", "14.9")
    path.setenv("PATH", str(folder))
    for server in ("9.6.24", "13.4", "14.12"):
        assert tools.choose(None, server).folder == folder
    for server in ("15.1", f"{tools.bundled().major}.1 (Debian 1.pgdg)"):
        assert tools.choose(None, server) == tools.bundled()


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense"])
def test_a_broken_pg_dump_on_the_path_is_passed_over(
    root: Path, path: pytest.MonkeyPatch, script: str
) -> None:
    path.setenv("PATH", str(_pg_dump(root / "on_path", script)))
    assert tools.choose(None, "13.1") == tools.bundled()


def test_without_a_pg_dump_on_the_path_the_bundled_one_is_taken(path: pytest.MonkeyPatch) -> None:
    assert tools.choose(None, "13.1") == tools.bundled()


def test_a_server_newer_than_all_is_refused_with_every_version(root: Path, path: pytest.MonkeyPatch) -> None:
    path.setenv("PATH", str(_saying(root / "on_path", "15.2")))
    with pytest.raises(LedgerError) as told:
        tools.choose(None, "99.0")
    assert told.value.message.endswith(
        f"server 99.0, found 15.2 (PATH), {tools.bundled().version} (bundled)."
    )
    assert "apt install postgresql-99" in told.value.hint
    assert "brew install postgresql@99" in told.value.hint


def test_installed_programs_off_the_path_are_found_where_all_others_are_older(
    path: pytest.MonkeyPatch,
) -> None:
    debian = servers.debian_15()
    assert tools.installed(15) == [debian]
    assert tools.installed(99) == []
    assert tools.choose(None, "15.1") == tools.bundled()


def test_fetched_programs_are_taken_for_a_server_of_their_version_and_for_no_older_one(
    root: Path, path: pytest.MonkeyPatch
) -> None:
    older, newer = (servers.of_package(major) for major in (14, 18))
    for server, chosen in (("18.6", newer), ("14.2", older), ("15.1", tools.bundled()), ("17.2", None)):
        assert tools.choose(None, server, [newer, older]) == (chosen or tools.bundled())
    assert tools.server(None, 14, [newer, older]) == older
    assert tools.server(None, 16, [newer, older]) == tools.bundled()
    assert tools.server(None, 18, [newer, older]) == newer
    with pytest.raises(LedgerError, match="pg_dump is older than the server") as told:
        tools.choose(None, "18.6", [older])
    assert told.value.hint == "Fetch the programs of PostgreSQL 18: make tools VERSION=18"
    with pytest.raises(CannotJudge, match="version 18 or later") as judged:
        tools.server(None, 18, [older])
    assert judged.value.hint == told.value.hint


def test_a_beta_says_its_major_version(root: Path) -> None:
    found = tools.at(_saying(root / "beta", "19beta1"), "PATH")
    assert found is not None
    assert found.major == 19


def test_a_server_to_restore_into_has_the_dumps_major_version_where_there_is_one() -> None:
    debian = servers.debian_15()
    assert tools.server(None, 15) == debian
    assert tools.server(None, 14) == tools.bundled()
    assert tools.server(None, tools.bundled().major) == tools.bundled()
    assert tools.server(debian.folder, 15).folder == debian.folder


def test_client_programs_alone_are_no_server_to_restore_into(root: Path) -> None:
    clients = _saying(root / "clients", "99.1")
    with pytest.raises(CannotJudge, match="version 99 or later"):
        tools.server(clients, 99)


def test_zstd_is_used_where_pg_dump_has_it(root: Path) -> None:
    assert tools.compression(tools.bundled()) == "zstd:1"
    assert tools.compression(servers.debian_15()) == "6"


def test_gzip_is_used_by_a_pg_dump_built_without_zstd(root: Path) -> None:
    folder = root / "plain"
    real = 'echo "pg_dump: error: this build does not support compression with ZSTD" >&2; exit 1'
    found = tools.at(programs.falsified(folder, "pg_dump", "zstd:1", real), "tools_dir")
    assert found is not None
    assert tools.compression(found) == "6"


def test_a_program_is_there_when_it_can_be_run(root: Path) -> None:
    found = tools.at(_saying(root / "clients", "17.1"), "tools_dir")
    assert found is not None
    (found.folder / "initdb").touch(mode=0o644)
    assert [found.has(name) for name in ("pg_dump", "initdb", "pg_ctl")] == [True, False, False]
    assert os.access(tools.bundled().path("initdb"), os.X_OK)
