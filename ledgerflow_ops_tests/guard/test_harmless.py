"""Commands judged harmless are really run, and no protected data changes."""

from collections import Counter

from hypothesis import HealthCheck, given

from ledgerflow_ops.guard.effects import Effect
from ledgerflow_ops_tests.fakes.docker_sandboxes import DockerSandbox
from ledgerflow_ops_tests.guard.conftest import Judged, run
from ledgerflow_ops_tests.guard.lines import wild
from ledgerflow_ops_tests.hypothesis_profiles import examples

SEEN: Counter[str] = Counter()


@examples(200, suppress_health_check=list(HealthCheck))
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
