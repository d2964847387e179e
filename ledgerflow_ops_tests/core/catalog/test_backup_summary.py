"""The short form of a backup, and what is computed from several."""

from dataclasses import replace
from datetime import timedelta

from ledgerflow_ops.core.catalog.backup_summary import recent_sizes, summarize
from ledgerflow_ops.core.catalog.proof import Verdict
from ledgerflow_ops_tests.core.records import NOON, entry, proof

DAY = timedelta(days=1)


def test_recent_sizes_are_those_of_earlier_backups_without_the_bad() -> None:
    entries = [entry(NOON - day * DAY) for day in range(20)]
    entries[2] = entry(NOON - 2 * DAY, proof(verdict=Verdict.BAD))
    entries[3] = entry(NOON - 3 * DAY, problem="cut")
    entries[4] = entry(NOON - 4 * DAY, committed=False)
    summaries = [summarize(each) for each in entries]
    backups = [replace(backup, size=1000 + day) for day, backup in enumerate(summaries) if backup]
    assert recent_sizes(backups, NOON) == [1001, *range(1005, 1018)]
    assert recent_sizes(backups, NOON, limit=2) == [1001, 1005]
