"""Kills an operation in the middle, in a process of its own: see `fakes/killed.py`.

The process is a fork of one that has loaded everything: loading takes longer than most of the operations.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil

from ledgerflow_ops.places import PROJECT

_MODULE = "ledgerflow_ops_tests.fakes.killed"
_TIMEOUT = 120


def kill_at(what: str, where: str, root: Path, url: str, *listed: str, **variables: str) -> None:
    """Run an operation until it is killed at `where`; AssertionError if it ends in any other way.

    `variables` are added to its environment.
    """
    with NamedTemporaryFile() as output:
        request = {
            "words": [what, where, str(root), url, *listed],
            "environ": {**os.environ, **variables},
            "output": output.name,
        }
        code = _forked(request)
        written = Path(output.name).read_text(errors="replace")
    assert code == -signal.SIGKILL, f"the fault at {where!r} never fired: {code}\n{written}"


def _forked(request: Mapping[str, object]) -> int:
    """The exit code of a fork that carries out the request."""
    server = _server()
    assert server.stdin
    assert server.stdout
    server.stdin.write(f"{json.dumps(request)}\n")
    server.stdin.flush()
    if not select.select([server.stdout], [], [], _TIMEOUT)[0]:
        _end(server)
        raise AssertionError(f"not ended within {_TIMEOUT} s: {request['words']}")
    answer = server.stdout.readline()
    assert answer, f"the process that forks has ended: {server.wait()}"
    return int(answer)


@cache
def _server() -> subprocess.Popen[str]:
    """The process that forks, started when it is first needed; it ends with the tests."""
    server = subprocess.Popen(
        [sys.executable, "-m", _MODULE, "--serve"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    """End it and what it has forked."""
    _server.cache_clear()
    with contextlib.suppress(psutil.NoSuchProcess):
        for fork in psutil.Process(server.pid).children():
            fork.kill()
    server.kill()
    server.wait()
