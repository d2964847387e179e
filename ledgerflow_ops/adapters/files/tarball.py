"""Writes and reads an archive of files: tar, packed by zstd. `tar --zstd -xf` opens it as well."""

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import zstandard

from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.storage.stored_file import NewFile
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.catalog.files import (
    FileEntry,
    FileKind,
    by_member,
    display_path,
    leaves_folder,
    member_name,
    unquoted,
)
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint, make

CHUNK = 1024 * 1024
_LEVEL = 3
_BUFFER = 64 * 1024
"""What tarfile copies again with every piece that is read or written: neither much nor little."""
_NAMES = {"format": tarfile.PAX_FORMAT, "encoding": "utf-8", "errors": "surrogateescape"}
_TYPES = {FileKind.FILE: tarfile.REGTYPE, FileKind.FOLDER: tarfile.DIRTYPE, FileKind.LINK: tarfile.SYMTYPE}
_HINT = Hint("Take the right file from another location, or take another backup: ", make("backup"))

Moved = Callable[[int], object]
Content = tuple[int, str]
Feed = Callable[[Callable[[bytes], object]], object]
"""Something that gives all the bytes of a file to what it is given."""


class Tarball:
    """An archive that is being written."""

    def __init__(self, into: NewFile) -> None:
        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._packed = packer.stream_writer(into, closefd=False)  # type: ignore[arg-type]
        self._tar = tarfile.open(  # noqa: SIM115 - open until close()
            fileobj=self._packed, mode="w|", bufsize=_BUFFER, **_NAMES
        )  # type: ignore[call-overload]

    def add(self, entry: FileEntry, feed: Feed | None = None) -> None:
        """Put in a folder or a link, or a file whose bytes `feed` gives: exactly as many as its size says."""
        header = tarfile.TarInfo(member_name(entry.root, entry.path))
        header.type, header.mode = _TYPES[entry.kind], entry.mode
        header.mtime = entry.mtime_ns // 10**9
        header.uid, header.gid = entry.owner
        header.size, header.linkname = entry.size, unquoted(entry.target)
        self._tar.addfile(header)
        if feed:
            # addfile() with a source pads a short one with what is next: bytes go in as they are read.
            feed(self._write)
            self._write(bytes(-entry.size % tarfile.BLOCKSIZE))

    def _write(self, data: bytes) -> None:
        assert self._tar.fileobj is not None
        for begin in range(0, len(data), _BUFFER):
            self._tar.fileobj.write(data[begin : begin + _BUFFER])
        self._tar.offset += len(data)

    def close(self) -> None:
        """End the archive, not the file that it is in."""
        self._tar.close()
        self._packed.close()  # type: ignore[no-untyped-call]


def files(file: StoredFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The names of the files in an archive with their bytes, to be read before the next is asked for.

    Folders and links are passed over: the manifest has them. BadBackup where it cannot be unpacked, and
    where it holds what no archive of ours does.
    """
    links: set[str] = set()
    with _translated(file.name), file.open() as raw:
        stream = zstandard.ZstdDecompressor().stream_reader(raw)  # type: ignore[arg-type]
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER, **_NAMES) as tar:  # type: ignore[call-overload]
            for header in tar:
                _require_harmless(file.name, header, links)
                if header.type == tarfile.SYMTYPE:
                    links.add(header.name)
                if header.type == tarfile.REGTYPE:
                    yield header.name, _bytes(file.name, tar, header)


def _require_harmless(archive: str, header: tarfile.TarInfo, links: set[str]) -> None:
    """BadBackup for an entry that would land elsewhere than below its own folder, or is none of ours."""
    name, where = header.name, display_path(header.name, "")
    parts = name.split("/")
    if leaves_folder(name):
        said = f"holds an entry that leaves the folder: {where}"
    elif links and any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
        said = f"holds an entry that leaves the folder through a link: {where}"
    elif header.type not in _TYPES.values():
        said = f"holds {where}, which is neither a file, a folder nor a symbolic link"
    else:
        return
    raise BadBackup(f"{archive} {said}. It was not unpacked.", hint=_HINT)


def unknown(archive: str, name: str) -> BadBackup:
    """The refusal of a file that the archive's own manifest does not name."""
    said = f"{archive} holds {display_path(name, '')}, which its manifest does not name."
    return BadBackup(said, hint=_HINT)


def digests(
    file: StoredFile, entries: Iterable[FileEntry], moved: Moved, *, others: bool
) -> dict[str, Content]:
    """Length and SHA-256 of the files in the archive that are `entries`, by the names it knows them by.

    BadBackup if it has others and may not.
    """
    wanted, found, done = by_member(entries), dict[str, Content](), 0
    for name, chunks in files(file):
        if name in wanted and name not in found:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                moved(done := done + len(chunk))
            found[name] = size, digest.hexdigest()
        elif not others:
            raise unknown(file.name, name)
    return found


def _bytes(archive: str, tar: tarfile.TarFile, header: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes. They are asked for outside of `files`, so what goes wrong is translated here too."""
    with _translated(archive):
        stream = tar.extractfile(header)
        assert stream is not None
        while chunk := stream.read(CHUNK):
            yield chunk


@contextmanager
def _translated(archive: str) -> Iterator[None]:
    try:
        with translated(archive):
            yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError, OverflowError) as error:
        raise BadBackup(f"{archive} could not be unpacked: {error}.", hint=_HINT) from None
