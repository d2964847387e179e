"""Progress in a pipe: a line now and then, also of a step that is silent."""

import threading

from ledgerflow_ops.core.presentation.progress_figures import Work
from ledgerflow_ops.progress_display import Lines

PATIENCE = 30


def test_a_silent_step_is_reported_until_it_is_stopped() -> None:
    written, enough = list[str](), threading.Event()

    def write(line: str) -> None:
        written.append(line)
        if len(written) == 3:
            enough.set()

    lines = Lines(write, lambda elapsed: 0.01)
    lines.show(Work("seal"))
    assert enough.wait(PATIENCE)
    lines.stop()
    assert {line.split(" ")[0] for line in written} == {"seal:"}
    known = {thread.name for thread in threading.enumerate()}
    lines.stop()
    lines.show(Work("dump", 5, 10))
    assert {thread.name for thread in threading.enumerate()} != known
    lines.stop()


def test_what_is_done_before_the_first_pause_writes_nothing() -> None:
    written, waits = list[str](), list[float]()

    def pause(elapsed: float) -> float:
        waits.append(elapsed)
        return 3600

    lines = Lines(written.append, pause)
    lines.show(Work("preflight"))
    lines.show(Work("dump", 5, 10))
    lines.stop()
    assert written == []
    assert len(waits) <= 1
