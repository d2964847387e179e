"""Drills are packed into nights: what fits is found, and what is found fits."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.schedule.drill_packing import DueDrill, pack_drills


def fits(drills: list[DueDrill], nights: tuple[int, ...] | list[int], capacity: float) -> bool:
    """Whether each drill is in one of its nights, and none of these is above the capacity."""
    load: dict[int, float] = {}
    for drill, night in zip(drills, nights, strict=True):
        load[night] = load.get(night, 0) + drill.seconds
    in_time = all(1 <= night <= drill.nights for drill, night in zip(drills, nights, strict=True))
    return in_time and max(load.values(), default=0) <= capacity


def test_the_search_finds_what_both_orders_miss() -> None:
    """90 and 10 have to be in the first night: both orders put 40 or 60 with the wrong one."""
    drills = [DueDrill(90, 2), DueDrill(40, 2), DueDrill(60, 2), DueDrill(10, 1)]
    assert pack_drills(drills, 100) is None
    assert pack_drills(drills, 100, search=True) == [1, 2, 2, 1]


def test_where_the_sum_would_fit_and_no_whole_drill_does_there_is_none() -> None:
    drills = [DueDrill(60, 2)] * 3
    assert pack_drills(drills, 100, search=True) is None
    assert pack_drills(drills, 120, search=True) == [2, 2, 1]


def test_nothing_needs_no_night() -> None:
    assert not pack_drills([], 60)


@given(
    st.lists(st.builds(DueDrill, st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=5),
    st.integers(5, 15),
)
def test_of_few_drills_it_finds_a_packing_if_there_is_one(drills: list[DueDrill], capacity: int) -> None:
    """All placements are tried, in another way than the search's."""
    there = any(fits(drills, nights, capacity) for nights in product((1, 2, 3), repeat=len(drills)))
    found = pack_drills(drills, capacity, search=True)
    assert (found is not None) == there
    assert found is None or fits(drills, found, capacity)
    quick = pack_drills(drills, capacity)
    assert quick is None or fits(drills, quick, capacity)
