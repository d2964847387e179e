"""How hypothesis searches: the same examples each time, or, with `--hypothesis-profile=wild`, many new ones.

A busy machine is no failure: there is no deadline, and making examples slowly is not held against a test.
"""

from collections.abc import Collection

from hypothesis import HealthCheck, settings

STEADY, WILD = "steady", "wild"
_EXAMPLES = 100
_WILD_TIMES = 20


def register() -> None:
    """Make the profiles known and use the steady one, which needs no database of earlier failures."""
    quiet = settings(
        max_examples=_EXAMPLES, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.register_profile(STEADY, quiet, derandomize=True, database=None)
    settings.register_profile(WILD, quiet, max_examples=_EXAMPLES * _WILD_TIMES)
    settings.load_profile(STEADY)


def times(factor: int = _WILD_TIMES) -> int:
    """How many times as much a test tries that draws its own examples: 1, or `factor` with `wild`."""
    return factor if settings.get_current_profile_name() == WILD else 1


def examples(number: int, suppress_health_check: Collection[HealthCheck] = ()) -> settings:
    """What a test is decorated with that wants another number of examples than 100; `wild` multiplies it."""
    suppressed = {HealthCheck.too_slow, *suppress_health_check}
    return settings(max_examples=number * times(), suppress_health_check=suppressed)
