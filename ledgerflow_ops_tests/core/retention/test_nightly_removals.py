"""What a rotation would remove, counted in normal nights, and how many plans that takes."""

from datetime import UTC, date, datetime, timedelta

from ledgerflow_ops.core.retention.nightly_removals import Night, count_nightly_removals, nights_of

BEGIN = date(2026, 1, 1)


def night(number: int) -> Night:
    return Night(BEGIN + timedelta(days=number), datetime(2026, 1, 1, 3, tzinfo=UTC) + timedelta(days=number))


def test_a_night_after_missed_days_counts_as_one() -> None:
    nights = [night(number) for number in (0, 1, 2, 6)]
    assert count_nightly_removals(nights, {"a", "b", "c", "d"}, lambda _: set()) == 1
    assert count_nightly_removals(nights, {"a", "b", "c", "d", "e"}, lambda _: set()) == 2
    assert count_nightly_removals(nights, {"a", "b", "c", "d"}, lambda _: {"a"}) == 2


def test_nights_without_missed_days_count_what_they_remove_and_need_no_plan() -> None:
    def no_plan(_: Night) -> set[str]:
        raise AssertionError("a plan was made")

    nights = [night(number) for number in range(5)]
    assert count_nightly_removals(nights, {"a", "b", "c"}, no_plan) == 3
    assert count_nightly_removals(nights[:1], {"a", "b", "c"}, no_plan) == 3


def test_however_many_stretches_of_missed_days_few_plans_are_made() -> None:
    plans: list[Night] = []

    def expired_on(one: Night) -> set[str]:
        plans.append(one)
        return {str(number) for number in range((one.day - BEGIN).days // 2)}

    nights = [night(2 * number) for number in range(2000)]
    gone = {str(number) for number in range(2000)}
    assert count_nightly_removals(nights, gone, expired_on) > 1900
    assert len(plans) < 60


def test_of_a_day_with_several_backups_the_last_one_is_its_night() -> None:
    early, late = night(3), Night(night(3).day, night(3).point + timedelta(hours=9))
    listed = [(late.day, late.point), (early.day, early.point), (night(1).day, night(1).point)]
    assert nights_of(listed) == [night(1), late]
