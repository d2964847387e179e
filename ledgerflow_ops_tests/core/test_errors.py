"""The tree of errors and the exit codes that operators rely on."""

import re
from pathlib import Path

import pytest

from ledgerflow_ops.core.errors import (
    BadBackup,
    Busy,
    CannotJudge,
    CredentialsExpired,
    Denied,
    InUse,
    KeyUnavailable,
    LedgerError,
    Missing,
    Pending,
    Refused,
    SettingsError,
    StorageFull,
    Unanswered,
    UnrestorableSource,
    Unsettled,
)
from ledgerflow_ops.core.hints import Hint

TREE: list[tuple[type[LedgerError], int]] = [
    (LedgerError, 1),
    (Denied, 1),
    (CredentialsExpired, 1),
    (Missing, 1),
    (StorageFull, 1),
    (Unanswered, 1),
    (InUse, 1),
    (Pending, 1),
    (Unsettled, 1),
    (SettingsError, 2),
    (Refused, 3),
    (Busy, 3),
    (BadBackup, 4),
    (UnrestorableSource, 4),
    (CannotJudge, 5),
    (KeyUnavailable, 5),
]


@pytest.mark.parametrize(("kind", "code"), TREE)
def test_every_error_has_its_exit_code_and_tells_what_to_do(kind: type[LedgerError], code: int) -> None:
    error = kind("It broke.", hint=Hint("Mend it."))
    assert error.exit_code == code
    assert (error.message, str(error.hint)) == ("It broke.", "Mend it.")
    assert str(error) == "It broke.\nhint: Mend it."


def test_the_documents_table_of_exit_codes_explains_each_and_no_other() -> None:
    root = Path(__file__).parents[2]
    text = "\n".join(file.read_text() for file in (root / "README.md", *root.glob("docs/*.md")))
    table = text.partition("| code | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| (\d) \| \w", table, re.MULTILINE)) == {"0", *(str(code) for _, code in TREE)}


def test_the_tree_has_no_error_that_this_test_does_not_know() -> None:
    def below(kind: type[LedgerError]) -> set[type[LedgerError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    core = {kind for kind in below(LedgerError) if kind.__module__ == LedgerError.__module__}
    assert core == {kind for kind, _ in TREE}


def test_bad_and_not_judged_are_never_confused() -> None:
    assert not issubclass(CannotJudge, BadBackup)
    assert not issubclass(BadBackup, CannotJudge)
    assert issubclass(Busy, Refused)


def test_only_what_may_be_gone_the_next_time_is_tried_again() -> None:
    passing = {LedgerError, Unanswered, StorageFull, InUse, Unsettled, Busy}
    assert {kind for kind, _ in TREE if kind.may_pass} == passing
