"""A fresh clone on a bare machine: an empty home, nothing on the path but Python, make and git.

As root below a home that nobody else can enter (so PostgreSQL's account reaches neither the programs nor
the data), and as an ordinary user.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.cluster.server_home import make_server_home
from ledgerflow_ops_tests import needs
from ledgerflow_ops_tests.e2e.bare_machine import Machine, bare_machine, commit_project
from ledgerflow_ops_tests.e2e.commands import processes_using

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def me() -> pwd.struct_passwd:
    return pwd.getpwuid(os.geteuid())


@pytest.fixture
def ordinary(me: pwd.struct_passwd) -> pwd.struct_passwd:
    """A user that is not root: ourselves, or whom root can step down to."""
    return me if me.pw_uid else needs.account("nobody")


@pytest.fixture(scope="module")
def origin(session_root: Path) -> Iterator[Path]:
    """A repository whose one commit is the project as it lies here, with what is not committed yet."""
    folder = session_root / "origin"
    commit_project(folder)
    yield folder
    shutil.rmtree(folder)


def backs_up_twice(machine: Machine) -> None:
    """The first `make backup` sets up and ends with a proven backup; the second does no set-up work."""
    first = machine.make("backup")
    assert first.code == 0, first.all
    assert "set-up: done in" in first.errors
    assert "PROVEN: valid" in first.out
    [dump] = (machine.home / "iCloudLedger" / "backups" / "dev").glob("*.dump")
    assert dump.stat().st_uid == machine.user.pw_uid
    assert dump.stat().st_mode & 0o777 == 0o600

    before = _set_up(machine)
    second = machine.make("backup")
    assert second.code == 0, second.all
    assert "PROVEN: valid" in second.out
    assert "set-up" not in second.all
    assert second.errors == ""
    assert _set_up(machine) == before
    assert machine.make("--question", ".venv/.ready").code == 0

    status = machine.make("-s", "status", "JSON=1").json["environments"]
    assert [len(environment["backups"]) for environment in status] == [2]
    assert machine.make("down").code == 0
    assert processes_using(machine.home) == []
    git = ["git", "-c", "safe.directory=*", "status", "--porcelain"]
    left = subprocess.run(git, cwd=machine.clone, capture_output=True, check=True, text=True)
    assert left.stdout == "", "nothing of it is git's business"


def _set_up(machine: Machine) -> dict[Path, int]:
    """When the environment's parts were last changed."""
    venv = machine.clone / ".venv"
    parts = [venv, venv / ".ready", venv / "bin", *venv.glob("lib/*/site-packages"), venv / ".home.mk"]
    return {part: part.stat().st_mtime_ns for part in parts}


def test_an_ordinary_user_backs_up_from_a_fresh_clone(
    root: Path, origin: Path, ordinary: pwd.struct_passwd
) -> None:
    backs_up_twice(bare_machine(root, origin, ordinary, mode=0o755))


def test_root_backs_up_from_a_fresh_clone_below_a_home_that_nobody_else_enters(
    root: Path, origin: Path, me: pwd.struct_passwd
) -> None:
    needs.root()
    machine = bare_machine(root, origin, me, mode=0o700)
    try:
        backs_up_twice(machine)
        place = make_server_home(machine.state)
        assert not place.root.is_relative_to(machine.home)
        assert (place.root / "embedded" / "PG_VERSION").exists()
        assert list(place.root.glob("postgresql-17*/bin/postgres")), (
            "the account was given programs it reaches"
        )
    finally:
        machine.make("down")
        shutil.rmtree(make_server_home(machine.state).root)
