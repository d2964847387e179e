"""The ladder of proof."""

import pytest

from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung


def test_the_ladder_has_its_seven_rungs_in_order() -> None:
    words = [rung.word for rung in sorted(Rung)]
    assert words == ["written", "hashed", "decrypted", "readable", "restored", "equal", "valid"]


def test_only_the_top_counts() -> None:
    assert max(Rung) is PROVEN


@pytest.mark.parametrize("rung", list(Rung))
def test_a_rung_comes_back_from_its_word(rung: Rung) -> None:
    assert Rung.parse(rung.word) is rung


@pytest.mark.parametrize("word", ["", "proven", "valid ", "7"])
def test_no_other_word_is_a_rung(word: str) -> None:
    with pytest.raises(KeyError):
        Rung.parse(word)
