"""The choice of programs, with fake programs that print any version."""

import os
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.core.errors import CannotJudge, LedgerError
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops_tests import builders
from ledgerflow_ops_tests.builders import backup_folder_of
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
    env = builders.env(root, database)
    ctx = env.ctx.settings.model_copy(update={"tools_dir": _saying(root / "old", "14.9")})
    with pytest.raises(LedgerError) as caught:
        backup.backup(type(env)(type(env.ctx)(ctx), env.environment))
    with database.connect() as connection:
        version = source.read_source_facts(connection).server_version
    assert f"server {version}" in caught.value.message
    assert "14.9 (tools_dir)" in caught.value.message
    assert "Remove tools_dir from ledgerflow.toml" in caught.value.hint
    assert str(caught.value.hint).endswith("make tools VERSION=17")
    assert list(backup_folder_of(env).path.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo pg_dump; exit 0", "echo 'pg_dump (PostgreSQL) 17.2'; exit 1", "kill -SEGV $$"],
)
def test_a_broken_pg_dump_in_the_configured_folder_is_reported(root: Path, script: str) -> None:
    folder = _pg_dump(root / "broken", script)
    with pytest.raises(LedgerError, match=f"no working pg_dump in {folder}"):
        client_tools.choose_client_tools(folder, "17.2")


def test_a_configured_folder_without_a_program_to_run_is_reported(root: Path) -> None:
    (root / "empty").mkdir()
    text = root / "text"
    text.mkdir()
    (text / "pg_dump").write_text("not a program")
    for folder in (root / "empty", text, root / "nowhere"):
        with pytest.raises(LedgerError, match=f"no working pg_dump in {folder}"):
            client_tools.choose_client_tools(folder, "17.2")


def test_a_program_of_the_wrong_format_is_reported(root: Path) -> None:
    folder = root / "odd"
    folder.mkdir()
    (folder / "pg_dump").write_bytes(b"\x7fELF" + bytes(60))
    (folder / "pg_dump").chmod(0o755)
    with pytest.raises(LedgerError, match="pg_dump"):
        client_tools.choose_client_tools(folder, "17.2")


def test_the_configured_folder_is_the_only_one_asked(root: Path, path: pytest.MonkeyPatch) -> None:
    path.setenv("PATH", str(_saying(root / "on_path", "99.1")))
    with pytest.raises(LedgerError, match=r"found 14\.9 \(tools_dir\)\."):
        client_tools.choose_client_tools(_saying(root / "old", "14.9"), client_tools.bundled_tools().version)


def test_the_pg_dump_on_the_path_is_taken_where_it_is_new_enough(
    root: Path, path: pytest.MonkeyPatch
) -> None:
    folder = _saying(root / "on_path", "14.9")
    path.setenv("PATH", str(folder))
    for server in ("9.6.24", "13.4", "14.12"):
        assert client_tools.choose_client_tools(None, server).folder == folder
    for server in ("15.1", f"{client_tools.bundled_tools().major}.1 (Debian 1.pgdg)"):
        assert client_tools.choose_client_tools(None, server) == client_tools.bundled_tools()


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense"])
def test_a_broken_pg_dump_on_the_path_is_passed_over(
    root: Path, path: pytest.MonkeyPatch, script: str
) -> None:
    path.setenv("PATH", str(_pg_dump(root / "on_path", script)))
    assert client_tools.choose_client_tools(None, "13.1") == client_tools.bundled_tools()


def test_without_a_pg_dump_on_the_path_the_bundled_one_is_taken(path: pytest.MonkeyPatch) -> None:
    assert client_tools.choose_client_tools(None, "13.1") == client_tools.bundled_tools()


def test_a_server_newer_than_all_is_refused_with_every_version(root: Path, path: pytest.MonkeyPatch) -> None:
    path.setenv("PATH", str(_saying(root / "on_path", "15.2")))
    with pytest.raises(LedgerError) as caught:
        client_tools.choose_client_tools(None, "99.0")
    assert caught.value.message.endswith(
        f"server 99.0, found 15.2 (PATH), {client_tools.bundled_tools().version} (bundled)."
    )
    assert "apt install postgresql-99" in caught.value.hint
    assert "brew install postgresql@99" in caught.value.hint


