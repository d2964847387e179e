"""Feeds a stored file to a program, and reads it to its verified end, whatever the program reads of it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, widen_pipes
from ledgerflow_ops.adapters.storage.store import StoredFile


class StreamedInput:
    """A pipe that a thread fills with the plain bytes of a file. `descriptor` is the end to read from."""

    def __init__(self, file: StoredFile) -> None:
        self.descriptor, self._write_end = os.pipe()
        widen_pipes(self._write_end)
        self._file, self._stopped = file, False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def finish(self, code: int) -> None:
        """After the program has ended with this exit code: raise what is wrong with the file.

        BadBackup if its bytes do not decrypt, even if the program was content with those that it read.
        """
        if code == 0:
            os.close(self.descriptor)
            self.descriptor = -1
            self._thread.join()
        if self._error:
            raise self._error

    def close(self) -> None:
        self._stopped = True
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self._thread.join()

    def _feed(self) -> None:
        wanted = True
        try:
            with self._file.open() as opened:
                while not self._stopped and (chunk := opened.read(CHUNK)):
                    wanted = wanted and self._pass_on(memoryview(chunk))
        except BaseException as error:  # noqa: BLE001 - finish() raises it again in the caller's thread
            self._error = error
        finally:
            os.close(self._write_end)  # after the error is known: the program may fail because of it

    def _pass_on(self, rest: memoryview) -> bool:
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._write_end, rest) :]
            return True
        return False


@contextmanager
def streamed_input(file: StoredFile) -> Iterator[StreamedInput]:
    """The file as a program's standard input, during the block."""
    stream = StreamedInput(file)
    try:
        yield stream
    finally:
        stream.close()
