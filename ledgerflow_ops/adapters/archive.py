"""pg_dump's archives: written in one pass that hashes, decodes and reads them; listed, read."""

import hashlib
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo

from ledgerflow_ops.adapters import process
from ledgerflow_ops.adapters.client import Client
from ledgerflow_ops.adapters.reading import CHUNK, DAMAGED, Decoder, widen
from ledgerflow_ops.adapters.tools import Tools
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.manifest import Contents, TableOfContents
from ledgerflow_ops.core.rowsums import RowSum
from ledgerflow_ops.core.tables import QualifiedName

MAGIC = b"PGDMP"
"""The first bytes of every archive in pg_dump's custom format."""

_PATIENCE = "--lock-wait-timeout=20s"
"""Our own snapshot holds locks: behind somebody who waits for them, pg_dump would wait for ever."""

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one pass over an archive found, and what pg_dump said meanwhile, without secrets."""

    size: int
    sha256: str
    contents: Contents
    said: str = ""


def dump(
    client: Client,
    snapshot_id: str,
    compression: str,
    into: IO[bytes],
    moved: Moved,
    without: Sequence[QualifiedName] = (),
) -> Streamed:
    """Run pg_dump once and write its archive into `into`, hashed and decoded as it flows.

    The data of the tables and sequences in `without` is left out.

    LedgerError when pg_dump fails, BadBackup when what it wrote cannot be decoded; in both cases what
    `into` holds is not a backup.
    """
    options = ["--format=custom", f"--compress={compression}", f"--snapshot={snapshot_id}", _PATIENCE]
    options += [f"--exclude-table-data={name.pattern}" for name in without]
    with ExitStack() as stack:
        child = client.popen("pg_dump", options)
        errors = bytearray()
        listener = threading.Thread(target=process.drain, args=(child.stderr, errors), daemon=True)
        listener.start()
        stack.callback(process.stop, child)
        decoder = Decoder(client.tools)
        stack.callback(decoder.abandon)
        size, sha256 = _pump(child, decoder, into, moved)
        code = child.wait()
        listener.join()
        said = errors.decode("utf-8", "replace")
        if code:
            raise _failed(code, said)
        return Streamed(size, sha256, decoder.close(), process.mask(said))


def _failed(code: int, errors: str) -> LedgerError:
    return LedgerError(
        f"pg_dump failed ({process.ended_by(code)}):\n{process.last_lines(errors)}",
        hint="Nothing was kept. Mend what the lines above say and run the backup again.",
    )


def _pump(child: subprocess.Popen[bytes], decoder: Decoder, into: IO[bytes], moved: Moved) -> tuple[int, str]:
    """Carry the archive from pg_dump into the file and the decoder; its size and SHA-256.

    A decoder that gives up does not end the pump: pg_dump's own error, if it has one, is the cause.
    """
    widen(child.stdout)
    digest, size, decoding = hashlib.sha256(), 0, True
    while chunk := child.stdout.read1(CHUNK):  # type: ignore[union-attr]
        digest.update(chunk)
        into.write(chunk)
        size += len(chunk)
        moved(size)
        decoding = decoding and decoder.feed(chunk)
    return size, digest.hexdigest()


def decode(tools: Tools, file: Path) -> Contents:
    """What the archive in `file` holds; BadBackup when any byte of it cannot be decoded."""
    with file.open("rb") as stream:
        decoder = Decoder(tools, stream)
        try:
            return decoder.close()
        finally:
            decoder.abandon()


def row_sums(tools: Tools, file: Path, names: Collection[str]) -> dict[str, RowSum]:
    """The rows of these tables as the archive in `file` has them, in any order; BadBackup as `decode`."""
    with file.open("rb") as stream:
        decoder = Decoder(tools, stream, names)
        try:
            decoder.close()
            return decoder.sums
        finally:
            decoder.abandon()


@contextmanager
def ddl_of_source(client: Client, snapshot_id: str) -> Iterator[Callable[[], bytes]]:
    """The DDL of the database that `client` reaches, as pg_dump writes it in plain text.

    It is read while the block does other work, which calls what this yields to have it, and no longer
    than the block: a pg_dump that hangs does not hold up an interrupted backup.
    """
    options = ["--schema-only", f"--snapshot={snapshot_id}", _PATIENCE]
    child = client.popen("pg_dump", options)

    def whole() -> bytes:
        out, errors = printed.result()
        if child.returncode:
            raise _failed(child.returncode, errors.decode("utf-8", "replace"))
        return out

    with ThreadPoolExecutor(1) as pool:
        printed = pool.submit(child.communicate)
        try:
            yield whole
        finally:
            process.kill(child)


def ddl(tools: Tools, file: Path) -> bytes:
    """The DDL in the archive, as pg_restore writes it in plain text."""
    finished = process.run([tools.path("pg_restore"), "--schema-only", "--file=-", file])
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


_DEFINITIONS = ("--section=pre-data", "--section=post-data")
"""All but data. `--schema-only` would leave out large objects, with their owners, grants and comments."""


def definitions(tools: Tools, file: Path) -> bytes:
    """As `ddl`, with the large objects' owners, grants and comments."""
    finished = process.run([tools.path("pg_restore"), *_DEFINITIONS, "--file=-", file])
    if finished.code:
        raise BadBackup(f"The DDL could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED)
    return finished.out


def definitions_of(tools: Tools, variables: Mapping[str, str]) -> bytes:
    """What `definitions` would be of an archive of the database that `variables` lead to, as it is now."""
    finished = process.run([tools.path("pg_dump"), *_DEFINITIONS, _PATIENCE], extra=variables)
    if finished.code:
        raise _failed(finished.code, finished.errors)
    return finished.out


def table_of_contents(tools: Tools, file: Path) -> TableOfContents:
    """The archive's entries, counted and digested; BadBackup when the list cannot be read."""
    return counted(entries(tools, file))


def counted(entries: Sequence[bytes]) -> TableOfContents:
    """The list of entries as a manifest holds it."""
    return TableOfContents(entries=len(entries), digest=hashlib.sha256(b"\n".join(entries)).hexdigest())


def entries(tools: Tools, file: Path) -> list[bytes]:
    """The lines of `pg_restore --list` that name an entry; BadBackup when the list cannot be read."""
    finished = process.run([tools.path("pg_restore"), "--list", file])
    if finished.code:
        raise BadBackup(
            f"The table of contents could not be read:\n{process.last_lines(finished.errors)}", hint=DAMAGED
        )
    return [line for line in finished.out.splitlines() if line and not line.startswith(b";")]


def sha256_of(file: Path, moved: Moved = lambda size: None) -> tuple[int, str]:
    """The length and the SHA-256 of what is in `file` now, read to its end."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            moved(size)
    return size, digest.hexdigest()


def roles_script(client: Client, *, passwords: bool) -> process.Finished:
    """pg_dumpall's roles and globals as SQL, without password hashes unless asked for."""
    # A bare name with "=" in it would be taken for a connection string: it is given as one.
    options = ["--globals-only", f"--database={make_conninfo(dbname=client.variables['PGDATABASE'])}"]
    if not passwords:
        options.append("--no-role-passwords")
    return client.run("pg_dumpall", options)