def test_installed_programs_off_the_path_are_found_where_all_others_are_older(
    path: pytest.MonkeyPatch,
) -> None:
    debian = servers.debian_15()
    assert client_tools.installed_tools(15) == [debian]
    assert client_tools.installed_tools(99) == []
    assert client_tools.choose_client_tools(None, "15.1") == client_tools.bundled_tools()


def test_fetched_programs_are_taken_for_a_server_of_their_version_and_for_no_older_one(
    root: Path, path: pytest.MonkeyPatch
) -> None:
    older, newer = (servers.of_package(major) for major in (14, 18))
    for server, chosen in (
        ("18.6", newer),
        ("14.2", older),
        ("15.1", client_tools.bundled_tools()),
        ("17.2", None),
    ):
        assert client_tools.choose_client_tools(None, server, [newer, older]) == (
            chosen or client_tools.bundled_tools()
        )
    assert client_tools.choose_server_tools(None, 14, [newer, older]) == older
    assert client_tools.choose_server_tools(None, 16, [newer, older]) == client_tools.bundled_tools()
    assert client_tools.choose_server_tools(None, 18, [newer, older]) == newer
    with pytest.raises(LedgerError, match="pg_dump is older than the server") as caught:
        client_tools.choose_client_tools(None, "18.6", [older])
    assert str(caught.value.hint) == "Fetch the programs of PostgreSQL 18: make tools VERSION=18"
    with pytest.raises(CannotJudge, match="version 18 or later") as judged:
        client_tools.choose_server_tools(None, 18, [older])
    assert judged.value.hint == caught.value.hint


def test_a_beta_says_its_major_version(root: Path) -> None:
    tools = client_tools.find_tools(_saying(root / "beta", "19beta1"), "PATH")
    assert tools is not None
    assert tools.major == 19


def test_a_server_to_restore_into_has_the_dumps_major_version_where_there_is_one() -> None:
    debian = servers.debian_15()
    assert client_tools.choose_server_tools(None, 15) == debian
    assert client_tools.choose_server_tools(None, 14) == client_tools.bundled_tools()
    assert (
        client_tools.choose_server_tools(None, client_tools.bundled_tools().major)
        == client_tools.bundled_tools()
    )
    assert client_tools.choose_server_tools(debian.folder, 15).folder == debian.folder


def test_client_programs_alone_are_no_server_to_restore_into(root: Path) -> None:
    clients = _saying(root / "clients", "99.1")
    with pytest.raises(CannotJudge, match="version 99 or later"):
        client_tools.choose_server_tools(clients, 99)


def test_zstd_is_used_where_pg_dump_has_it(root: Path) -> None:
    assert client_tools.compression_option(client_tools.bundled_tools()) == "zstd:1"
    assert client_tools.compression_option(servers.debian_15()) == "6"


def test_gzip_is_used_by_a_pg_dump_built_without_zstd(root: Path) -> None:
    folder = root / "plain"
    real = 'echo "pg_dump: error: this build does not support compression with ZSTD" >&2; exit 1'
    tools = client_tools.find_tools(programs.falsified(folder, "pg_dump", "zstd:1", real), "tools_dir")
    assert tools is not None
    assert client_tools.compression_option(tools) == "6"


def test_a_program_is_there_when_it_can_be_run(root: Path) -> None:
    tools = client_tools.find_tools(_saying(root / "clients", "17.1"), "tools_dir")
    assert tools is not None
    (tools.folder / "initdb").touch(mode=0o644)
    assert [tools.has(name) for name in ("pg_dump", "initdb", "pg_ctl")] == [True, False, False]
    assert os.access(client_tools.bundled_tools().path("initdb"), os.X_OK)
