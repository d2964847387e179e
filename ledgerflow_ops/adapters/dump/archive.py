"""pg_dump's archives: written in one pass that decodes and reads them; listed, read."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledgerflow_ops.adapters.connection import session_activity
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.connection.inactivity import Silence
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.dump.copy_decoder import CHUNK, DAMAGED, Decoder
from ledgerflow_ops.adapters.dump.dump_process import Dumper, dumper, failed
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
"""What the system says through a program of what is not in the archive (strerror, in the C locale)."""

Moved = Callable[[int], None]


class Into(Protocol):
    """What an archive is written into."""

    def write(self, data: bytes, /) -> object:
        """Take all of the next bytes."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one pass over an archive found, its size in bytes, and what pg_dump said, without secrets."""

    size: int
    contents: Contents
    said: str = ""


def dump(
    client: Client,
    snapshot_id: str,
    compression: str,
    into: Into,
    moved: Moved,
    without: Sequence[QualifiedName] = (),
) -> Streamed:
    """Run pg_dump once and write its archive into `into`, as `stream` does.

    The data of the tables and sequences in `without` is left out.
    """
    with dumper(client, archive_options(compression, without), snapshot_id, Limits().lock) as dump:
        return stream(client.tools, dump, into, moved, lambda _decoder: NOBODY)


def archive_options(
    compression: str, without: Sequence[QualifiedName] = (), *, through_roots: bool = False
) -> list[str]:
    """What pg_dump is asked for to write an archive, `without` the data of these tables and sequences.

    `through_roots`: partitions are to be loaded through the table that they are partitions of.
    """
    left_out = [f"--exclude-table-data={name.pattern}" for name in without]
    roots = ["--load-via-partition-root"] if through_roots else []
    return ["--format=custom", f"--compress={compression}", *roots, *left_out]


def stream(
    tools: Tools, dump: Dumper, into: Into, moved: Moved, watched: Callable[[Decoder], Watcher]
) -> Streamed:
    """Carry the archive of a pg_dump at work into `into`, decoded as it flows.

    The data of the tables and sequences in `without` is left out.

    LedgerError when pg_dump fails, BadBackup when what it wrote cannot be decoded; in both cases what
    `into` holds is not a backup. `watched` gives the watcher of both programs.
    """
    decoder = Decoder(tools)
    try:
        watch = watched(decoder)
        decoder.watch = watch
        size = _pump(dump, decoder, into, moved, watch)
        said = dump.finish(watch)
        return Streamed(size, decoder.close(), process.mask(said))
    finally:
        decoder.abandon()


def _pump(dump: Dumper, decoder: Decoder, into: Into, moved: Moved, watch: Watcher) -> int:
    """Carry the archive from pg_dump into the file and the decoder; its size.

    A decoder that gives up does not end the pump: pg_dump's own error, if it has one, is the cause.
    """
    size, decoding = 0, True
    while chunk := dump.read(watch):
        into.write(chunk)
        size += len(chunk)
        moved(size)
        decoding = decoding and decoder.feed(chunk)
    return size


def decode(tools: Tools, file: StoredReader, stall: float = _STALL) -> Contents:
    """What the archive in `file` holds; BadBackup when any byte of it cannot be decoded.

    LedgerError when the tool hangs: when it does nothing at all for `stall` seconds.
    """
    return _decoded(tools, file, (), stall)[0]


def row_sums(tools: Tools, file: StoredReader, names: Collection[str]) -> dict[str, RowSum]:
    """The rows of these tables as the archive in `file` has them, in any order; BadBackup as `decode`."""
    return _decoded(tools, file, names, _STALL)[1]


