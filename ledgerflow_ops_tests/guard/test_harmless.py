"""Whatever is judged harmless is really run, and nothing that is protected has changed afterwards."""

from hypothesis import HealthCheck, given, settings

from ledgerflow_ops.guard.inside.effects import Effect
from ledgerflow_ops_tests.fakes import image
from ledgerflow_ops_tests.fakes.yard import DATA, Yard
from ledgerflow_ops_tests.guard.conftest import Judged, run
from ledgerflow_ops_tests.guard.lines import wild

NAMES = (
    "ledger-dev_ledger_postgres", "loose", "attic", "plain", "ledger-dev-postgres-1", "db", "olddb", "web",
    "idle", "postgres", "redis", "ledger-dev", image.SYSTEM, f"loose:{DATA}", "plain:/x", f"db:{DATA}",
    "attic:/x:ro", "type=volume,src=loose,dst=/x", "label!=com.ledgerflow.protect", "web:/srv", "olddb:/tmp",
    ".", "backups/kept", "nothing", "backups",
)  # fmt: skip
_FEW = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _words(text: str) -> list[str]:
    return text.replace("IMAGE", image.SYSTEM).replace("DATA", DATA).split(" ")


@_FEW
@given(words=wild(NAMES))
def test_a_wild_command_that_is_let_through_touches_nothing(
    words: list[str], yard: Yard, judged: Judged
) -> None:
    judgement = judged(words)
    if judgement.unknown or judgement.effect != Effect.READS:
        return
    before = yard.content()
    run(yard, words)
    assert yard.content() == before, words
    yard.build()
