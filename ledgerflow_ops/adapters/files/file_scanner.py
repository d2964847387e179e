"""Reads listed folders and files: what lies there, and every byte of a file while it stands still."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.storage.safe_path import SafePath
from ledgerflow_ops.core.catalog.files import FileEntry, FileKind, display_path, points_outside, quoted
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

CHUNK = 1024 * 1024
_STOOD = Hint("Let whatever writes there finish, or take the file out of `files`; then run the backup again.")
_MAY_READ = Hint("Let the account that makes the backups read it, or take it out of `files`.")
_THERE = Hint("Mend the path in `files`, or bring back what should be there. Nothing was kept.")
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class Unsteady(LedgerError):
    """Something changed while it was read. Reading it again may find it at rest."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} changed while it was read.", hint=_STOOD)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a place below a root. `version` is other whenever the thing is."""

    root: str
    path: str
    kind: FileKind
    size: int
    mode: int
    mtime_ns: int
    owner: tuple[int, int]
    target: str
    version: tuple[int, ...]

    @property
    def place(self) -> str:
        return display_path(self.root, self.path)

    def entry(self, sha256: str = "") -> FileEntry:
        """As the manifest has it; the archive is not decided yet."""
        return FileEntry(
            root=self.root,
            path=quoted(self.path),
            kind=self.kind,
            size=self.size,
            mode=self.mode,
            mtime_ns=self.mtime_ns,
            owner=self.owner,
            sha256=sha256,
            target=quoted(self.target),
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """All that lies below the roots, and what is told of it: left out, or leading elsewhere."""

    found: tuple[Found, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[Found, ...]:
        return tuple(thing for thing in self.found if thing.kind is FileKind.FILE)

    def changed(self, later: "Survey") -> list[str]:
        """The places where the later look found something else."""
        before, after = ({(thing.root, thing.path): thing for thing in seen.found} for seen in (self, later))
        differing = [
            key
            for key in {**before, **after}
            if key not in before or key not in after or before[key].version != after[key].version
        ]
        return [display_path(root, path) for root, path in differing]


def survey(roots: Sequence[str]) -> Survey:
    """What lies below the roots now; LedgerError naming what is missing or may not be read."""
    found: list[Found] = []
    notes: list[str] = []
    for root in roots:
        for seen in _of_root(root):
            if isinstance(seen, str):
                notes.append(seen)
                continue
            found.append(seen)
            if seen.kind is FileKind.LINK and points_outside(seen.path, seen.target):
                notes.append(
                    f"{seen.place} is a link that leads out of its folder, to {display_path(seen.target, '')}"
                )
    return Survey(tuple(found), tuple(notes))


def _of_root(root: str) -> Iterator[Found | str]:
    with named(root, ""), SafePath(root) as way:
        try:
            facts = way.lstat("")
        except (FileNotFoundError, NotADirectoryError):
            raise _not_there(root) from None
        if stat.S_ISLNK(facts.st_mode):
            real = Hint(f"List what it leads to instead: {Path(root).resolve()}.")
            raise LedgerError(
                f"{display_path(root, '')} is listed in `files` but is a symbolic link.", hint=real
            )
        if not stat.S_ISDIR(facts.st_mode) and not stat.S_ISREG(facts.st_mode):
            raise LedgerError(f"{display_path(root, '')} is neither a folder nor a file.", hint=_THERE)
        yield _found(root, "", facts)
        if stat.S_ISDIR(facts.st_mode):
            yield from _below(way, root, "")


def _below(way: SafePath, root: str, path: str) -> Iterator[Found | str]:
    """Everything in a folder, sorted by name, each folder before what is in it."""
    for name in sorted(_names(way, root, path)):
        inner = f"{path}/{name}" if path else name
        with named(root, inner):
            facts = way.lstat(inner)
            kind = stat.S_IFMT(facts.st_mode)
            if kind in _SPECIAL:
                yield f"{display_path(root, inner)} is {_SPECIAL[kind]}: left out"
                continue
            yield _found(root, inner, facts, _target(way, inner) if kind == stat.S_IFLNK else "")
        if kind == stat.S_IFDIR:
            yield from _below(way, root, inner)


def _names(way: SafePath, root: str, path: str) -> list[str]:
    with named(root, path):
        descriptor = way.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return os.listdir(descriptor)  # noqa: PTH208 - of a descriptor
        finally:
            os.close(descriptor)


def _target(way: SafePath, path: str) -> str:
    folder, name = way.to(path)
    return os.readlink(name, dir_fd=folder)


def _found(root: str, path: str, facts: os.stat_result, target: str = "") -> Found:
    kind = {stat.S_IFDIR: FileKind.FOLDER, stat.S_IFLNK: FileKind.LINK}.get(
        stat.S_IFMT(facts.st_mode), FileKind.FILE
    )
    return Found(
        root=root,
        path=path,
        kind=kind,
        size=facts.st_size if kind is FileKind.FILE else 0,
        mode=stat.S_IMODE(facts.st_mode),
        mtime_ns=facts.st_mtime_ns,
        owner=(facts.st_uid, facts.st_gid),
        target=target,
        version=_version(facts),
    )


def _version(facts: os.stat_result) -> tuple[int, ...]:
    """A folder's own times are left out: what comes and goes in it is seen by name."""
    whole = (facts.st_mode, facts.st_ino, facts.st_uid, facts.st_gid)
    if stat.S_ISDIR(facts.st_mode):
        return whole
    return (*whole, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


class Reader:
    """Reads files of one survey, one after the other."""

    def __init__(self) -> None:
        self._way: SafePath | None = None
        self._root = ""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *details: object) -> None:
        if self._way:
            self._way.__exit__()

    def read(self, found: Found, take: Callable[[bytes], object]) -> str:
        """Give every byte of a file to `take`; its SHA-256. Unsteady unless it stood still meanwhile."""
        with named(found.root, found.path):
            # Should a pipe have taken its place, opening it would wait for somebody to write.
            descriptor = self._to(found.root).open(found.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                self._require(found, descriptor)
                digest, size = hashlib.sha256(), 0
                while chunk := os.read(descriptor, min(CHUNK, found.size - size + 1)):
                    size += len(chunk)
                    if size > found.size:
                        raise Unsteady(found.place)
                    digest.update(chunk)
                    take(chunk)
                self._require(found, descriptor)
            finally:
                os.close(descriptor)
        if size != found.size:
            raise Unsteady(found.place)
        return digest.hexdigest()

    def _require(self, found: Found, descriptor: int) -> None:
        if _version(os.fstat(descriptor)) != found.version:
            raise Unsteady(found.place)

    def _to(self, root: str) -> SafePath:
        if self._way is None or root != self._root:
            if self._way:
                self._way.__exit__()
            self._way, self._root = SafePath(root), root
        return self._way


def _not_there(root: str) -> LedgerError:
    return LedgerError(f"{display_path(root, '')} is listed in `files` but is not there.", hint=_THERE)


@contextmanager
def named(root: str, path: str) -> Iterator[None]:
    """The system's errors about a place as LedgerErrors that name it; what has just gone was Unsteady."""
    try:
        yield
    except OSError as error:
        where = display_path(root, path)
        if path and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE):
            raise Unsteady(where) from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise _not_there(root) from None
        raise LedgerError(f"{where} could not be read: {error.strerror}.", hint=_MAY_READ) from None
