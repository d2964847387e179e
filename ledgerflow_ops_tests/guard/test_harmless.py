"""Whatever is judged harmless is really run, and nothing that is protected has changed afterwards."""

import os
from collections import Counter

from hypothesis import HealthCheck, given, settings

from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops_tests.fakes.docker_sandboxes import DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged, run
from ledgerflow_ops_tests.guard.lines import wild

SEEN: Counter[str] = Counter()
_MANY = int(os.environ.get("LEDGERFLOW_LINES", "200"))
"""How many lines are made. The same ones each time, unless more are asked for."""


@settings(
    max_examples=_MANY, deadline=None, derandomize=_MANY == 200, suppress_health_check=list(HealthCheck)
)
@given(words=wild())
def test_a_wild_command_that_is_let_through_touches_nothing(
    words: list[str], docker_sandbox: DockerSandbox, judged: Judged
) -> None:
    judgement = judged(words)
    if judgement.unknown or judgement.effect != Effect.READS:
        SEEN["refused, or wants a backup"] += 1
        return
    before, nameless = docker_sandbox.content(), docker_sandbox.anonymous()
    code = run(docker_sandbox, words)
    SEEN["done" if code == 0 else "let through, and refused by docker"] += 1
    assert docker_sandbox.content() == before, words
    assert nameless in docker_sandbox.engine.names("volume"), words
    docker_sandbox.build()


def test_enough_of_them_were_really_run() -> None:
    assert not SEEN or (SEEN["done"] >= 30 and SEEN["refused, or wants a backup"] >= 30), SEEN
