"""An interruption that is raised in a finalizer is not lost: each case runs in a process of its own."""

import subprocess
import sys

import pytest

_FINALIZED = """
import os, signal, sys, time
from ledgerflow_ops.adapters.system.interruptions import redeliver_lost_interruptions

class Terminated(BaseException):
    pass

def terminate(number, frame):
    raise Terminated

class Finalized:
    def __init__(self, number):
        self.number = number
    def __del__(self):
        os.kill(os.getpid(), self.number)  # the handler runs before this method ends

signal.signal(signal.SIGTERM, terminate)
if sys.argv[1] == "redelivered":
    redeliver_lost_interruptions()
    redeliver_lost_interruptions()
try:
    Finalized(getattr(signal, sys.argv[2]))
    time.sleep(float(sys.argv[3]))
    print("lost")
except (Terminated, KeyboardInterrupt) as error:
    print(type(error).__name__)
    time.sleep(0.5)  # a second one would end the process
    print("once")
"""
_FAILING = """
import time
from ledgerflow_ops.adapters.system.interruptions import redeliver_lost_interruptions

class Failing:
    def __init__(self, error):
        self.error = error
    def __del__(self):
        raise self.error

redeliver_lost_interruptions()
Failing(ValueError("a bug"))
Failing(SystemExit(3))
Failing(BaseException("without a handler of SIGTERM"))
time.sleep(0.5)
print("went on")
"""


_OF_A_COMMAND = """
import os, signal, sys, time

import click

from ledgerflow_ops.commands.program import program

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))

@program.command()
def long():
    Finalized()
    time.sleep(60)

program.main(["long"])
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("number", "error"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated")])
def test_an_interruption_in_a_finalizer_is_delivered_again(number: str, error: str) -> None:
    done = run(_FINALIZED, "redelivered", number, "60")
    assert (done.returncode, done.stdout.split()) == (0, [error, "once"]), done.stderr


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_python_itself_drops_it(number: str) -> None:
    """The reason for the module. When this falls, Python has changed and the module can go."""
    done = run(_FINALIZED, "not redelivered", number, "1")
    assert done.stdout.split() == ["lost"]
    assert "Exception ignored in" in done.stderr


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_command_is_ended_by_one_in_a_finalizer(number: str) -> None:
    done = run(_OF_A_COMMAND, number)
    assert done.returncode == 1
    assert "error: Interrupted." in done.stderr
    assert "Nothing incomplete was kept." in done.stderr


def test_other_errors_in_finalizers_are_reported_as_ever() -> None:
    done = run(_FAILING)
    assert (done.returncode, done.stdout) == (0, "went on\n")
    for error in ("ValueError: a bug", "SystemExit: 3", "BaseException: without a handler of SIGTERM"):
        assert error in done.stderr
    assert done.stderr.count("Exception ignored in") == 3
