"""Ways into folders that go through no symbolic link, however long they are, whoever is at work there."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class SafePath:
    """Opens what lies below the folder that holds a root; the root's own name is the first step.

    The last folder stays open: what lies in one folder is asked for in a row.
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

    def to(self, path: str) -> tuple[int, str]:
        """The folder that holds `path` (open, as long as no other is asked for), and the last step's name."""
        *steps, last = (self._root, *path.split("/")) if path else (self._root,)
        self._enter(tuple(steps))
        return self._folder, last

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """A descriptor of `path` itself; OSError where a link stands in the way or in its place."""
        folder, name = self.to(path)
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)

    def lstat(self, path: str) -> os.stat_result:
        folder, name = self.to(path)
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


def remove(path: Path) -> None:
    """Remove a tree or a file, also one whose folders nobody may write into; nothing when there is none."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(facts.st_mode):
        path.unlink()
        return
    with SafePath(str(path)) as way:
        folder, name = way.to("")
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
    """A folder in a folder; one that its owner may not read is opened up first."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=above)
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
