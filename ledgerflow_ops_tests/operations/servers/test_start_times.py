"""The durations of the last start, in the state folder."""

from pathlib import Path

import pytest

from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.operations.servers.start_times import last_start, remember_start


def test_phases_that_were_not_started_keep_their_duration(root: Path) -> None:
    assert last_start(root) == {}
    remember_start(root, {Step.STORAGE: 3.0, Step.DAEMON: 1.0})
    remember_start(root, {Step.DAEMON: 2.0})
    remember_start(root, {})
    assert last_start(root) == {Step.STORAGE: 3.0, Step.DAEMON: 2.0}
    assert (root / "servers" / "start.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (root / "servers").iterdir()] == ["start.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0"])
def test_a_file_that_cannot_be_read_is_a_first_start(root: Path, content: str) -> None:
    remember_start(root, {Step.STORAGE: 3.0})
    (root / "servers" / "start.json").write_text(content)
    assert last_start(root) == {}
    remember_start(root, {Step.STORAGE: 4.0})
    assert last_start(root) == {Step.STORAGE: 4.0}


def test_a_start_does_not_fail_where_nothing_can_be_stored(root: Path) -> None:
    remember_start(root, {Step.STORAGE: 3.0})
    file = root / "servers" / "start.json"
    file.unlink()
    file.mkdir()
    remember_start(root, {Step.STORAGE: 4.0})
    assert last_start(root) == {}
