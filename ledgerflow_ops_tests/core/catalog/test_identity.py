"""Which database an environment is, and when it is refused."""

import pytest

from ledgerflow_ops.core.catalog.identity import (
    Identity,
    Observation,
    is_remembered,
    merge_observation,
    require_unchanged,
    with_oids,
)
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused

DEV, PROD = Environment.DEV, Environment.PROD
BOOKS = Identity("7300000000000000001", "books")


def test_a_database_nobody_has_is_free_to_be_taken() -> None:
    assert is_remembered(DEV, BOOKS, {}) is False
    assert is_remembered(DEV, BOOKS, {PROD: Identity("7300000000000000001", "other")}) is False
    assert is_remembered(DEV, BOOKS, {PROD: Identity("7300000000000000002", "books")}) is False


def test_the_remembered_database_is_known() -> None:
    assert is_remembered(DEV, BOOKS, {DEV: BOOKS}) is True


@pytest.mark.parametrize("known", [{PROD: BOOKS}, {PROD: BOOKS, DEV: BOOKS}])
def test_another_environments_database_is_refused(known: dict[Environment, Identity]) -> None:
    with pytest.raises(Refused, match="LEDGER_ENV is dev, but its URL leads to prod's") as caught:
        is_remembered(DEV, BOOKS, known)
    assert "LEDGER_DEV_DATABASE_URL" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "found", [Identity("7300000000000000002", "books"), Identity("7300000000000000001", "others")]
)
def test_a_database_that_is_not_the_remembered_one_is_refused(found: Identity) -> None:
    with pytest.raises(Refused, match="dev used to be") as caught:
        is_remembered(DEV, found, {DEV: BOOKS})
    assert str(BOOKS) in caught.value.message
    assert str(found) in caught.value.message
    assert "ACCEPT=1" in caught.value.hint


THEN = Observation(("db1:5432", "db2:5432"), (16384, 20000), 3, "0/5000000")


@pytest.mark.parametrize(
    "now",
    [
        THEN,
        Observation(("db2:5432",), (20000,), 3, "0/5000000"),
        Observation(("db1:5432",), (16384,), 3, "1/0"),  # compared as numbers, not as text
        Observation(("db3:5432", "db1:5432"), (16384,), 3, "0/5000001"),  # the URL names the old one as well
        Observation(("db1:5432",), (16384,), 4, "0/5000000"),  # a failover that lost nothing
        Observation(("db1:5432",), (16384,), None, "0/4000000", standby=True),  # it lags
        Observation(("db1:5432",)),
        Observation(),
    ],
)
def test_what_may_change_in_the_same_database_asks_nothing(now: Observation) -> None:
    require_unchanged(DEV, Identity("1", "books", now), Identity("1", "books", THEN))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Observation(("db3:5432",), (16384,), 3, "0/6000000"), "it was at db1:5432, and is at db3:5432"),
        (Observation(("db1:5433",), (16384,), 3, "0/6000000"), "it was at db1:5432, and is at db1:5433"),
        (Observation(("db1:5432",), (30000,), 3, "0/6000000"), "its OID was 16384, and is 30000"),
        (Observation(("db1:5432",), (16384,), 2, "0/6000000"), "was on timeline 3, and is on 2"),
        (
            Observation(("db1:5432",), (16384,), 3, "0/4FFFFFF"),
            "is at LSN 0/4FFFFFF, before the 0/5000000",
        ),
        (
            Observation(("db1:5432",), (16384,), 4, "0/4FFFFFF"),
            "is at LSN 0/4FFFFFF",
        ),  # recovered to before
        (Observation(("db3:5432",), (), None, "0/1", standby=True), "it was at db1:5432"),
    ],
)
def test_what_a_clone_or_an_older_copy_would_show_is_asked_about(now: Observation, told: str) -> None:
    with pytest.raises(Refused, match="is not as it was at the last backup") as caught:
        require_unchanged(DEV, Identity("1", "books", now), Identity("1", "books", THEN))
    assert told in caught.value.message
    assert f"Then: {THEN}. Now: {now}." in caught.value.message
    assert "LEDGER_ENV=dev make identity ACCEPT=1" in caught.value.hint


def test_what_nobody_has_seen_is_not_compared() -> None:
    require_unchanged(DEV, BOOKS, Identity(BOOKS.system_identifier, "books", THEN))
    require_unchanged(DEV, Identity(BOOKS.system_identifier, "books", THEN), BOOKS)
    assert Identity("1", "books", THEN) == Identity("1", "books")


def test_the_oids_of_restores_stay_known_until_the_database_is_another_one() -> None:
    before = with_oids(Identity("1", "books", THEN), (30000,))
    assert before.seen is not None
    assert before.seen.oids == (16384, 20000, 30000)
    now = Identity("1", "books", Observation(("db9:1",), (30000,), 3, "0/7000000"))
    after = merge_observation(now, before)
    assert after.seen is not None
    assert (after.seen.oids, after.seen.addresses) == ((30000, 16384, 20000), ("db9:1",))
    assert merge_observation(Identity("1", "books"), before).seen == before.seen
    other = Identity("2", "books", now.seen)
    assert merge_observation(other, before).seen == now.seen
    assert merge_observation(now, None).seen == merge_observation(now, BOOKS).seen == now.seen
    assert with_oids(BOOKS, (1,)) == BOOKS
