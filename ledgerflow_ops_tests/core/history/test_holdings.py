"""What the history says of a backup, entry by entry, and where a chain is wrong. Nothing is signed here."""

from datetime import timedelta

import pytest

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.history.chain import compare_copy, read_chain
from ledgerflow_ops.core.history.entry import Entry, Kind, Line, Statement, next_entry
from ledgerflow_ops.core.history.holdings import Observed, contradictions, holdings, states
from ledgerflow_ops_tests.core.records import NOON

FILE = "ledgerflow_dev_20261123_120000.dump"
STEM = FILE.removesuffix(".dump")
BACKUP = Statement(kind=Kind.BACKUP, file=FILE, manifest="m1", dump="d1")
PROOF = Statement(kind=Kind.PROOF, file=FILE, proof="p1")
SEEN = Observed("m1", "p1", frozenset({FILE}))


def chain(*statements: Statement) -> list[str]:
    """The statements as lines of a history whose signatures say whose they are."""
    lines, last = list[str](), None
    for number, statement in enumerate(statements):
        entry = next_entry(statement, last, Environment.DEV, NOON + timedelta(minutes=number))
        last = Line(entry.encode(), "ours")
        lines.append(last.encode())
    return lines


def ours(_text: str, _comment: str, signature: str) -> bool:
    return signature == "ours"


def entries(*statements: Statement) -> list[Entry]:
    read, fault = read_chain(chain(*statements), Environment.DEV, ours)
    assert fault is None
    return read


def found(seen: Observed | None, *statements: Statement) -> list[tuple[int, str]]:
    held = holdings(entries(*statements))
    observed = {STEM: seen} if seen else {}
    return [(fault.n, fault.kind) for fault in contradictions([held], observed, len(statements))]


def of(kind: Kind, **fields: str) -> Statement:
    return Statement(kind=kind, file=FILE, **fields)


@pytest.mark.parametrize(
    ("then", "seen", "expected"),
    [
        ((), SEEN, []),
        ((), None, [(1, "removed")]),
        ((of(Kind.ROTATION),), None, []),
        ((of(Kind.ROTATION),), SEEN, []),
        ((of(Kind.QUARANTINE),), None, []),
        ((of(Kind.QUARANTINE), of(Kind.UNDO)), None, [(1, "removed")]),
        ((of(Kind.ROTATION),), Observed("other"), [(1, "manifest")]),
        ((of(Kind.PROOF, proof="p2"),), SEEN, [(3, "proof")]),
        ((of(Kind.REPAIR, manifest="m1", dump="d1", proof="p1"),), SEEN, []),
        ((of(Kind.REKEY, manifest="m2", dump="d2"),), Observed("m2", "", frozenset({FILE})), []),
        ((of(Kind.REKEY, manifest="m2", dump="d2"),), SEEN, [(3, "manifest")]),
        ((of(Kind.ACCEPTED),), None, []),
        ((of(Kind.ACCEPTED, manifest="m3", dump="d3"),), Observed("m3", "", frozenset({FILE})), []),
        ((), Observed("", unread=True), []),
        ((), Observed("m1", "p1"), [(1, "dump")]),
        ((), Observed("m1", "p1", frozenset({FILE}), dump="d2"), [(1, "dump")]),
        ((), Observed("m1", "", frozenset({FILE})), [(2, "proof")]),
    ],
)
def test_what_contradicts_a_backup_and_its_proof(
    then: tuple[Statement, ...], seen: Observed | None, expected: list[tuple[int, str]]
) -> None:
    assert found(seen, BACKUP, PROOF, *then) == expected


def test_what_is_said_already() -> None:
    held = holdings(entries(BACKUP, PROOF))
    assert states(held, BACKUP)
    assert states(held, PROOF)
    assert not states(held, of(Kind.BACKUP, manifest="m2"))
    assert not states(held, of(Kind.PROOF, proof="p2"))
    assert not states({}, BACKUP)


def test_a_backup_from_before_says_nothing_against_who_made_it() -> None:
    """Another installation's history commits m1; ours began when m2 was there."""
    theirs, mine = holdings(entries(BACKUP)), holdings(entries(of(Kind.EARLIER, manifest="m2", dump="d2")))
    seen = {STEM: Observed("m2", "", frozenset({FILE}))}
    assert [fault.kind for fault in contradictions([mine, theirs], seen, 1)] == ["manifest"]
    assert contradictions([mine], seen, 1) == []


@pytest.mark.parametrize("wrong", ["{", "[]", '{"entry":"{}","minisig":""}', '{"entry":1,"minisig":""}', ""])
def test_what_is_no_entry_is_named(wrong: str) -> None:
    lines = chain(BACKUP, PROOF, of(Kind.ROTATION))
    read, fault = read_chain([lines[0], wrong, lines[2]], Environment.DEV, ours)
    assert fault
    assert (len(read), fault.n, fault.kind) == (1, 2, "edited")


def test_an_entry_of_another_environment_or_another_key_is_named() -> None:
    lines = chain(BACKUP, PROOF)
    _, fault = read_chain(lines, Environment.PROD, ours)
    assert fault
    assert (fault.n, "from the history of dev" in fault.message) == (1, True)
    _, fault = read_chain(lines, Environment.DEV, lambda *_: False)
    assert fault
    assert (fault.n, fault.kind) == (1, "signature")


def test_copies_are_beginnings_of_the_history() -> None:
    lines = chain(BACKUP, PROOF, of(Kind.ROTATION))
    assert compare_copy(lines, lines, 3, "there") is None
    assert compare_copy(lines, lines[:1], 1, "there") is None
    cut = compare_copy(lines, lines[:1], 2, "there")
    assert cut
    assert (cut.n, cut.kind) == (2, "rolled back")


def test_a_signed_entry_of_another_course_of_events_is_named() -> None:
    """Both are ours: an entry that was written after another beginning does not follow this one."""
    lines, others = chain(BACKUP, PROOF), chain(of(Kind.EARLIER, manifest="m2"), PROOF)
    _, fault = read_chain([lines[0], others[1]], Environment.DEV, ours)
    assert fault
    assert (fault.n, fault.kind, "does not follow" in fault.message) == (2, "order", True)
