"""`make up` and `make down`: the web page and the daemon start once, on loopback, and end altogether."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from ledgerflow_ops.core.progress import UP_STEPS
from ledgerflow_ops_tests.e2e import web
from ledgerflow_ops_tests.e2e.commands import PROGRAM, CommandResult, Shell, processes_using

pytestmark = pytest.mark.e2e


def up(shell: Shell) -> str:
    """Start what does not run; the address."""
    said = shell.ledgerflow("up", "--json")
    assert said.code == 0, said.all
    return str(said.json["address"])


def answers(shell: Shell, address: str) -> bool:
    return "dagster_webserver_version" in web.get(f"{address}/server_info", shell.key()).text


def server(shell: Shell, name: str) -> psutil.Process:
    facts = json.loads((shell.state / "servers" / f"{name}.json").read_text())
    return psutil.Process(int(facts["pid"]))


def family(shell: Shell) -> list[psutil.Process]:
    """The servers, whatever they started, and the embedded PostgreSQL."""
    pid = int((shell.state / "postgres" / "embedded" / "postmaster.pid").read_text().splitlines()[0])
    servers = [server(shell, name) for name in ("webserver", "daemon", "metrics")]
    parents = [*servers, psutil.Process(pid)]
    return [found for parent in parents for found in (parent, *parent.children(recursive=True))]


def listening(process: psutil.Process) -> list[str]:
    """The addresses it takes connections at; none when it has just ended, as PostgreSQL's helpers do."""
    try:
        found = process.net_connections("inet")
    except psutil.NoSuchProcess:
        return []
    return [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]


def words(process: psutil.Process) -> str:
    """Its command line; empty when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [found for found in processes if _runs(found)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def timed(shell: Shell) -> set[str]:
    """The phases whose duration the last successful start has left to the next."""
    return set(json.loads((shell.state / "servers" / "start.json").read_text()))


def test_a_start_that_is_killed_at_any_step_is_finished_by_the_next(dev: Shell) -> None:
    assert dev.ledgerflow("down").code == 0
    for step in UP_STEPS:
        work = ["up", step, str(dev.root), "postgresql://nobody@127.0.0.1:1/none"]
        killed = dev.run([sys.executable, "-m", "ledgerflow_ops_tests.fakes.killed", *work])
        assert killed.code == -signal.SIGKILL, killed.all
    (dev.state / "servers" / "start.json").unlink(missing_ok=True)
    said = dev.at_a_terminal("up")
    assert said.code == 0, said.out
    for step in UP_STEPS:
        assert f"{step} ━" in re.sub(r"\x1b\[[\d;]*m", "", said.out)
    assert " left" not in said.out, "no start has succeeded before"
    [address] = re.findall(r"The web page is at (http://127\.0\.0\.1:\d+)", said.out)
    assert answers(dev, address)
    home = str(dev.state / "dagster")
    daemons = [found for found in psutil.process_iter() if _is_daemon_of(found, home)]
    assert [found.pid for found in daemons] == [server(dev, "daemon").pid]
    assert timed(dev) == {UP_STEPS[-1]}, "the killed starts had started the others"
    assert dev.ledgerflow("down").code == 0
    again = dev.at_a_terminal("up")
    assert (again.code, " left" in again.out) == (0, True), again.out
    assert timed(dev) == set(UP_STEPS)
    assert dev.ledgerflow("down").code == 0


def test_two_starts_at_once_and_another_later_make_one_set_of_servers(dev: Shell) -> None:
    """The shell is not interactive: what it starts with & ignores SIGINT, as under nohup or cron."""
    assert dev.ledgerflow("down").code == 0
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    both = dev.run(["sh", "-c", "ledgerflow up & ledgerflow up & wait"], PATH=path)
    addresses = re.findall(r"The web page is at (http://127\.0\.0\.1:\d+)", both.out)
    assert len(addresses) == 2, both.all
    assert {*addresses, up(dev)} == {addresses[0]}
    assert answers(dev, addresses[0])
    home = str(dev.state / "dagster")
    daemons = [found for found in psutil.process_iter() if _is_daemon_of(found, home)]
    assert [found.pid for found in daemons] == [server(dev, "daemon").pid]
    for name in ("webserver", "daemon"):
        mask = re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{server(dev, name).pid}/status").read_text())
        assert mask, "no such line"
        assert not int(mask[1], 16) & 1 << signal.SIGINT - 1, f"{name} ignores SIGINT, and so SIGTERM as well"


def test_make_prints_the_address_and_how_to_stop(dev: Shell) -> None:
    said = dev.make("up")
    assert said.code == 0, said.all
    assert f"The web page is at {up(dev)}" in said.out
    assert "make down" in said.out
    assert dev.make("-s", "up", "JSON=1").json["address"] == up(dev)


def test_they_listen_on_loopback_only(dev: Shell) -> None:
    up(dev)
    found = [ip for process in family(dev) for ip in listening(process)]
    assert len(found) >= 3, "the web page, the figures and PostgreSQL"
    assert {"127.0.0.1"} <= set(found) <= {"127.0.0.1", "::1"}


def test_no_secret_is_in_their_arguments(dev: Shell) -> None:
    up(dev)
    password = (dev.state / "embedded.password").read_text()
    assert len(password) > 20
    assert not [found for found in family(dev) if password in words(found)]
    for log in (dev.state / "servers").glob("*.log"):
        assert password not in log.read_text(), log


def test_a_web_page_that_was_killed_is_started_again(dev: Shell) -> None:
    first = up(dev)
    daemon, webserver = server(dev, "daemon"), server(dev, "webserver")
    before = dev.key()
    webserver.kill()
    webserver.wait(10)
    second = up(dev)
    assert server(dev, "webserver") != webserver
    assert server(dev, "daemon") == daemon, "the daemon was not touched"
    assert answers(dev, second)
    assert dev.key() != before, "its port was anybody's meanwhile, and open pages send their cookies there"
    assert first.startswith("http://127.0.0.1:")


def test_down_leaves_nothing_running_and_says_so_the_second_time(dev: Shell) -> None:
    up(dev)
    everything = family(dev)
    assert len(everything) > 5
    begun = time.monotonic()
    said = dev.make("down")
    print(f"\ndown took {time.monotonic() - begun:.1f} s")
    assert said.code == 0, said.all
    assert "Stopped: webserver, daemon, metrics, embedded PostgreSQL." in said.out
    assert alive(everything) == []
    assert processes_using(dev.root) == []
    again = dev.make("down")
    assert again.code == 0
    assert "Nothing was running." in again.out
    assert dev.ledgerflow("down", "--json").json == {"stopped": []}


def test_what_was_left_of_a_boot_before_is_not_taken_for_ours(dev: Shell) -> None:
    """The notes name process ids that belong to others by now: this test's own."""
    down: CommandResult = dev.ledgerflow("down")
    assert down.code == 0
    folder = dev.state / "servers"
    for name in ("webserver", "daemon"):
        facts = {"pid": os.getpid(), "started": 1.0, "address": "http://127.0.0.1:1"}
        (folder / f"{name}.json").write_text(json.dumps(facts))
    assert "Nothing was running." in dev.ledgerflow("down").out
    assert psutil.pid_exists(os.getpid())


def _is_daemon_of(process: psutil.Process, home: str) -> bool:
    try:
        words = process.cmdline()
        return "ledgerflow_ops.defs.daemon" in words and (process.environ().get("DAGSTER_HOME") == home)
    except psutil.Error:
        return False
