"""The records of which database each environment is."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.core.catalog.identity import Identity
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError

_REMEMBER = """
import sys
from pathlib import Path
from ledgerflow_ops.adapters.storage.identity_records import IdentityRecords
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.catalog.identity import Identity
sys.stdin.readline()
for number in range(30):
    IdentityRecords(Path(sys.argv[1])).remember(Environment(sys.argv[2]), Identity(str(number), "books"))
"""


@pytest.fixture
def identities(root: Path) -> IdentityRecords:
    return IdentityRecords(root / "state" / "identities.json")


def test_nothing_is_known_at_first(identities: IdentityRecords) -> None:
    assert identities.recorded() == {}


def test_each_environment_keeps_its_own_and_the_last_word_counts(identities: IdentityRecords) -> None:
    dev, moved = Identity("7001", 'bücher "a"\n'), Identity("7002", "books")
    identities.remember(Environment.DEV, dev)
    identities.remember(Environment.PROD, dev)
    identities.remember(Environment.PROD, moved)
    assert identities.recorded() == {Environment.DEV: dev, Environment.PROD: moved}


def test_processes_that_remember_at_once_forget_nothing(identities: IdentityRecords) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _REMEMBER, str(identities.file), environment], stdin=subprocess.PIPE
        )
        for environment in Environment
    ]
    for child in children:
        child.communicate(b"go\n")
    assert [child.returncode for child in children] == [0, 0, 0]
    assert identities.recorded() == {environment: Identity("29", "books") for environment in Environment}
    assert [path.name for path in identities.file.parent.glob("*.partial")] == []


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"{",
        b"[]",
        b'{"dev": "books"}',
        b'{"dev": {}}',
        b'{"production": {"system_identifier": "1", "database": "b"}}',
        b'{"dev": {"system_identifier": "1", "database": "b", "more": 1}}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_memory_is_reported_with_its_path_and_never_written_over(
    identities: IdentityRecords, contents: bytes
) -> None:
    identities.file.parent.mkdir(parents=True)
    identities.file.write_bytes(contents)
    with pytest.raises(LedgerError, match=str(identities.file)) as caught:
        identities.remember(Environment.DEV, Identity("1", "books"))
    assert "make identity ACCEPT=1" in caught.value.hint
    assert identities.file.read_bytes() == contents
