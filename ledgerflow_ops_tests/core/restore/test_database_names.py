"""The names of sibling databases, and the comments that identify them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerflow_ops.core.restore.database_names import (
    DatabaseMark,
    DatabaseRole,
    SiblingDatabase,
    is_restoring_name,
    new_id,
    previous_databases,
    sibling_name,
    unfinished_restores,
)

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
ID = "20261123_101500_ab12"


def mark(**fields: object) -> DatabaseMark:
    known = {
        "environment": "dev",
        "database": "books",
        "role": DatabaseRole.BEFORE,
        "id": ID,
        "at": NOW,
        "file": "a.dump",
    }
    return DatabaseMark(**{**known, **fields})  # type: ignore[arg-type]


@given(st.text(min_size=1, max_size=63), st.sampled_from(DatabaseRole))
def test_a_name_fits_keeps_its_ending_and_is_known_again(database: str, role: DatabaseRole) -> None:
    name = sibling_name(database, role, ID)
    assert len(name.encode()) <= 63
    assert name.endswith(f"__{role}_{ID}")
    assert database.startswith(name.removesuffix(f"__{role}_{ID}"))
    if role is DatabaseRole.RESTORING:
        assert is_restoring_name(name, database)


def test_ids_tell_their_instant() -> None:
    assert new_id(NOW, "ab12") == ID


@pytest.mark.parametrize(
    "name",
    ["books", "books__restoring_", f"books__before_{ID}", f"other__restoring_{ID}", f"__restoring_{ID}",
     f"books__restoring_{ID}x", "books__restoring_2026_1_ab12"],
)  # fmt: skip
def test_other_names_are_nobodys(name: str) -> None:
    assert not is_restoring_name(name, "books")


@given(st.text(), st.text(), st.none() | st.text())
def test_a_mark_is_read_as_it_was_written(database: str, file: str, comment: str | None) -> None:
    written = mark(database=database, file=file, comment=comment)
    assert DatabaseMark.decode(written.encode()) == written


@pytest.mark.parametrize(
    "text", [None, "", "the books", "{}", '{"ledgerflow_ops": 1}', '{"ledgerflow_ops": {"role": "x"}}']
)
def test_other_comments_are_no_marks(text: str | None) -> None:
    assert DatabaseMark.decode(text) is None


def test_only_what_belongs_to_this_environments_database_counts_the_last_first() -> None:
    earlier = datetime(2026, 11, 22, tzinfo=UTC)
    found = [
        SiblingDatabase("old", mark(at=earlier), 1),
        SiblingDatabase("new", mark(), 1),
        SiblingDatabase("theirs", mark(environment="prod"), 1),
        SiblingDatabase("another", mark(database="ledger"), 1),
        SiblingDatabase("half", mark(role=DatabaseRole.RESTORING), 1),
    ]
    assert [one.name for one in previous_databases(found, "dev", "books")] == ["new", "old"]
    assert [one.name for one in unfinished_restores(found, "dev", "books")] == ["half"]
