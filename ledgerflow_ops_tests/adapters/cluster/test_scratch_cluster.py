"""The temporary server of a drill: nothing of it is left, however its owner ends."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters.cluster.cluster import wait_for_end
from ledgerflow_ops.adapters.cluster.scratch_cluster import (
    ScratchCluster,
    available_memory,
    scratch_cluster,
    sweep_dead_clusters,
)
from ledgerflow_ops.adapters.cluster.server_home import ServerHome, make_server_home
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools

_OWNER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.cluster.scratch_cluster import scratch_cluster
place, in_memory = make_server_home(Path(sys.argv[1])), sys.argv[2] == "True"
with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8", in_memory=in_memory) as made:
    key, pid = made.cluster.data.parent.name.removeprefix("lf-"), made.cluster.postmaster().pid
    print(key, pid, made.server.parameters["host"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(root: Path) -> ServerHome:
    return make_server_home(root / "state")


def _left(place: ServerHome) -> list[str]:
    return [path.name for path in (place.root / "drills").iterdir()]


def _postmaster(made: ScratchCluster) -> psutil.Process:
    postmaster = made.cluster.postmaster()
    assert postmaster is not None
    return postmaster


def test_it_is_private_and_gone_after_use(place: ServerHome) -> None:
    with scratch_cluster(
        place, client_tools.bundled_tools(), "The boss", "UTF8", {"timezone": "UTC"}
    ) as made:
        with made.server.connect() as connection:
            rows = connection.execute("SELECT current_user, current_setting('server_encoding')")
            assert rows.fetchone() == ("The boss", "UTF8")
        postmaster, sockets = _postmaster(made), Path(made.server.parameters["host"])
        assert not list(postmaster.net_connections(kind="inet"))
        assert sockets.stat().st_mode & 0o077 == 0
        assert made.cluster.data.parent.stat().st_mode & 0o077 == 0
        assert len(_left(place)) == 2
        assert sweep_dead_clusters(place) == []
    assert wait_for_end(postmaster, 0)
    assert not sockets.exists()
    assert _left(place) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_is_gone_after_a_failure_too(place: ServerHome, error: type[BaseException]) -> None:
    seen: list[ScratchCluster] = []
    postmasters: list[psutil.Process] = []

    def fail() -> None:
        with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8") as made:
            seen.append(made)
            postmasters.append(_postmaster(made))
            raise error

    with pytest.raises(error):
        fail()
    assert wait_for_end(postmasters[0], 0)
    assert not Path(seen[0].server.parameters["host"]).exists()
    assert _left(place) == []


def test_one_that_cannot_be_made_leaves_nothing(place: ServerHome) -> None:
    before = set(Path("/tmp").glob("lf-*"))
    with (
        pytest.raises(Exception, match="no_such_setting"),
        scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8", {"no_such_setting": "1"}),
    ):
        pytest.fail("it started")
    assert _left(place) == []
    ours = {path for path in set(Path("/tmp").glob("lf-*")) - before if _belongs(path, place)}
    assert not ours


def _belongs(sockets: Path, place: ServerHome) -> bool:
    """Whether a socket folder belongs to a drill of this server home: other tests may run drills, too."""
    return (place.root / "drills" / sockets.name.removeprefix("lf-")).exists()


@pytest.mark.parametrize("in_memory", [False, True])
def test_that_of_a_killed_owner_is_swept_and_that_of_a_living_one_is_not(
    root: Path, place: ServerHome, in_memory: bool
) -> None:
    command = [sys.executable, "-c", _OWNER, str(root / "state"), str(in_memory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        key, pid, host = owner.stdout.readline().split()
        postmaster = psutil.Process(int(pid))
        assert sweep_dead_clusters(place) == []
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        server = Database({"host": host, "port": "5432", "user": "postgres", "dbname": "postgres"})
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert sweep_dead_clusters(place) == [key]
    assert wait_for_end(postmaster, 0)
    assert not Path(host).exists()
    assert not Path("/dev/shm", f"lf-{key}").exists()
    assert _left(place) == []


def test_in_memory_nothing_of_its_data_is_on_the_disk(place: ServerHome) -> None:
    assert available_memory() > 0
    with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8", in_memory=True) as made:
        home = made.cluster.data.parent
        assert home.parent == Path("/dev/shm")
        assert home.stat().st_mode & 0o077 == 0
        assert _left(place) == [f"{home.name.removeprefix('lf-')}.lock"]
    assert not home.exists()
    assert _left(place) == []


def test_initdb_runs_once_for_the_same_words_and_again_after_one_that_was_cut_off(place: ServerHome) -> None:
    def system() -> str:
        with (
            scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8") as made,
            made.server.connect() as connection,
        ):
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
            assert row is not None
            return str(row[0])

    first = system()
    assert system() == first
    (template,) = (folder for folder in (place.root / "templates").iterdir() if folder.is_dir())
    (template / "data" / "made").unlink()
    (template / "data" / "PG_VERSION").write_text("cut")
    second = system()
    assert second != first
    with (
        scratch_cluster(place, client_tools.bundled_tools(), "The boss", "LATIN1") as other,
        other.server.connect() as connection,
    ):
        row = connection.execute("SELECT current_user, current_setting('server_encoding')")
        assert row.fetchone() == ("The boss", "LATIN1")


def test_a_new_one_sweeps_the_old(root: Path, place: ServerHome) -> None:
    command = [sys.executable, "-c", _OWNER, str(root / "state"), "False"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        key, pid, _ = owner.stdout.readline().split()
        postmaster = psutil.Process(int(pid))
        owner.send_signal(signal.SIGKILL)
    with scratch_cluster(place, client_tools.bundled_tools(), "postgres", "UTF8") as made:
        assert wait_for_end(postmaster, 0)
        assert sorted(_left(place)) == sorted(
            [made.cluster.data.parent.name, f"{made.cluster.data.parent.name}.lock"]
        )
        assert key not in _left(place)
