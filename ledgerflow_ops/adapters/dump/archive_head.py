"""The beginning of an archive: its table of contents, with all definitions and without any data.

pg_restore reads it from a file without the rest, for everything but data. So definitions are read from a
stream, or from an archive that is stored encoded, without a copy of the data on a disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.adapters.connection import session_activity
from ledgerflow_ops.adapters.connection.inactivity import StallWatcher
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, DAMAGED, InputPipe
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.store import StoredFile
from ledgerflow_ops.adapters.system import memory_files, process
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Limits, Watcher

_PORTION = 64 * 1024
"""Bytes that are passed on at once: so many more than the table of contents are kept at most, and a pipe."""


class HeadReader:
    """Keeps the beginning of an archive that is fed to it, up to the end of its table of contents.

    A pg_restore that lists the contents shows where that is: it then closes its input.
    """

    def __init__(self, tools: Tools, watch: Watcher = NOBODY) -> None:
        with memory_files.memory_file() as output:
            self.child = process.start_program(
                [tools.path("pg_restore"), "--list"],
                extra={},
                stdin=process.PIPE,
                stdout=output,
                stderr=output,
            )
        assert self.child.stdin
        self.pipe = InputPipe(self.child.stdin, watch)
        self._head, self._reading = bytearray(), True

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the archive; False once no more are needed."""
        for begin in range(0, len(data), _PORTION):
            if not self._reading:
                break
            portion = data[begin : begin + _PORTION]
            self._head += portion
            self._reading = self.pipe.write(portion)
        return self._reading

    def close(self) -> bytes:
        """The beginning of the archive; no less than its table of contents, if the archive is one."""
        self.abandon()
        return bytes(self._head)

    def abandon(self) -> None:
        """End the program; safe if it has ended."""
        process.stop(self.child)


def read_head(tools: Tools, file: StoredFile, stall: float = Limits().stall) -> bytes:
    """The beginning of a stored archive. BadBackup if it is empty; its bytes are not verified yet."""
    reader = HeadReader(tools)
    activity = session_activity.program_activity
    reader.pipe.watch = StallWatcher("pg_restore", stall, lambda: activity([reader.child.pid]))
    try:
        with file.open() as opened:
            while (chunk := opened.read(CHUNK)) and reader.feed(chunk):
                pass
        head = reader.close()
    finally:
        reader.abandon()
    if not head:
        raise BadBackup(f"{file.name} is empty.", hint=DAMAGED)
    return head


@contextmanager
def definitions_path(tools: Tools, file: StoredFile, stall: float = Limits().stall) -> Iterator[Path]:
    """A path for programs that read an archive's table of contents and definitions, but none of its data.

    It is the stored file where programs can read that, else the archive's beginning, in memory.
    """
    if file.is_program_readable:
        with file.local_path() as path:
            yield path
        return
    with memory_files.readable_path(read_head(tools, file, stall)) as path:
        yield path
