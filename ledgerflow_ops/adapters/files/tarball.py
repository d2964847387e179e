"""Writes and reads an archive of files: tar with zstd, which `tar --zstd -xf` also unpacks."""

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
"""Bytes of tarfile's buffer, which it copies again with every read or write."""
_NAMES = {"format": tarfile.PAX_FORMAT, "encoding": "utf-8", "errors": "surrogateescape"}
_TYPES = {FileKind.FILE: tarfile.REGTYPE, FileKind.FOLDER: tarfile.DIRTYPE, FileKind.LINK: tarfile.SYMTYPE}
_HINT = Hint("Take the right file from another location, or take another backup: ", make("backup"))

Moved = Callable[[int], object]
Content = tuple[int, str]
Feed = Callable[[Callable[[bytes], object]], object]
"""Passes all bytes of a file to its argument."""


class Tarball:
    """Writes an archive."""

    def __init__(self, output: NewFile) -> None:
        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._packed = packer.stream_writer(output, closefd=False)  # type: ignore[arg-type]
        self._tar = tarfile.open(  # noqa: SIM115 - open until close()
            fileobj=self._packed, mode="w|", bufsize=_BUFFER, **_NAMES
        )  # type: ignore[call-overload]

    def add(self, entry: FileEntry, feed: Feed | None = None) -> None:
        """Add a folder, a link, or a file whose bytes `feed` passes on: exactly as many as its size."""
        header = tarfile.TarInfo(member_name(entry.root, entry.path))
        header.type, header.mode = _TYPES[entry.kind], entry.mode
        header.mtime = entry.mtime_ns // 10**9
        header.uid, header.gid = entry.owner
        header.size, header.linkname = entry.size, unquoted(entry.target)
        self._tar.addfile(header)
        if feed:
            # addfile() with a file object would fill a short file up with other bytes.
            feed(self._write)
            self._write(bytes(-entry.size % tarfile.BLOCKSIZE))

    def _write(self, data: bytes) -> None:
        assert self._tar.fileobj is not None
        for begin in range(0, len(data), _BUFFER):
            self._tar.fileobj.write(data[begin : begin + _BUFFER])
        self._tar.offset += len(data)

    def close(self) -> None:
        """Finish the archive, without closing its file."""
        self._tar.close()
        self._packed.close()  # type: ignore[no-untyped-call]


def read_files(file: StoredFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The names of the files in an archive with their bytes, which must be read before the next file.

    Folders and links are skipped: the manifest has them. BadBackup if the archive cannot be unpacked, or has
    an entry that no archive of ours contains.
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
                    yield header.name, _member_bytes(file.name, tar, header)


def _require_harmless(archive: str, header: tarfile.TarInfo, links: set[str]) -> None:
    """BadBackup for an entry that would leave its folder, or has a type that our archives do not contain."""
    name, where = header.name, display_path(header.name, "")
    parts = name.split("/")
    if leaves_folder(name):
        problem = f"holds an entry that leaves the folder: {where}"
    elif links and any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
        problem = f"holds an entry that leaves the folder through a link: {where}"
    elif header.type not in _TYPES.values():
        problem = f"holds {where}, which is neither a file, a folder nor a symbolic link"
    else:
        return
    raise BadBackup(f"{archive} {problem}. It was not unpacked.", hint=_HINT)


def unknown_file_error(archive: str, name: str) -> BadBackup:
    """The error for a file that is not in the archive's manifest."""
    message = f"{archive} holds {display_path(name, '')}, which its manifest does not name."
    return BadBackup(message, hint=_HINT)


def digest_files(
    file: StoredFile, entries: Iterable[FileEntry], moved: Moved, *, allow_others: bool
) -> dict[str, Content]:
    """Length and SHA-256 of the files of `entries` in the archive, by their member names.

    BadBackup for any other file unless `allow_others`.
    """
    wanted, contents, bytes_read = by_member(entries), dict[str, Content](), 0
    for name, chunks in read_files(file):
        if name in wanted and name not in contents:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                moved(bytes_read := bytes_read + len(chunk))
            contents[name] = size, digest.hexdigest()
        elif not allow_others:
            raise unknown_file_error(file.name, name)
    return contents


def _member_bytes(archive: str, tar: tarfile.TarFile, header: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes. They are read outside of `read_files`, so errors are translated here, too."""
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
