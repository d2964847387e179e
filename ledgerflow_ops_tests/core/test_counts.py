"""Counts of things in words."""

from ledgerflow_ops.core.counts import count_of


def test_one_is_singular_and_all_others_are_plural() -> None:
    assert [count_of(number, "backup") for number in (0, 1, 2)] == ["0 backups", "1 backup", "2 backups"]
    assert count_of(1, "copy", "copies") == "1 copy"
    assert count_of(1200, "copy", "copies") == "1,200 copies"
