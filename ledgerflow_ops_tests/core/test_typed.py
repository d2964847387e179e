"""A hint's commands can be typed as they stand."""

import pytest

from ledgerflow_ops.core.typed import typed, typed_all


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        ("Prove it: make restore-test FILE=a.dump", "Prove it: LEDGER_ENV=dev make restore-test FILE=a.dump"),
        ("make status lists the backups.", "LEDGER_ENV=dev make status lists the backups."),
        ("Take another: make backup.", "Take another: LEDGER_ENV=dev make backup."),
        ("If it is right: CONFIRM=dev make rotate", "If it is right: LEDGER_ENV=dev CONFIRM=dev make rotate"),
        ("make pin; make unpin FILE=…", "LEDGER_ENV=dev make pin; LEDGER_ENV=dev make unpin FILE=…"),
    ],
)
def test_a_command_on_one_environment_says_which(hint: str, found: str) -> None:
    assert typed(hint, "dev") == found
    assert typed(found, "prod") == found, "it says so already"
    assert typed(hint, "") == hint


@pytest.mark.parametrize(
    "hint",
    [
        'REASON="year-end closing" LEDGER_ENV=prod make pin FILE=latest',
        "LEDGER_ENV=prod CONFIRM=prod make restore FILE=latest",
        "LEDGER_ENV=dev|test|prod make status lists an environment's backups.",
        "make doctor tries every connection; make down; make help; make report; make backup-all",
    ],
)
def test_what_needs_none_or_has_one_stays_as_it_is(hint: str) -> None:
    assert typed(hint, "dev") == hint


def test_an_object_that_names_its_environment_has_its_own() -> None:
    found = typed_all(
        {"days": [{"hint": "make backup"}, {"environment": "prod", "hint": "make backup"}]}, "dev"
    )
    assert [one["hint"] for one in found["days"]] == [
        "LEDGER_ENV=dev make backup",
        "LEDGER_ENV=prod make backup",
    ]
    assert typed_all({"environment": None, "hint": "make backup"}, "") == {
        "environment": None,
        "hint": "make backup",
    }
