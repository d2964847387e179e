"""Opens files below a root without following any symbolic link, whoever changes the tree meanwhile."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class SafePath:
    """Opens files below the root by openat() with O_NOFOLLOW, folder by folder, beginning with the root
    itself.

    The folder opened last stays open, because callers usually open the files of one folder in a row.
    """

    def __init__(self, root: str) -> None:
        self._top = os.open(Path(root).parent, os.O_RDONLY | os.O_DIRECTORY)
        self._root = Path(root).name
        self._steps: tuple[str, ...] = ()
        self._folder = self._top

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._leave()
        os.close(self._top)

    def parent_of(self, path: str) -> tuple[int, str]:
        """A descriptor of the folder that holds `path`, and the name in it; valid until the next call."""
        *steps, last = (self._root, *path.split("/")) if path else (self._root,)
        self._enter(tuple(steps))
        return self._folder, last

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """A descriptor of `path`; OSError if it is a link or a part of the path is one."""
        folder, name = self.parent_of(path)
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)

    def lstat(self, path: str) -> os.stat_result:
        folder, name = self.parent_of(path)
        return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def _enter(self, steps: tuple[str, ...]) -> None:
        if steps == self._steps:
            return
        self._leave()
        for step in steps:
            inner = os.open(step, _FOLDER, dir_fd=self._folder)
            self._close()
            self._folder = inner
        self._steps = steps

    def _leave(self) -> None:
        self._close()
        self._folder, self._steps = self._top, ("never",)

    def _close(self) -> None:
        if self._folder != self._top:
            os.close(self._folder)
            self._folder = self._top


def remove_tree(path: Path) -> None:
    """Remove a file or a tree, including its read-only folders; does nothing if there is none."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(facts.st_mode):
        path.unlink()
        return
    with SafePath(str(path)) as safe_path:
        folder, name = safe_path.parent_of("")
        _empty(folder, name)
        os.rmdir(name, dir_fd=folder)


def _empty(above: int, name: str) -> None:
    with _opened(above, name) as folder:
        os.fchmod(folder, 0o700)
        for inner in os.listdir(folder):  # noqa: PTH208 - of a descriptor
            if stat.S_ISDIR(os.stat(inner, dir_fd=folder, follow_symlinks=False).st_mode):
                _empty(folder, inner)
                os.rmdir(inner, dir_fd=folder)
            else:
                os.unlink(inner, dir_fd=folder)


@contextmanager
def _opened(above: int, name: str) -> Iterator[int]:
    """A descriptor of the folder `name` in the folder `above`; it gets mode 0700 if we may not read it."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=above)
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
