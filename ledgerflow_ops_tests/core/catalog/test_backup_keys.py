"""Which key opens how many backups, by their manifests."""

from dataclasses import replace

from ledgerflow_ops.core.catalog import index
from ledgerflow_ops.core.catalog.backup_keys import Opening, key_coverage, short_recipient, worst_opening
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, list_dump
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.index import IndexRecord
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops_tests.core import records

FIRST = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
SECOND = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjM4A1xj anna@office"


def entry(number: int, *recipients: str) -> CatalogEntry:
    manifest = records.manifest(recipients=recipients or None)
    name = BackupName(f"{number}", encrypted=bool(recipients))
    return CatalogEntry(Environment.PROD, name, 1, manifest, None, True, "", False)


def summary(number: int, *recipients: str) -> BackupSummary:
    made = list_dump(entry(number, *recipients), manifest=True).summary
    assert made
    return made


def test_each_key_is_counted_and_what_no_present_one_opens_is_named() -> None:
    backups = [summary(1), summary(2, FIRST), summary(3, FIRST, SECOND), summary(4, SECOND)]
    found = key_coverage(backups, [SECOND, SSH])
    assert (found.encrypted, found.present, found.former) == (3, {SECOND: 2, SSH: 0}, {FIRST: 2})
    assert found.unopened == ("2.dump.age",)
    assert found.sentence == (
        "3 encrypted backups: age1lggy…fafg opens 2, anna@office opens 0, "
        "age1ql3z…ac8p (no recipient any more) opens 2"
    )
    assert found.warning == "no present recipient opens 2.dump.age"
    many = key_coverage([summary(number, FIRST) for number in range(5)], [])
    assert many.warning == "no present recipient opens 0.dump.age, 1.dump.age, 2.dump.age and 2 more"


def test_without_encryption_there_is_nothing_to_say() -> None:
    assert not key_coverage([summary(1)], [])
    assert key_coverage([], [FIRST])
    assert key_coverage([summary(1, FIRST)], [])
    assert key_coverage([summary(1, FIRST)], [FIRST]).warning == ""


def test_a_backup_opens_as_its_worst_file_does() -> None:
    assert worst_opening({}) == ("", Opening.PLAIN)
    files = {"a": Opening.OPENS, "b": Opening.OTHER_KEY, "c": Opening.UNREAD}
    assert worst_opening(files) == ("b", Opening.OTHER_KEY)
    assert worst_opening({**files, "d": Opening.DAMAGED}) == ("d", Opening.DAMAGED)
    assert worst_opening({"a": Opening.OPENS, "c": Opening.UNREAD}) == ("c", Opening.UNREAD)


def test_a_key_of_ssh_is_named_by_its_comment() -> None:
    assert short_recipient(SSH) == "anna@office"
    assert short_recipient(SSH.rpartition(" ")[0]) == "ssh-ed25519 …IGjM4A1xj"[:13] + SSH.split()[1][-8:]
    assert short_recipient(FIRST) == "age1ql3z…ac8p"


def test_the_index_keeps_the_recipients() -> None:
    dumps = [list_dump(entry(1, FIRST, SECOND), manifest=True), list_dump(entry(2), manifest=True)]
    kept = [IndexRecord(f"mark {place}", (), dump) for place, dump in enumerate(dumps)]
    data = index.encode(kept, code="c", folder="f")
    decoded = index.decode(data, Environment.PROD, code="c", folder="f")
    assert [record.listed for record in decoded.values()] == dumps
    assert data.count(FIRST.encode()) == 1
    more = index.encode(
        [*kept, *(replace(kept[0], mark=str(place)) for place in range(9))], code="c", folder="f"
    )
    assert more.count(FIRST.encode()) == 1, "they are written once, however many backups have them"
