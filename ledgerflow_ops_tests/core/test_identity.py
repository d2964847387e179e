"""Which database an environment is, and when it is refused."""

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import Refused
from ledgerflow_ops.core.identity import Identity, judge

DEV, PROD = Environment.DEV, Environment.PROD
BOOKS = Identity("7300000000000000001", "books")


def test_a_database_nobody_has_is_free_to_be_taken() -> None:
    assert judge(DEV, BOOKS, {}) is False
    assert judge(DEV, BOOKS, {PROD: Identity("7300000000000000001", "other")}) is False
    assert judge(DEV, BOOKS, {PROD: Identity("7300000000000000002", "books")}) is False


def test_the_remembered_database_is_known() -> None:
    assert judge(DEV, BOOKS, {DEV: BOOKS}) is True


@pytest.mark.parametrize("known", [{PROD: BOOKS}, {PROD: BOOKS, DEV: BOOKS}])
def test_another_environments_database_is_refused(known: dict[Environment, Identity]) -> None:
    with pytest.raises(Refused, match="LEDGER_ENV is dev, but its URL leads to prod's") as caught:
        judge(DEV, BOOKS, known)
    assert "LEDGER_DEV_DATABASE_URL" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "found", [Identity("7300000000000000002", "books"), Identity("7300000000000000001", "others")]
)
def test_a_database_that_is_not_the_remembered_one_is_refused(found: Identity) -> None:
    with pytest.raises(Refused, match="dev used to be") as caught:
        judge(DEV, found, {DEV: BOOKS})
    assert str(BOOKS) in caught.value.message
    assert str(found) in caught.value.message
    assert "ACCEPT=1" in caught.value.hint
