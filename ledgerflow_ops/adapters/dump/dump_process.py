"""A running pg_dump under a snapshot: start it, wait for its locks, read its output, end it."""

import os
import re
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, widen_pipes
from ledgerflow_ops.adapters.system import clock, process
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Watcher
from ledgerflow_ops.core.program_output import ProgramOutput

TICK = 1.0
_POLL_SECONDS = 0.03
_GRACE = 2.0
_LOCK_SLACK = 5.0
_TRANSIENT = re.compile(
    r"cache lookup failed|could not open relation with OID|could not find tuple|tuple concurrently"
    r"|(?:relation|schema|function|type|table|column|sequence|view|constraint|operator|collation|conversion"
    r"|aggregate|index|subscription|large object|object)\b[^\n]* does not exist|failed sanity check"
    r"|could not find (?:operator|parent extension|function definition|referenced extension)"
    r"|returned no data|returned \d+ rows? (?:\(expected 1\)|instead of one)|missing index for constraint"
    r"|wrong number of rows returned|missing metadata for large object"
    r"|unrecognized table OID|could not serialize access|deadlock detected",
    re.IGNORECASE,
)
"""Errors of the server or of pg_dump (pg_dump.c, common.c) about an object that changed meanwhile."""


class DumpProcess:
    """One pg_dump that prints an archive or a script. A thread reads its errors, so that it never blocks."""

    def __init__(self, client: Client, options: list[str], printed: ProgramOutput | None = None) -> None:
        self._begun, self._printed = clock.monotonic(), printed
        self.child = client.popen("pg_dump", options)
        widen_pipes(self.child.stdout)
        assert self.child.stdout
        self._out = self.child.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._errors = bytearray()
        self._listener = threading.Thread(
            target=process.drain_stream, args=(self.child.stderr, self._errors, printed), daemon=True
        )
        self._listener.start()
        self._first: bytes | None = None

    def wait_for_locks(self, watch: Watcher, check: Callable[[], None]) -> None:
        """Wait for its first byte: by then it has locked all tables and read the schema. Errors as `finish`.

        `check` is called about 30 times a second meanwhile; it raises an error to end the wait.
        """
        since = clock.monotonic()
        while not self._poll.poll(_POLL_SECONDS * 1000):
            check()
            self._flush()
            if clock.monotonic() - since > TICK:
                watch.tick()
        self._first = self._read(watch)
        if not self._first:
            self.finish(watch)

    def read(self, watch: Watcher) -> bytes:
        """The next bytes of its output; none at its end."""
        if self._first is None:
            return self._read(watch)
        first, self._first = self._first, None
        return first

    def finish(self, watch: Watcher) -> str:
        """Wait for its end; returns its messages. LedgerError if it failed, Unsettled if a new attempt may
        succeed."""
        while not process.wait_for_end(self.child, TICK):
            self._flush()
            watch.tick()
        self._listener.join(TICK)
        if self._printed:
            self._printed.end(process.describe_exit(self.child.returncode), clock.monotonic() - self._begun)
        messages = self._errors.decode("utf-8", "replace")
        if self.child.returncode:
            raise dump_error(self.child.returncode, messages)
        return messages

    def stop(self) -> None:
        """End it by SIGTERM, on which it cancels its queries, then by SIGKILL. Safe if it has ended."""
        if self.child.poll() is None:
            for number in (signal.SIGTERM, signal.SIGCONT):
                with suppress(ProcessLookupError):
                    os.killpg(self.child.pid, number)
            process.wait_for_end(self.child, _GRACE)
        process.kill(self.child)
        self._listener.join(_GRACE)
        process.stop(self.child)

    def _flush(self) -> None:
        """Report in this thread what the other one has read."""
        if self._printed:
            self._printed.flush()

    def _read(self, watch: Watcher) -> bytes:
        while not self._poll.poll(TICK * 1000):
            self._flush()
            watch.tick()
        self._flush()
        chunk = os.read(self._out, CHUNK)
        watch.heard()
        return chunk


@contextmanager
def running_dump(
    client: Client,
    options: list[str],
    snapshot_id: str,
    lock_seconds: float,
    printed: ProgramOutput | None = None,
) -> Iterator[DumpProcess]:
    """Run pg_dump under the snapshot during the block. It waits for each lock for `lock_seconds`.

    `printed` receives what it prints besides the dump.
    """
    patience = f"--lock-wait-timeout={lock_seconds + _LOCK_SLACK:.0f}s"
    started = DumpProcess(client, [*options, f"--snapshot={snapshot_id}", patience], printed)
    try:
        yield started
    finally:
        started.stop()


class ScriptReader:
    """Collects the plain text that a pg_dump prints, in a thread."""

    def __init__(self, dump: DumpProcess, watch: Watcher) -> None:
        self._dump, self._watch, self._text = dump, watch, bytearray()
        self._trouble: Exception | None = None
        self._reader = threading.Thread(target=self._gather, daemon=True)
        self._reader.start()

    def read(self) -> bytes:
        """The complete text; errors as `DumpProcess.finish`."""
        size = -1
        while self._reader.is_alive():
            self._reader.join(TICK)
            if len(self._text) != size:
                self._watch.heard()
            elif self._reader.is_alive():
                self._watch.tick()
            size = len(self._text)
        if self._trouble:
            raise self._trouble
        self._dump.finish(self._watch)
        return bytes(self._text)

    def _gather(self) -> None:
        try:
            while chunk := self._dump.read(NOBODY):
                self._text += chunk
        except Exception as error:  # noqa: BLE001 - read() raises it again in the caller's thread
            self._trouble = error


def dump_error(code: int, errors: str) -> LedgerError:
    """The error for a failed pg_dump: Unsettled if a new attempt may succeed, else LedgerError."""
    message = f"pg_dump failed ({process.describe_exit(code)}):\n{process.last_lines(errors)}"
    if _TRANSIENT.search(errors):
        return Unsettled(
            message,
            hint=Hint(
                "Nothing was kept. Something was dropped or changed while it was read: run the backup again "
                "when the database is quieter."
            ),
        )
    return LedgerError(
        message, hint=Hint("Nothing was kept. Fix the cause shown above and run the backup again.")
    )
