"""pg_dump's archives: written and decoded in one pass, listed and read."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledgerflow_ops.adapters.connection import session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import StallWatcher
from ledgerflow_ops.adapters.dump.archive_head import HeadReader
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, DAMAGED, ArchiveDecoder
from ledgerflow_ops.adapters.dump.dump_process import DumpProcess, dump_error, running_dump
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.stored_file import StoredReader
from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.catalog.manifest import Contents, TableOfContents
from ledgerflow_ops.core.comparison.row_sums import RowSum
from ledgerflow_ops.core.errors import BadBackup, CannotJudge
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName
from ledgerflow_ops.core.postgres.session_activity import NOBODY, Limits, Watcher

_STALL = Limits().stall

_NOT_THE_ARCHIVE = re.compile("Cannot allocate memory|Input/output error|Too many open files")
"""System errors in a program's output that are not caused by the archive (strerror, in the C locale)."""

Moved = Callable[[int], None]


class ArchiveSink(Protocol):
    """The target of an archive's bytes."""

    def write(self, data: bytes, /) -> object:
        """Write all of the next bytes."""


@dataclass(frozen=True, slots=True)
class StreamedArchive:
    """One pass over an archive: size in bytes, contents, and pg_dump's messages without secrets.

    `head` is its beginning, which has the table of contents and the definitions.
    """

    size: int
    contents: Contents
    messages: str = ""
    head: bytes = b""


def dump(
    client: Client,
    snapshot_id: str,
    compression: str,
    sink: ArchiveSink,
    moved: Moved,
    without: Sequence[QualifiedName] = (),
) -> StreamedArchive:
    """Run pg_dump once and write its archive into `sink`, as `stream_archive` does.

    The data of the tables and sequences in `without` is left out.
    """
    with running_dump(client, archive_options(compression, without), snapshot_id, Limits().lock) as dump:
        return stream_archive(client.tools, dump, sink, moved, lambda _decoder: NOBODY)


def archive_options(
    compression: str, without: Sequence[QualifiedName] = (), *, through_roots: bool = False
) -> list[str]:
    """The options of pg_dump for an archive, `without` the data of these tables and sequences.

    `through_roots`: load partitions through their root table (--load-via-partition-root).
    """
    left_out = [f"--exclude-table-data={name.pattern}" for name in without]
    roots = ["--load-via-partition-root"] if through_roots else []
    return ["--format=custom", f"--compress={compression}", *roots, *left_out]


def stream_archive(
    tools: Tools,
    dump: DumpProcess,
    sink: ArchiveSink,
    moved: Moved,
    watched: Callable[[ArchiveDecoder], Watcher],
) -> StreamedArchive:
    """Copy the archive of a running pg_dump into `sink`, and decode it at the same time.

    LedgerError if pg_dump fails, BadBackup if its output cannot be decoded; in both cases the contents of
    `sink` are not a backup. `watched` makes the watcher of both programs.
    """
    decoder = ArchiveDecoder(tools)
    head = HeadReader(tools)
    try:
        watch = watched(decoder)
        decoder.watch = head.pipe.watch = watch
        size = _pump(dump, (head, decoder), sink, moved, watch)
        messages = dump.finish(watch)
        return StreamedArchive(size, decoder.close(), process.mask_secrets(messages), head.close())
    finally:
        decoder.abandon()
        head.abandon()


def _pump(
    dump: DumpProcess,
    readers: Iterable[HeadReader | ArchiveDecoder],
    sink: ArchiveSink,
    moved: Moved,
    watch: Watcher,
) -> int:
    """Copy the archive from pg_dump into the sink and the readers; returns its size in bytes.

    The copy goes on if a reader gives up, because the cause may be an error of pg_dump.
    """
    size, reading = 0, list(readers)
    while chunk := dump.read(watch):
        sink.write(chunk)
        size += len(chunk)
        moved(size)
        reading = [reader for reader in reading if reader.feed(chunk)]
    return size


def decode(tools: Tools, file: StoredReader, stall: float = _STALL) -> Contents:
    """The contents of the archive in `file`; BadBackup if any byte of it cannot be decoded.

    LedgerError if pg_restore hangs: if it does nothing at all for `stall` seconds.
    """
    return _decode_archive(tools, file, (), stall)[0]


def row_sums(tools: Tools, file: StoredReader, names: Collection[str]) -> dict[str, RowSum]:
    """Digests of the rows of these tables in the archive, in any order; BadBackup as `decode`."""
    return _decode_archive(tools, file, names, _STALL)[1]


