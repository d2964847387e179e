"""Two readings of what sessions and programs do: whether anything made progress in between."""

from dataclasses import replace

import pytest

from ledgerflow_ops.core.postgres.session_activity import (
    Activity,
    Blocker,
    LockWait,
    Program,
    Session,
    stalled,
    stopped,
)

_ASLEEP = Session(7, "active", "IPC", "CheckpointDone", ("begun",), ("S", "5", "1"))
_BARRIER = replace(_ASLEEP, event="ProcSignalBarrier")


@pytest.mark.parametrize(
    ("before", "now", "stands"),
    [
        (_ASLEEP, _ASLEEP, True),
        (_ASLEEP, replace(_ASLEEP, process=("S", "6", "1")), False),
        (_BARRIER, replace(_BARRIER, process=("S", "35", "1")), True),
        (_BARRIER, replace(_BARRIER, process=("R", "35", "1")), False),
        (_BARRIER, replace(_BARRIER, marks=("begun later",)), False),
        (_BARRIER, replace(_ASLEEP, process=("S", "35", "1")), False),
    ],
    ids=["asleep", "woken", "woken to wait on", "at work", "another statement", "another wait"],
)
def test_who_wakes_up_only_to_wait_on_does_not_get_on(before: Session, now: Session, stands: bool) -> None:
    """A backend that waits for a stopped one wakes up every five seconds to check, which is no progress."""
    assert (stalled(Activity((before,)), Activity((now,))) is not None) is stands


def test_the_process_that_is_stopped_is_the_one_to_let_go_on() -> None:
    halted = replace(_ASLEEP, pid=9, process=("T", "5", "1"))
    assert stopped(Activity((_ASLEEP, halted))) == 9
    assert stopped(Activity((halted,), (Program(3, "pg_dump", "T", 0.1),))) == 3
    assert stopped(Activity((_ASLEEP,), (Program(3, "pg_dump", "S", 0.1),))) is None


def test_a_prepared_transaction_holds_a_lock_without_a_process() -> None:
    wait = LockWait(7, "public.entry", (Blocker(0, "?", "", "", "", ""),))
    assert wait.sentence == "waiting for a lock on public.entry, held or requested by a prepared transaction"
