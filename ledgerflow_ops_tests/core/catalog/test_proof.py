"""Proofs: for which files they are valid, and which one replaces which."""

from typing import Any

import pytest

from ledgerflow_ops.core.catalog import data_rules
from ledgerflow_ops.core.catalog.manifest import encode_sealed
from ledgerflow_ops.core.catalog.proof import Proof, Verdict, supersedes
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import passed
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops_tests.core.records import proof

GOOD, BAD, UNJUDGED = Verdict.GOOD, Verdict.BAD, Verdict.UNJUDGED


@pytest.mark.parametrize(
    ("new", "old", "takes_its_place"),
    [
        ((GOOD, Rung.READABLE), None, True),
        ((BAD, Rung.WRITTEN), None, True),
        ((UNJUDGED, Rung.VALID), None, False),
        ((UNJUDGED, Rung.VALID), (BAD, Rung.WRITTEN), False),
        ((UNJUDGED, Rung.VALID), (GOOD, Rung.WRITTEN), False),
        ((GOOD, Rung.READABLE), (GOOD, Rung.READABLE), True),
        ((GOOD, Rung.VALID), (GOOD, Rung.READABLE), True),
        ((GOOD, Rung.READABLE), (GOOD, Rung.VALID), False),
        ((BAD, Rung.WRITTEN), (GOOD, Rung.VALID), True),
        ((BAD, Rung.RESTORED), (BAD, Rung.WRITTEN), True),
        ((GOOD, Rung.READABLE), (BAD, Rung.RESTORED), False),
        ((GOOD, Rung.RESTORED), (BAD, Rung.RESTORED), False),
        ((GOOD, Rung.EQUAL), (BAD, Rung.RESTORED), True),
        ((GOOD, Rung.VALID), (BAD, Rung.EQUAL), True),
    ],
)
def test_a_proof_takes_the_place_of_one_that_proved_less(
    new: tuple[Verdict, Rung], old: tuple[Verdict, Rung] | None, takes_its_place: bool
) -> None:
    earlier = proof(old[1], old[0]) if old else None
    assert supersedes(proof(new[1], new[0]), earlier) is takes_its_place


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"manifest_digest": "0" * 64}])
def test_a_proof_of_other_files_gives_way_to_any_that_judged(changed: dict[str, Any]) -> None:
    other = proof(Rung.VALID, **changed)
    assert supersedes(proof(Rung.HASHED), other)
    assert not supersedes(proof(Rung.VALID, UNJUDGED), other)


def test_a_proof_speaks_of_exactly_its_dump_under_exactly_its_manifest() -> None:
    made = proof()
    assert made.speaks_of("d" * 64, "1" * 64)
    assert not made.speaks_of("d" * 64, "2" * 64)
    assert not made.speaks_of("e" * 64, "1" * 64)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("rung", list(Rung))
def test_a_backup_counts_only_when_a_good_proof_reached_the_top(verdict: Verdict, rung: Rung) -> None:
    assert proof(rung, verdict).proven is (verdict is GOOD and rung is Rung.VALID)


def test_a_proof_comes_back_from_its_file() -> None:
    made = proof(server_version=None, rto_seconds=None)
    assert Proof.decode(made.encode(), "x.proof.json") == made


def test_a_proof_that_was_edited_is_refused() -> None:
    data = proof(Rung.READABLE).encode()
    for edited in (data.replace(b'"rung":4', b'"rung":7'), data[:-1], data + b"\n", b"", b"{}"):
        assert edited != data
        with pytest.raises(BadBackup, match=r"x\.proof\.json"):
            Proof.decode(edited, "x.proof.json")


def test_a_proof_with_fields_not_known_here_is_refused_with_a_hint() -> None:
    fields = proof().model_dump(mode="json")
    for odd in ({**fields, "more": 1}, {**fields, "rung": 8}, {**fields, "verdict": "fine"}):
        with pytest.raises(BadBackup, match="not a proof this version can read") as caught:
            Proof.decode(encode_sealed(odd), "x.proof.json")
        assert "make restore-test" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("All 0 data rules hold.", data_rules.NO_RULES),  # what earlier versions wrote
        (data_rules.held_sentence(0), data_rules.NO_RULES),
        (data_rules.held_sentence(1), "The data rule holds."),
        (data_rules.held_sentence(10), "All 10 data rules hold."),
    ],
)
def test_a_proof_without_data_rules_does_not_say_that_all_of_them_hold(said: str, sentence: str) -> None:
    record = proof().model_copy(update={"checks": (passed("data_rules", said).as_json(),)})
    assert record.rules_sentence == sentence
    assert proof().model_copy(update={"checks": ()}).rules_sentence == ""