def _decode_archive(
    tools: Tools, file: StoredReader, counted: Collection[str], stall: float
) -> tuple[Contents, dict[str, RowSum]]:
    """The contents of an archive, and the row digests of the `counted` tables. pg_restore reads an open file
    by itself; any other source is fed to it."""
    stream = file.descriptor()
    decoder = ArchiveDecoder(tools, stream, counted)
    decoder.watch = _stall_watcher(decoder.child, stall)
    try:
        while not stream and (chunk := file.read(CHUNK)):
            decoder.feed(chunk)
        return decoder.close(), decoder.sums
    except BadBackup as error:
        _require_normal_end("pg_restore", decoder.child.returncode or 0, error.message)
        raise
    finally:
        decoder.abandon()


def _require_normal_end(program: str, code: int, errors: str) -> None:
    """CannotJudge if a program was killed, or failed because of this machine: its failure then says nothing
    about the archive."""
    if code < 0 or _NOT_THE_ARCHIVE.search(errors):
        raise CannotJudge(
            f"{program} failed because of this machine ({process.describe_exit(code)}): "
            f"{process.last_lines(errors)}",
            hint=Hint(
                "This says nothing about the backup. Check the free memory (free -m), then run it again."
            ),
        )


def _stall_watcher(child: subprocess.Popen[bytes], stall: float) -> Watcher:
    """The watcher of a pg_restore that only reads a file."""
    return StallWatcher("pg_restore", stall, lambda: session_activity.program_activity([child.pid]))


def read_ddl(tools: Tools, file: Path) -> bytes:
    """The DDL in the archive, as pg_restore writes it (--schema-only)."""
    command: list[str | Path] = [tools.path("pg_restore"), "--schema-only", "--file=-", file]
    finished = process.run(command, watched=lambda child: _stall_watcher(child, _STALL))
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


_DEFINITIONS = ("--section=pre-data", "--section=post-data")
"""Everything except data. Some versions count large objects' definitions as data: the seal has them."""


def read_definitions(tools: Tools, file: Path) -> bytes:
    """The DDL in the archive by sections, comparable with `dump_definitions` of a database."""
    command: list[str | Path] = [tools.path("pg_restore"), *_DEFINITIONS, "--file=-", file]
    finished = process.run(command, watched=lambda child: _stall_watcher(child, _STALL))
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


def dump_definitions(tools: Tools, database: Database) -> bytes:
    """The current DDL of `database`, comparable with `read_definitions` of its archive."""
    at, limits = database.parameters, database.limits
    patience = f"--lock-wait-timeout={limits.lock:.0f}s"

    def watched(child: subprocess.Popen[bytes]) -> Watcher:
        return StallWatcher(
            "pg_dump", limits.stall, lambda: session_activity.current_activity(at, limits.answer, [child.pid])
        )

    command: list[str | Path] = [tools.path("pg_dump"), *_DEFINITIONS, patience]
    finished = process.run(command, extra=database.variables(), watched=watched)
    if finished.code:
        raise dump_error(finished.code, finished.errors)
    return finished.out


def table_of_contents(tools: Tools, file: Path, stall: float = _STALL) -> TableOfContents:
    """The number and digest of the archive's entries; BadBackup if the list cannot be read."""
    return summarize_entries(list_entries(tools, file, stall))


def summarize_entries(entries: Sequence[bytes]) -> TableOfContents:
    """The list of entries in the form of the manifest."""
    return TableOfContents(entries=len(entries), digest=hashlib.sha256(b"\n".join(entries)).hexdigest())


def list_entries(tools: Tools, file: Path, stall: float = _STALL) -> list[bytes]:
    """The lines of `pg_restore --list` that name an entry; BadBackup if the list cannot be read."""
    command: list[str | Path] = [tools.path("pg_restore"), "--list", file]
    finished = process.run(command, watched=lambda child: _stall_watcher(child, stall))
    if finished.code:
        _require_normal_end("pg_restore", finished.code, finished.errors)
        raise BadBackup(
            f"The table of contents could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED
        )
    return [line for line in finished.out.splitlines() if line and not line.startswith(b";")]


def roles_script(client: Client, *, passwords: bool) -> process.Finished:
    """pg_dumpall's roles and other global objects as SQL; password hashes only with `passwords`."""
    options = ["--globals-only"]
    if not passwords:
        options.append("--no-role-passwords")
    return client.run("pg_dumpall", options)
