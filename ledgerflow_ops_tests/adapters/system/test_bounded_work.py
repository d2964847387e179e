"""Work that may hang is waited for as long as it makes progress, and carries on nothing afterwards."""

import signal
import threading
from functools import partial

import pytest

from ledgerflow_ops.adapters.system.bounded_work import Heartbeat, run_bounded
from ledgerflow_ops.core.errors import BadBackup, Unanswered
from ledgerflow_ops.core.hints import Hint


def test_its_result_and_its_error_are_the_callers() -> None:
    assert run_bounded("The disk", lambda heartbeat: 7, 10) == 7

    def fail(_heartbeat: Heartbeat) -> None:
        raise BadBackup("bad", hint=Hint("x"))

    with pytest.raises(BadBackup, match="bad"):
        run_bounded("The disk", fail, 10)


def test_work_without_progress_is_given_up_and_ends_at_its_next_heartbeat() -> None:
    release, went_on, ended = threading.Event(), list[str](), threading.Event()

    def hang(heartbeat: Heartbeat) -> None:
        try:
            release.wait()
            heartbeat()
            went_on.append("it")
        finally:
            ended.set()

    threading.Timer(0.5, release.set).start()
    with pytest.raises(Unanswered, match=r"The disk has made no progress for 0\.1 seconds\.") as error:
        run_bounded("The disk", hang, 0.1)
    assert "It is tried again with the next copy." in error.value.hint
    assert ended.wait(30)
    assert not went_on


def test_progress_keeps_it_alive() -> None:
    step = threading.Event()

    def slow(heartbeat: Heartbeat) -> str:
        for _ in range(6):
            step.wait(0.2)
            heartbeat()
        return "done"

    assert run_bounded("The disk", slow, 0.8) == "done"


def test_an_interruption_gives_it_up() -> None:
    seen = threading.Event()

    def work(heartbeat: Heartbeat) -> None:
        try:
            while True:
                threading.Event().wait(0.01)
                heartbeat()
        finally:
            seen.set()

    interrupt = partial(signal.pthread_kill, threading.main_thread().ident or 0, signal.SIGINT)
    threading.Timer(0.2, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_bounded("The disk", work, 60)
    assert seen.wait(30)
