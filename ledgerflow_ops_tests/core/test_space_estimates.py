"""The room that a backup and a drill will need."""

import pytest

from ledgerflow_ops.core.space_estimates import (
    LastDump,
    archive_needs,
    drill_needs,
    dump_needs,
    files_need,
    fits_memory,
)

MB = 1000**2


@pytest.mark.parametrize("last", [None, LastDump(size=20_000, database_size=0)])
def test_without_an_earlier_backup_the_database_itself_is_the_measure(last: LastDump | None) -> None:
    assert dump_needs(100 * MB, last) == 125 * MB + 8 * MB


def test_a_database_that_grew_needs_room_in_the_share_of_its_last_dump() -> None:
    assert dump_needs(200 * MB, LastDump(size=10 * MB, database_size=100 * MB)) == 25 * MB + 8 * MB


def test_a_database_that_shrank_needs_no_less_than_its_last_dump() -> None:
    assert dump_needs(MB, LastDump(size=10 * MB, database_size=100 * MB)) == int(12.5 * MB) + 8 * MB


def test_a_drill_needs_the_database_with_room_and_a_cluster() -> None:
    assert drill_needs(0) == 80 * MB
    assert drill_needs(100 * MB) == 205 * MB


@pytest.mark.parametrize(
    ("size", "below", "memory", "fits"),
    [
        (10_000_000, 128_000_000, 370_000_000, True),
        (10_000_000, 128_000_000, 369_999_999, False),  # four times 1.25 × 10 MB + 80 MB
        (128_000_000, 128_000_000, 10**12, False),
        (10_000_000, 0, 10**12, False),
        (0, 1, 0, False),
    ],
)
def test_only_a_small_copy_goes_into_memory_and_only_where_there_is_plenty(
    size: int, below: int, memory: int, fits: bool
) -> None:
    assert fits_memory(size, below, memory) is fits


def test_unpacked_files_take_their_bytes_and_a_block_each() -> None:
    assert files_need(10 * MB, 3) == 10 * MB + 3 * 4096


def test_files_may_not_pack_at_all() -> None:
    assert archive_needs(100 * MB, 1000) == 101 * MB + 1000 * 1024
