"""Which past runs go, whatever the history looks like."""

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.retention.run_retention import plan_cleanup

RUNS = st.lists(st.uuids().map(str), unique=True, max_size=30)


@given(ended=RUNS, unended=RUNS, data=st.data(), limit=st.integers(0, 40))
def test_what_is_shown_stays_and_the_oldest_of_the_rest_goes(
    ended: list[str], unended: list[str], data: st.DataObject, limit: int
) -> None:
    shown = data.draw(st.sets(st.sampled_from(ended))) if ended else set()
    plan = plan_cleanup(ended, unended, shown, limit)
    rest = [run for run in ended if run not in shown]
    assert list(plan.remove) == rest[: len(plan.remove)], "the oldest first, and nothing that is shown"
    assert len(plan.remove) == min(limit, len(rest))
    assert plan.shown + plan.waiting + len(plan.remove) == len(ended)
    assert plan.shown == len(shown)
    assert list(plan.close) == unended[:limit]


@given(ended=RUNS, limit=st.integers(1, 7))
def test_time_after_time_all_of_it_goes(ended: list[str], limit: int) -> None:
    left, shown = list(ended), set(ended[::3])
    for _ in range(30):
        plan = plan_cleanup(left, [], shown, limit)
        left = [run for run in left if run not in plan.remove]
    assert set(left) == shown
