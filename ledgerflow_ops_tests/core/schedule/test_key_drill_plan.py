"""The backup that the key-survival drill restores: each in turn."""

from datetime import datetime, timedelta

from ledgerflow_ops.core.schedule.key_drill_plan import KeyDrillCandidate, choose_backup
from ledgerflow_ops_tests.builders import NOON

DAY = timedelta(days=1)


def candidate(number: int, obstacle: str = "") -> KeyDrillCandidate:
    """The backup of so many days ago."""
    return KeyDrillCandidate(f"{number}.dump.age", NOON - number * DAY, obstacle)


def test_the_oldest_that_was_never_restored_comes_first() -> None:
    backups = [candidate(1), candidate(3), candidate(2)]
    chosen = choose_backup(backups, {"3.dump.age": NOON - DAY}, NOON)
    assert chosen.file == "2.dump.age"
    assert chosen.reason == "the oldest that was never restored with the escrowed identity"


def test_then_the_one_that_was_restored_longest_ago() -> None:
    restores = {"1.dump.age": NOON - 20 * DAY, "2.dump.age": NOON - 6 * DAY, "gone.dump.age": NOON - 90 * DAY}
    chosen = choose_backup([candidate(1), candidate(2)], restores, NOON)
    assert chosen.file == "1.dump.age"
    assert chosen.reason == "it was restored with the escrowed identity 20 d ago, longest of all"


def test_every_backup_has_its_turn() -> None:
    backups, restores = [candidate(number) for number in range(5)], dict[str, datetime]()
    order = []
    for week in range(10):
        now = NOON + week * 7 * DAY
        file = choose_backup(backups, restores, now).file
        restores[file] = now
        order.append(file)
    assert order[:5] == [f"{number}.dump.age" for number in (4, 3, 2, 1, 0)]
    assert order[5:] == order[:5]


def test_what_cannot_be_restored_is_left_out_with_its_reason() -> None:
    backups = [candidate(2, "other key"), candidate(1)]
    assert choose_backup(backups, {}, NOON).file == "1.dump.age"
    none = choose_backup([candidate(2, "other key"), candidate(1, "it is bad")], {}, NOON)
    assert (none.file, none.reason) == ("", "2.dump.age: other key, and 1 more")
    assert choose_backup([], {}, NOON).reason == "there is no backup"
