"""Runs a program that prints a dump's data as COPY text, and reads the contents of each table from it."""

import contextlib
import fcntl
import os
import select
import subprocess
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.catalog.manifest import Contents
from ledgerflow_ops.core.comparison.dump_content import ContentReader, UnreadableText
from ledgerflow_ops.core.comparison.row_sums import RowSum
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Watcher

CHUNK = 1024 * 1024
_PIPE = 1024 * 1024
_TICK = 1.0
DAMAGED = Hint(
    "The archive is damaged or cut. Take another backup; ", make("status"), " shows the newest proven one."
)


class InputPipe:
    """The standard input of a program. The watcher is called while the program reads none of it."""

    def __init__(self, pipe: IO[bytes], watch: Watcher = NOBODY) -> None:
        self.watch, self._pipe = watch, pipe
        self._poll = select.poll()
        os.set_blocking(pipe.fileno(), False)
        self._poll.register(pipe, select.POLLOUT)

    def write(self, data: bytes) -> bool:
        """Pass on all of `data`; False once the program has closed its input."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._written(rest) :]
        except BrokenPipeError:
            return False
        return True

    def _written(self, rest: memoryview) -> int:
        """How many bytes the pipe accepted."""
        try:
            count = os.write(self._pipe.fileno(), rest)
        except BlockingIOError:
            while not self._poll.poll(_TICK * 1000):
                self.watch.tick()
            return 0
        self.watch.heard()
        return count


class OutputReader:
    """A program whose output and errors are read by two threads, so that it never blocks."""

    watch: Watcher = NOBODY

    def __init__(
        self,
        command: list[str | Path],
        variables: Mapping[str, str],
        counted: Collection[str] = (),
        **options: Any,
    ) -> None:
        self._heard = 0
        self._reader = ContentReader(counted)
        self._errors = bytearray()
        self._trouble: Exception | None = None
        self.child = process.start_program(
            command, extra=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        widen_pipes(self.child.stdin, self.child.stdout)
        self._threads = [
            threading.Thread(target=self._read, args=(self.child.stdout,), daemon=True),
            threading.Thread(
                target=process.drain_stream, args=(self.child.stderr, self._errors), daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> tuple[int, str]:
        """Wait until all output has been read; returns the exit code and the last lines of the errors."""
        reader, listener = self._threads
        while reader.is_alive():
            heard = self._heard
            reader.join(_TICK)
            if heard == self._heard and reader.is_alive():
                self.watch.tick()
            else:
                self.watch.heard()
        while not process.wait_for_end(self.child, _TICK):
            self.watch.tick()
        listener.join(_TICK)
        return self.child.returncode, process.last_lines(self._errors.decode("utf-8", "replace"))

    def contents(self) -> Contents:
        """The contents that were read; BadBackup if the text ends too early or cannot be parsed."""
        try:
            if self._trouble:
                raise self._trouble
            return self._reader.close()
        except (UnreadableText, ValueError) as error:
            raise BadBackup(f"The archive's text is incomplete: {error}.", hint=DAMAGED) from None

    @property
    def sums(self) -> dict[str, RowSum]:
        """The row digests of the `counted` tables, once all has been read."""
        return self._reader.sums

    def abandon(self) -> None:
        """Kill the program and close its pipes; safe if it has ended."""
        process.kill(self.child)
        for thread in self._threads:
            thread.join()
        process.stop(self.child)

    def _read(self, stream: Any) -> None:
        while chunk := stream.read1(CHUNK):
            self._heard += len(chunk)
            if self._trouble:
                continue
            try:
                self._reader.feed(chunk)
            except Exception as error:  # noqa: BLE001 - contents() raises it again in the caller's thread
                self._trouble = error


class ArchiveDecoder(OutputReader):
    """A pg_restore that decodes every byte of an archive: of `stream`, or of the bytes that are fed to it.

    It also computes the row digests of the tables in `counted`.
    """

    def __init__(self, tools: Tools, stream: IO[bytes] | None = None, counted: Collection[str] = ()) -> None:
        command: list[str | Path] = [tools.path("pg_restore"), "--data-only", "--file=-"]
        super().__init__(command, {}, counted, stdin=stream or subprocess.PIPE)
        self._input = InputPipe(self.child.stdin) if self.child.stdin else None

    def feed(self, chunk: bytes) -> bool:
        """Pass on the next bytes of the archive; False once pg_restore has closed its input."""
        assert self._input
        self._input.watch = self.watch
        return self._input.write(chunk)

    def close(self) -> Contents:
        """The contents of the archive; BadBackup unless every byte could be decoded."""
        if self.child.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.child.stdin.close()
        code, errors = self.wait()
        if code:
            raise BadBackup(
                f"The archive could not be decoded (pg_restore: {process.describe_exit(code)}):\n{errors}",
                hint=DAMAGED,
            )
        return self.contents()


def widen_pipes(*pipes: IO[bytes] | int | None) -> None:
    """Enlarge pipes where the system supports it (Linux: F_SETPIPE_SZ): fewer context switches."""
    for pipe in pipes:
        if pipe is None:
            continue
        with contextlib.suppress(AttributeError, OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
