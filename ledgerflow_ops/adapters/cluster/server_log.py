"""Reads the errors that a server has logged since a certain moment."""

import re
from dataclasses import dataclass
from pathlib import Path

_LEVEL = re.compile(r"\b(ERROR|FATAL|PANIC): ")


@dataclass(frozen=True, slots=True)
class LogMark:
    """A position in a log file: its end at one moment."""

    file: Path
    inode: int
    position: int

    @classmethod
    def now(cls, file: Path | None) -> "LogMark | None":
        """The end of the log now; None if there is no log that we may read."""
        if file is None:
            return None
        try:
            with file.open("rb"):
                facts = file.stat()
        except OSError:
            return None
        return cls(file, facts.st_ino, facts.st_size)

    def errors(self, names: tuple[str, ...]) -> list[str]:
        """The lines since then at level ERROR or worse that contain one of `names` (of databases).

        If the log cannot be read any more, the result is one line that says so.
        """
        try:
            facts = self.file.stat()
            begin = self.position if facts.st_ino == self.inode and facts.st_size >= self.position else 0
            with self.file.open("rb") as stream:
                stream.seek(begin)
                lines = stream.read().decode("utf-8", "replace").splitlines()
        except OSError as error:
            return [f"{self.file} cannot be read any more: {error.strerror}"]
        return [line for line in lines if _LEVEL.search(line) and any(name in line for name in names)]
