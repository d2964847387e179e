"""A pg_dump at work under a snapshot: started, known to hold its locks, read, and ended."""

import os
import re
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, widen
from ledgerflow_ops.adapters.system import clock, process
from ledgerflow_ops.core.errors import LedgerError, Unsettled
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Watcher

TICK = 1.0
_GLANCE = 0.03
_GRACE = 2.0
_LOCK_SLACK = 5.0
_PASSES = re.compile(
    r"cache lookup failed|could not open relation with OID|could not find tuple|tuple concurrently"
    r"|(?:relation|schema|function|type|table|column|sequence|view|constraint|operator|collation|conversion"
    r"|aggregate|index|subscription|large object|object)\b[^\n]* does not exist|failed sanity check"
    r"|could not find (?:operator|parent extension|function definition|referenced extension)"
    r"|returned no data|returned \d+ rows? (?:\(expected 1\)|instead of one)|missing index for constraint"
    r"|wrong number of rows returned|missing metadata for large object"
    r"|unrecognized table OID|could not serialize access|deadlock detected",
    re.IGNORECASE,
)
"""What the server or pg_dump (pg_dump.c, common.c) says of an object that went while it was read."""


class Dumper:
    """One pg_dump that prints an archive or a script. A thread reads its errors: it never blocks on them."""

    def __init__(self, client: Client, options: list[str]) -> None:
        self.child = client.popen("pg_dump", options)
        widen(self.child.stdout)
        assert self.child.stdout
        self._out = self.child.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._errors = bytearray()
        self._listener = threading.Thread(
            target=process.drain, args=(self.child.stderr, self._errors), daemon=True
        )
        self._listener.start()
        self._first: bytes | None = None

    def begin(self, watch: Watcher, glance: Callable[[], None]) -> None:
        """Wait for its first byte: its locks are then held, and the schema is read. Fails as `finish`.

        `glance` is called many times a second meanwhile, and raises what makes waiting useless.
        """
        since = clock.awake()
        while not self._poll.poll(_GLANCE * 1000):
            glance()
            if clock.awake() - since > TICK:
                watch.tick()
        self._first = self._read(watch)
        if not self._first:
            self.finish(watch)

    def read(self, watch: Watcher) -> bytes:
        """What comes next of what it prints; nothing at its end."""
        if self._first is None:
            return self._read(watch)
        first, self._first = self._first, None
        return first

    def finish(self, watch: Watcher) -> str:
        """Wait for its end; what it said. LedgerError when it failed, Unsettled when another may not."""
        while not process.ended(self.child, TICK):
            watch.tick()
        self._listener.join(TICK)
        said = self._errors.decode("utf-8", "replace")
        if self.child.returncode:
            raise failed(self.child.returncode, said)
        return said

    def stop(self) -> None:
        """End it, asked first: it has the server cancel what that does for it. Safe when it has ended."""
        if self.child.poll() is None:
            for number in (signal.SIGTERM, signal.SIGCONT):
                with suppress(ProcessLookupError):
                    os.killpg(self.child.pid, number)
            process.ended(self.child, _GRACE)
        process.kill(self.child)
        self._listener.join(_GRACE)
        process.stop(self.child)

    def _read(self, watch: Watcher) -> bytes:
        while not self._poll.poll(TICK * 1000):
            watch.tick()
        chunk = os.read(self._out, CHUNK)
        watch.heard()
        return chunk


@contextmanager
def dumper(client: Client, options: list[str], snapshot_id: str, lock_seconds: float) -> Iterator[Dumper]:
    """A pg_dump under that snapshot, for no longer than the block. It waits for each lock for so long."""
    patience = f"--lock-wait-timeout={lock_seconds + _LOCK_SLACK:.0f}s"
    started = Dumper(client, [*options, f"--snapshot={snapshot_id}", patience])
    try:
        yield started
    finally:
        started.stop()


class Script:
    """What a pg_dump prints as plain text, gathered by a thread from the moment on that it has its locks."""

    def __init__(self, dump: Dumper, watch: Watcher) -> None:
        self._dump, self._watch, self._text = dump, watch, bytearray()
        self._trouble: Exception | None = None
        self._reader = threading.Thread(target=self._gather, daemon=True)
        self._reader.start()

    def whole(self) -> bytes:
        """All of it; as `Dumper.finish` when it failed."""
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
        except Exception as error:  # noqa: BLE001 - raised again by whole(): a thread has nobody to raise to
            self._trouble = error


def failed(code: int, errors: str) -> LedgerError:
    """What became of a pg_dump, as an error of ours."""
    message = f"pg_dump failed ({process.ended_by(code)}):\n{process.last_lines(errors)}"
    if _PASSES.search(errors):
        return Unsettled(
            message,
            hint=Hint(
                "Nothing was kept. Something was dropped or changed while it was read: run the backup again "
                "when the database is quieter."
            ),
        )
    return LedgerError(
        message, hint=Hint("Nothing was kept. Mend what the lines above say and run the backup again.")
    )
