"""What may go and why: examples, and histories made by hypothesis against the promises."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.retention import retention_plan
from ledgerflow_ops.core.retention.retention_plan import (
    BackupCopy,
    RetentionCandidate,
    RetentionPlan,
    RetentionPolicy,
)
from ledgerflow_ops_tests import retention_rules
from ledgerflow_ops_tests.retention_rules import Backup, Rotation, Rules

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WEEK = RetentionPolicy(days=7, share=1)
ALL = RetentionPolicy(days=7, minimum=1, share=1)


def days_ago(days: float, *, proven: bool = True, **fields: object) -> RetentionCandidate:
    """A backup of so many days ago, called by that number."""
    taken = NOW - timedelta(days=days)
    whole = RetentionCandidate(f"{days:g}", taken.date(), taken, proven)
    values = {name: fields.get(name, getattr(whole, name)) for name in RetentionCandidate.__slots__}
    return RetentionCandidate(**values)  # type: ignore[arg-type]


def daily(first: int, last: int = 0) -> list[RetentionCandidate]:
    """One proven backup a day, from `first` days ago to `last`."""
    return [days_ago(days) for days in range(first, last - 1, -1)]


def planned(
    backups: Sequence[RetentionCandidate],
    policy: RetentionPolicy = WEEK,
    now: datetime = NOW,
    past: Sequence[datetime] = (),
) -> RetentionPlan:
    return retention_plan.plan_retention(backups, policy, now, now.date(), past)


def gone(plan: RetentionPlan) -> list[str]:
    return [decision.name for decision in plan.expired]


def reasons(plan: RetentionPlan, name: str) -> tuple[str, ...]:
    [found] = [decision.reasons for decision in plan.decisions if decision.name == name]
    return found


def test_what_is_older_than_the_window_goes_the_oldest_first() -> None:
    plan = planned(daily(10))
    assert gone(plan) == ["10", "9", "8"]
    assert plan.edge == date(2026, 11, 16)
    assert plan.since == NOW
    assert reasons(plan, "8") == (
        "it is older than the window, which begins on 2026-11-16, and nothing else keeps it",
    )
    assert [decision.name for decision in plan.decisions] == [str(days) for days in range(11)]


@pytest.mark.parametrize(("days", "kept"), [(30, 31), (7, 8), (3, 4)])
def test_the_window_is_so_many_days_and_today(days: int, kept: int) -> None:
    plan = planned(daily(60), RetentionPolicy(days=days, share=1))
    assert len(plan.decisions) - len(plan.expired) == kept


def test_the_first_day_of_the_window_is_whole_whatever_the_hour() -> None:
    early = days_ago(7, recovery_point=NOW - timedelta(days=7, hours=11, minutes=59))
    assert gone(planned([*daily(6), early, days_ago(8)])) == ["8"]


def test_no_backup_younger_than_the_window_goes_whatever_its_day_is_called() -> None:
    """Its environment had another time zone when it was taken."""
    renamed = days_ago(7, day=(NOW - timedelta(days=8)).date())
    assert gone(planned([*daily(6), renamed, days_ago(8)])) == ["8"]


def test_every_reason_is_told() -> None:
    plan = planned([days_ago(0, pinned="year-end", in_use="drill by me")])
    assert reasons(plan, "0") == (
        "it is the newest",
        "it is the newest proven one",
        "it is in the window, which begins on 2026-11-16",
        "it is pinned: year-end",
        "it is in use: drill by me",
        "it is among the 2 proven ones that are always kept",
        "only 1 of at least 2 are proven",
    )


class TestArrival:
    def test_without_any_proof_nothing_goes(self) -> None:
        plan = planned([days_ago(days, proven=False) for days in range(40)])
        assert not plan.expired
        assert plan.stalled == "no backup is proven, so none expires"
        assert plan.edge is None

    def test_of_no_backups_there_is_nothing_to_say(self) -> None:
        assert planned([]).decisions == ()

    @pytest.mark.parametrize("later", [timedelta(days=20), timedelta(days=3000)])
    def test_when_nothing_new_arrives_the_window_stands_still(self, later: timedelta) -> None:
        """A schedule that stalls, and a clock years ahead, look the same from here."""
        assert gone(planned(daily(10), now=NOW + later)) == gone(planned(daily(10)))

    def test_what_arrives_and_is_not_proven_does_not_move_the_window(self) -> None:
        unproven = [days_ago(days, proven=False) for days in range(5)]
        assert gone(planned([*unproven, *daily(13, 5)])) == ["13"]
        assert gone(planned([*unproven, *daily(12, 5)])) == []

    def test_one_from_the_future_moves_nothing_counts_for_nothing_and_stays(self) -> None:
        """It was taken while the clock was years ahead, and the clock is right again."""
        ahead = [days_ago(-1000 - days) for days in range(5)]
        plan = planned([*daily(8, 1), *ahead], RetentionPolicy(days=7, minimum=3, share=1))
        assert gone(plan) == []
        assert planned([*daily(8, 1), *ahead]).edge == date(2026, 11, 15)
        assert "it is the newest that is not from the future" in reasons(plan, "1")
        assert any("in the future" in reason for reason in reasons(plan, "-1003"))

    def test_days_that_pass_with_one_from_the_future_do_not_move_the_window_either(self) -> None:
        backups = [*daily(8, 1), days_ago(-1000)]
        assert gone(planned(backups, ALL, now=NOW + timedelta(days=500))) == []

    def test_with_the_clock_before_all_backups_nothing_goes(self) -> None:
        plan = planned(daily(10), now=NOW - timedelta(days=9999))
        assert plan.stalled
        assert not plan.expired

    def test_taken_while_the_clock_was_years_back_it_does_not_count_among_the_later_ones(self) -> None:
        plan = planned([*daily(7), days_ago(9999)], RetentionPolicy(days=7))
        assert gone(plan) == ["9999"]
        assert "nothing was taken between 1999-07-09 and 2026-11-16 (9992 days)" in plan.asks


class TestAsking:
    def test_more_than_the_share_at_once_asks(self) -> None:
        policy = RetentionPolicy(days=7, share=0.34)
        assert not planned(daily(11), policy).asks  # 4 of 12
        assert planned(daily(12), policy).asks == "5 of 13 backups would be removed at once, more than 34%"

    def test_the_share_itself_may_go(self) -> None:
        assert not planned(daily(15), RetentionPolicy(days=7, share=0.5)).asks  # 8 of 16
        assert planned(daily(16), RetentionPolicy(days=7, share=0.5)).asks

    def test_one_backup_years_after_all_others_asks_however_few_would_go(self) -> None:
        backups = [days_ago(3000), *[days_ago(days) for days in (1002, 1001, 1000)], days_ago(0)]
        plan = planned(backups[1:], RetentionPolicy(days=7, minimum=3, share=1))
        assert gone(plan) == ["1002"]
        assert "nothing was taken between 2024-02-27 and 2026-11-23 (1000 days)" in plan.asks
        assert "1 of 4 would expire by it" in plan.asks

    def test_the_second_one_by_that_clock_asks_as_well(self) -> None:
        assert planned([days_ago(1002), days_ago(1001), days_ago(1000), *daily(3)]).asks

    def test_a_pause_of_some_weeks_does_not(self) -> None:
        assert not planned([days_ago(29), days_ago(28), *daily(2)]).asks
        assert planned([days_ago(34), days_ago(33), *daily(2)]).asks

    def test_a_longer_window_has_longer_pauses(self) -> None:
        backups = [days_ago(141), days_ago(140), *daily(85)]
        assert not planned(backups, RetentionPolicy(days=30, share=1)).asks  # 55 days between
        assert (
            planned([days_ago(147), *backups[1:], days_ago(146)], RetentionPolicy(days=30, share=1)).asks
            == ""
        )
        assert planned([days_ago(148), days_ago(147), *daily(86)], RetentionPolicy(days=30, share=1)).asks

    @pytest.mark.parametrize(("keepers", "apart"), [({"monthly": 1}, 62), ({"yearly": 1}, 732)])
    def test_what_keepers_leave_between_them_is_no_tear(self, keepers: dict[str, int], apart: int) -> None:
        def asks(days: int) -> str:
            old = [days_ago(days + 3), days_ago(days + 2)]
            return planned([*old, *daily(2)], RetentionPolicy(days=1, minimum=1, share=1, **keepers)).asks

        assert not asks(apart)
        assert asks(apart + 1)

    def test_those_that_have_gone_before_show_that_time_went_on(self) -> None:
        """A pin of half a year that ends is no reason to ask."""
        backups = [days_ago(180), *daily(7)]
        past = [NOW - timedelta(days=days) for days in range(8, 180)]
        assert planned(backups).asks
        plan = planned(backups, past=past)
        assert gone(plan) == ["180"]
        assert plan.asks == ""

    def test_but_not_those_from_the_future(self) -> None:
        backups = [days_ago(48), days_ago(47), *daily(7)]
        assert planned(backups).asks
        ahead = [NOW + timedelta(days=days) for days in (1, 90)]
        assert planned([days_ago(8), *daily(7)], past=ahead).asks == ""
        assert planned(daily(48, 40), past=[NOW]).asks

    def test_a_tear_below_all_that_goes_is_none(self) -> None:
        assert not planned([days_ago(400, pinned="for good"), days_ago(8), *daily(7)]).asks

    def test_who_has_nothing_to_remove_asks_for_nothing(self) -> None:
        assert planned([days_ago(400), days_ago(0)], RetentionPolicy(days=7, share=0.01)).asks == ""

    def test_two_reasons_are_both_told(self) -> None:
        plan = planned([days_ago(days) for days in (400, 399, 398, 0)], RetentionPolicy(days=7))
        assert "2 of 4 backups would be removed at once" in plan.asks
        assert "nothing was taken between" in plan.asks


class TestKept:
    def test_pins_hold_until_they_end_by_the_windows_own_measure(self) -> None:
        old = [
            days_ago(50, pinned="for good"),
            days_ago(49, pinned="ends later", pinned_until=NOW + timedelta(seconds=1)),
            days_ago(48, pinned="has ended", pinned_until=NOW),
        ]
        plan = planned([*old, *daily(7)])
        assert gone(plan) == ["48"]
        assert "it is pinned until 2026-11-23 12:00 UTC: ends later" in reasons(plan, "49")
        much_later = NOW + timedelta(days=3650)
        assert gone(planned([*old, *daily(7)], now=much_later)) == ["48"], "a clock ends no pin by itself"

    def test_what_is_in_use_stays(self) -> None:
        assert gone(planned([*daily(10, 9), days_ago(8, in_use="a drill"), *daily(7)])) == ["10", "9"]

    def test_one_whose_other_copies_are_all_unproven_stays(self) -> None:
        half, whole = BackupCopy("/archive/dev", proven=False), BackupCopy("/other/dev", proven=True)
        old = [
            days_ago(12, copies=(half,)),
            days_ago(11, copies=(half, whole)),
            days_ago(10, copies=(whole,)),
            days_ago(9, copies=(half, half)),
            days_ago(8.5, copies=(half,), proven=False),
            days_ago(8, copies=(half,), proven=False, bad=True),
        ]
        plan = planned([*old, *daily(7)])
        assert gone(plan) == ["11", "10", "8"]
        assert reasons(plan, "12") == ("its only other copy is not proven: /archive/dev",)

    def test_the_minimum_is_of_proven_ones(self) -> None:
        backups = [*daily(43, 40), *[days_ago(days, proven=False) for days in range(9)], days_ago(19)]
        assert gone(planned(backups, RetentionPolicy(days=7, minimum=3, share=1))) == ["43", "42"]

    def test_below_the_minimum_the_unproven_stay_as_well(self) -> None:
        backups = [days_ago(20, proven=False), days_ago(19), days_ago(0)]
        assert gone(planned(backups, RetentionPolicy(days=7, minimum=2, share=1))) == ["20"]
        plan = planned(backups, RetentionPolicy(days=7, minimum=3, share=1))
        assert gone(plan) == []
        assert reasons(plan, "20") == ("only 2 of at least 3 are proven",)

    def test_those_in_the_cloud_count_last(self) -> None:
        backups = [days_ago(30), days_ago(29), days_ago(9, local=False), days_ago(0, local=False)]
        plan = planned(backups, RetentionPolicy(days=7, minimum=2, share=1))
        assert gone(plan) == ["9"]
        assert gone(planned(backups, RetentionPolicy(days=7, minimum=3, share=1))) == ["9"]
        assert gone(planned(backups, RetentionPolicy(days=7, minimum=4, share=1))) == []

    def test_a_bad_one_stays_in_the_window_and_goes_after_it(self) -> None:
        backups = [days_ago(9, proven=False), days_ago(3, proven=False), days_ago(1), days_ago(0)]
        assert gone(planned(backups)) == ["9"]

    def test_the_newest_stays_though_it_is_older_than_the_window(self) -> None:
        late = days_ago(30, proven=False)
        assert reasons(planned([late]), "30") == ("no backup is proven, so none expires",)
        assert "it is the newest" in reasons(planned([days_ago(50), days_ago(40), late], ALL), "30")

    @pytest.mark.parametrize(
        ("keepers", "kept"),
        [
            ({"weekly": 3}, ["8"]),
            ({"monthly": 3}, ["54", "23"]),
            ({"yearly": 2}, ["327"]),
            ({"weekly": 4, "monthly": 2, "yearly": 2}, ["327", "23", "15", "8"]),
        ],
    )
    def test_keepers_are_the_last_proven_of_their_spans(
        self, keepers: dict[str, int], kept: list[str]
    ) -> None:
        """23 November 2026 is a Monday."""
        plan = planned(daily(400), RetentionPolicy(days=3, minimum=1, share=1, **keepers))
        staying = [decision.name for decision in reversed(plan.decisions) if not decision.expires]
        assert staying == [*kept, "3", "2", "1", "0"]

    def test_a_span_without_a_proven_one_is_not_counted(self) -> None:
        backups = [*daily(100, 54), *[days_ago(days, proven=False) for days in range(53, 23, -1)], *daily(3)]
        plan = planned(backups, RetentionPolicy(days=3, minimum=1, monthly=2, share=1))
        assert "it is the last proven one of its month" in reasons(plan, "54")


moments = st.integers(min_value=-900 * 24, max_value=4000 * 24)


@st.composite
def held(draw: st.DrawFn) -> RetentionCandidate:
    """A backup, mostly of the last weeks, seldom of the future."""
    hours = draw(st.one_of(st.integers(0, 60 * 24), st.integers(0, 60 * 24), moments))
    taken = NOW - timedelta(hours=hours)
    copies = draw(st.lists(st.booleans(), max_size=2)) if draw(st.integers(0, 4)) == 0 else []
    pinned = draw(st.integers(0, 5)) == 0
    return RetentionCandidate(
        name=f"{hours:06d}-{draw(st.integers(0, 3))}",
        day=(taken + timedelta(hours=draw(st.sampled_from([0, 0, 0, -11, 13])))).date(),
        recovery_point=taken,
        proven=(luck := draw(st.integers(0, 7))) > 1,
        bad=luck == 0,
        local=draw(st.integers(0, 3)) > 0,
        pinned="a reason" if pinned else "",
        pinned_until=NOW - timedelta(hours=draw(moments)) if pinned and draw(st.booleans()) else None,
        in_use="a drill" if draw(st.integers(0, 9)) == 0 else "",
        copies=tuple(BackupCopy("/archive", proven) for proven in copies),
    )


policies = st.builds(
    RetentionPolicy,
    days=st.sampled_from([1, 3, 7, 30]),
    minimum=st.integers(1, 4),
    weekly=st.integers(0, 3),
    monthly=st.integers(0, 2),
    yearly=st.integers(0, 2),
    share=st.sampled_from([0.1, 0.34, 1.0]),
)


def seen(one: RetentionCandidate) -> Backup:
    return Backup(
        name=one.name,
        day=one.day,
        taken=one.recovery_point,
        proven=one.proven,
        bad=one.bad,
        local=one.local,
        pinned=bool(one.pinned),
        pin_ends=one.pinned_until,
        busy=bool(one.in_use),
        copies_proven=tuple(copy.proven for copy in one.copies),
    )


@given(
    st.lists(held(), max_size=25, unique_by=lambda one: one.name),
    policies,
    st.sampled_from([0, 0, 0, 1000, -1000, 30, -30]),
    st.lists(moments, max_size=4),
)
def test_whatever_the_history_every_promise_is_kept_and_nothing_stays_without_one(
    backups: list[RetentionCandidate], policy: RetentionPolicy, jump: int, past: list[int]
) -> None:
    now = NOW + timedelta(days=jump)
    earlier = [NOW - timedelta(hours=hours) for hours in past]
    plan = planned(backups, policy, now, earlier)
    assert [decision.name for decision in plan.decisions] == [
        one.name for one in sorted(backups, key=lambda one: (one.recovery_point, one.name), reverse=True)
    ]
    assert all(decision.reasons for decision in plan.decisions)
    if not backups:
        return
    rules = Rules(policy.days, policy.minimum, policy.weekly, policy.monthly, policy.yearly, policy.share)
    asked, carried_out = bool(plan.asks), [] if plan.asks else gone(plan)
    known = [seen(one) for one in backups]
    retention_rules.check_rotation(
        Rotation(known, carried_out, now, now.date(), rules, asked=asked, earlier=earlier)
    )
    retention_rules.check_rotation(
        Rotation(known, gone(plan), now, now.date(), rules, confirmed=True, asked=asked, earlier=earlier)
    )


@given(st.lists(held(), min_size=1, max_size=25, unique_by=lambda one: one.name), policies)
def test_a_plan_carried_out_leaves_nothing_for_a_second_one(
    backups: list[RetentionCandidate], policy: RetentionPolicy
) -> None:
    expired = set(gone(planned(backups, policy)))
    left = [one for one in backups if one.name not in expired]
    assert not planned(left, policy).expired
