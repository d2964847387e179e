"""What is passed on at once, and what the way there imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerflow_ops.guard import quick

SLOW = {"asyncio", "pydantic", "pydantic_settings", "psycopg", "dagster", "subprocess", "tempfile", "xxhash"}


def loaded(code: str) -> set[str]:
    """The modules that a new process has loaded once it has run `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, sep='\\n')"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_judging_a_line_imports_nothing_slow() -> None:
    found = loaded("import ledgerflow_ops.guard.pipeline") - loaded("pass")
    assert "ledgerflow_ops.guard.resolve" in found
    assert sorted(found & SLOW) == []


def test_passing_on_a_reading_line_imports_next_to_nothing() -> None:
    found = loaded("import ledgerflow_ops.guard.wrapper") - loaded("pass")
    assert sorted(found & (SLOW | {"dataclasses", "json", "inspect", "typing_extensions"})) == []


@pytest.mark.parametrize(
    "line", ["ps", "ps -a", "logs -f --tail 100 db", "images", "inspect db", "pull node:20"]
)
def test_it_only_reads(line: str) -> None:
    assert quick.only_reads(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "login -p x",
        "rm db",
        "build .",
        "save -o x y",
        "ps --format={{json}}",
        "-H x ps",
        "run x ps",
    ],
)
def test_everything_else_goes_the_long_way(line: str) -> None:
    assert not quick.only_reads(line.split())


def test_its_line_in_the_journal_is_like_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LEDGER_ENV", 'x"y')
    journal = tmp_path / "state/journal.jsonl"
    quick.record(["ps", "-q"])
    with journal.open("a") as file:
        file.write('{"cut')
    quick.record(["logs", "db"])
    first, _, last = journal.read_text().splitlines()
    assert json.loads(first)["command"] == "docker ps -q"
    assert json.loads(first)["environment"] == "?"
    assert json.loads(last)["reason"] == "logs never changes data"
    assert journal.stat().st_mode & 0o777 == 0o600