def _decoded(
    tools: Tools, file: StoredReader, counted: Collection[str], stall: float
) -> tuple[Contents, dict[str, RowSum]]:
    """What an archive holds, and the rows of the `counted` tables. pg_restore reads an open file by itself;
    what is none is fed to it."""
    stream = file.descriptor()
    decoder = Decoder(tools, stream, counted)
    decoder.watch = _idle(decoder.child, stall)
    try:
        while not stream and (chunk := file.read(CHUNK)):
            decoder.feed(chunk)
        return decoder.close(), decoder.sums
    except BadBackup as error:
        _require_own_end("pg_restore", decoder.child.returncode or 0, error.message)
        raise
    finally:
        decoder.abandon()


def _require_own_end(program: str, code: int, errors: str) -> None:
    """CannotJudge where a program was ended from outside, or this machine failed it: then what it did not
    do says nothing of what it read."""
    if code < 0 or _NOT_THE_ARCHIVE.search(errors):
        raise CannotJudge(
            f"{program} could not do its work on this machine ({process.ended_by(code)}): "
            f"{process.last_lines(errors)}",
            hint=Hint("This says nothing of the backup. Is there memory left (free -m)? Then ask again."),
        )


def _idle(child: subprocess.Popen[bytes], stall: float) -> Watcher:
    """What watches a pg_restore that only reads a file."""
    return Silence("pg_restore", stall, lambda: session_activity.programs([child.pid]))


def ddl(tools: Tools, file: Path) -> bytes:
    """The DDL in the archive, as pg_restore writes it in plain text."""
    command: list[str | Path] = [tools.path("pg_restore"), "--schema-only", "--file=-", file]
    finished = process.run(command, watched=lambda child: _idle(child, _STALL))
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


_DEFINITIONS = ("--section=pre-data", "--section=post-data")
"""All but data. What is said of large objects counts as data in some versions: the seal has that."""


def definitions(tools: Tools, file: Path) -> bytes:
    """The DDL in the archive as `definitions_of` writes that of a database: section by section."""
    command: list[str | Path] = [tools.path("pg_restore"), *_DEFINITIONS, "--file=-", file]
    finished = process.run(command, watched=lambda child: _idle(child, _STALL))
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


def definitions_of(tools: Tools, database: Database) -> bytes:
    """What `definitions` would be of an archive of `database`, as programs reach it, as it is now."""
    at, limits = database.parameters, database.limits
    patience = f"--lock-wait-timeout={limits.lock:.0f}s"

    def watched(child: subprocess.Popen[bytes]) -> Watcher:
        return Silence(
            "pg_dump", limits.stall, lambda: session_activity.activity(at, limits.answer, [child.pid])
        )

    command: list[str | Path] = [tools.path("pg_dump"), *_DEFINITIONS, patience]
    finished = process.run(command, extra=database.variables(), watched=watched)
    if finished.code:
        raise failed(finished.code, finished.errors)
    return finished.out


def table_of_contents(tools: Tools, file: Path, stall: float = _STALL) -> TableOfContents:
    """The archive's entries, counted and digested; BadBackup when the list cannot be read."""
    return counted(entries(tools, file, stall))


def counted(entries: Sequence[bytes]) -> TableOfContents:
    """The list of entries as a manifest holds it."""
    return TableOfContents(entries=len(entries), digest=hashlib.sha256(b"\n".join(entries)).hexdigest())


def entries(tools: Tools, file: Path, stall: float = _STALL) -> list[bytes]:
    """The lines of `pg_restore --list` that name an entry; BadBackup when the list cannot be read."""
    command: list[str | Path] = [tools.path("pg_restore"), "--list", file]
    finished = process.run(command, watched=lambda child: _idle(child, stall))
    if finished.code:
        _require_own_end("pg_restore", finished.code, finished.errors)
        raise BadBackup(
            f"The table of contents could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED
        )
    return [line for line in finished.out.splitlines() if line and not line.startswith(b";")]


def roles_script(client: Client, *, passwords: bool) -> process.Finished:
    """pg_dumpall's roles and globals as SQL, without password hashes unless asked for."""
    options = ["--globals-only"]
    if not passwords:
        options.append("--no-role-passwords")
    return client.run("pg_dumpall", options)
