"""A server is started when it accepts connections; one that does not is an error with its log."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.adapters.cluster.cluster import Cluster, wait_for_end
from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops.adapters.cluster.server_start import start_server
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.system.server_account import make_owned_folder
from ledgerflow_ops.core.errors import LedgerError

_HANGS = '#!/bin/sh\necho "$0 hangs"\nexec sleep 600\n'


@pytest.fixture
def cluster(root: Path) -> Iterator[Cluster]:
    """A new cluster that does not run."""
    home = make_server_home(root / "state")
    cluster = Cluster(home.root / "data", home.programs(client_tools.bundled_tools()), home.account)
    cluster.make("postgres", encoding="UTF8", options={"locale": "C"})
    try:
        yield cluster
    finally:
        cluster.remove()


def _settings(cluster: Cluster) -> dict[str, str]:
    sockets = cluster.data.parent / "sockets"
    make_owned_folder(cluster.account, sockets)
    return {"listen_addresses": "", "unix_socket_directories": str(sockets)}


def _database(cluster: Cluster) -> Database:
    host = str(cluster.data.parent / "sockets")
    return Database({"host": host, "port": "5432", "user": "postgres", "dbname": "postgres"})


def test_it_accepts_connections_once_it_is_started(cluster: Cluster) -> None:
    cluster.start(_settings(cluster))
    with _database(cluster).connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert cluster.log.stat().st_mode & 0o077 == 0


def _start_in_another_process(cluster: Cluster, then: str = "") -> psutil.Process:
    """Start the server in a program of its own, which does `then` and ends; returns the postmaster."""
    lines = [f"{name} = '{value}'\n" for name, value in _settings(cluster).items()]
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.writelines(lines)
    account = cluster.account
    code = (
        "from pathlib import Path; from ledgerflow_ops.adapters.cluster.server_start import start_server\n"
        "from ledgerflow_ops.adapters.programs.client_tools import Tools\n"
        "from ledgerflow_ops.adapters.system.process import Account, kill_all\n"
        f"start_server(Tools(Path({str(cluster.tools.folder)!r}), 'test', {cluster.tools.version!r}),"
        f" Path({str(cluster.data)!r}), Path({str(cluster.log)!r}),"
        f" {f'Account({account.uid}, {account.gid}, {account.name!r})' if account else None}, 60)\n{then}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    postmaster = cluster.postmaster()
    assert postmaster is not None
    return postmaster


def test_an_interrupt_does_not_kill_it(cluster: Cluster) -> None:
    """It is nobody's child: kill_all, which kills by SIGKILL, would leave its shared memory behind."""
    _start_in_another_process(cluster, "kill_all()")
    with _database(cluster).connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_outlives_who_started_it_and_answers_sigint(cluster: Cluster) -> None:
    """A shell starts it in the background, where SIGINT is ignored; a server sets its own handler."""
    postmaster = _start_in_another_process(cluster)
    postmaster.send_signal(signal.SIGINT)
    assert wait_for_end(postmaster, 60)


def test_one_that_ends_while_it_starts_is_an_error_with_its_log(cluster: Cluster) -> None:
    with pytest.raises(LedgerError) as failure:
        cluster.start({**_settings(cluster), "shared_buffers": "nonsense"})
    assert f"The server in {cluster.data} ended while it started.\n" in failure.value.message
    assert 'invalid value for parameter "shared_buffers": "nonsense"' in failure.value.message
    assert "make doctor" in str(failure.value.hint)
    assert cluster.postmaster() is None


def test_a_postmaster_pid_of_another_process_is_not_its_own(cluster: Cluster) -> None:
    """A crash leaves a postmaster.pid that says `ready`, with a process that may be another one now."""
    left = cluster.data / "postmaster.pid"
    left.write_text(f"{os.getpid()}\n{cluster.data}\n1\n5432\n\n\n\nready   \n")
    left.chmod(0o644)
    with pytest.raises(LedgerError, match="ended while it started"):
        cluster.start({**_settings(cluster), "shared_buffers": "nonsense"})
    left.unlink()


def _hanging_server(cluster: Cluster) -> Cluster:
    programs = cluster.data.parent / "programs"
    programs.mkdir(mode=0o755)
    (programs / "postgres").write_text(_HANGS)
    (programs / "postgres").chmod(0o755)
    return replace(cluster, tools=replace(cluster.tools, folder=programs))


def test_one_that_never_accepts_connections_is_an_error(cluster: Cluster) -> None:
    hanging = _hanging_server(cluster)
    with pytest.raises(LedgerError, match=r"does not accept connections after 0 s \(process") as failure:
        start_server(hanging.tools, hanging.data, hanging.log, hanging.account, 0)
    found = re.search(r"process (\d+)", failure.value.message)
    assert found
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(found[1]), signal.SIGKILL)


def test_one_whose_log_cannot_be_written_is_an_error(cluster: Cluster) -> None:
    nowhere = cluster.data / "missing" / "server.log"
    with pytest.raises(LedgerError, match="ended while it started"):
        start_server(cluster.tools, cluster.data, nowhere, cluster.account, 60)
    assert cluster.postmaster() is None
