"""Whole drills in nights: every one before it is due, no night too full, in in few minutes a night."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule.drill_packing import DueDrill, pack_drills, smallest_capacity
from ledgerflow_ops_tests.hypothesis_profiles import examples

drills = st.builds(DueDrill, st.integers(1, 10), st.integers(1, 4))


@examples(200)
@given(st.lists(drills, max_size=14), st.integers(1, 25), st.booleans())
def test_a_packing_keeps_every_night_and_every_due_date(
    due: list[DueDrill], capacity: int, search: bool
) -> None:
    packed = pack_drills(due, capacity, search=search)
    if packed is None:
        return
    assert all(1 <= night <= drill.nights for night, drill in zip(packed, due, strict=True))
    for night in packed:
        there = [drill.seconds for at, drill in zip(packed, due, strict=True) if at == night]
        assert sum(there) <= capacity


@examples(60)
@given(st.lists(drills, max_size=6), st.integers(3, 20))
def test_the_search_finds_a_packing_wherever_there_is_one(due: list[DueDrill], capacity: int) -> None:
    def fits(nights: tuple[int, ...]) -> bool:
        loads = [0.0] * 5
        for night, drill in zip(nights, due, strict=True):
            loads[night] += drill.seconds
        return max(loads) <= capacity

    exists = any(fits(nights) for nights in product(*(range(1, drill.nights + 1) for drill in due)))
    assert (pack_drills(due, capacity, search=True) is not None) == exists


def test_the_search_gives_up() -> None:
    """Forty halves and a bit, in nights with room for one each: there is no way, and too many to try all."""
    due = [DueDrill(51, 39) for _ in range(40)]
    assert pack_drills([*due, *[DueDrill(1, 39) for _ in range(40)]], 110, search=True) is not None
    assert pack_drills(due, 101, search=True) is None


def test_each_drill_is_as_late_as_it_may_be() -> None:
    assert pack_drills([DueDrill(5, 3), DueDrill(5, 3), DueDrill(4, 2)], 9) == [3, 2, 2]


@examples(100)
@given(st.lists(st.integers(60, 6000), min_size=1, max_size=7), st.integers(1, 4))
def test_the_capacity_is_within_a_third_of_the_best(seconds: list[int], nights: int) -> None:
    """13/11 is what is proven of MULTIFIT with enough rounds; whole minutes come on top."""
    best = min(
        max(
            sum(one for one, at in zip(seconds, placed, strict=True) if at == night)
            for night in range(nights)
        )
        for placed in product(range(nights), repeat=len(seconds))
    )
    assert best / 60 <= smallest_capacity(seconds, nights) <= best / 60 * 13 / 11 + 1
