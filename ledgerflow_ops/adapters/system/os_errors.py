"""Translates the system's errors about files to LedgerErrors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Raise OSErrors as LedgerErrors with a hint. They name `path` if the error names no file."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: Hint("The disk is full. Free space or set another backup_root; then run it again."),
            errno.EDQUOT: Hint(
                "The quota is exhausted. Free space or set another backup_root; then run it again."
            ),
            errno.EROFS: Hint("The file system is mounted read-only."),
            errno.EACCES: Hint("Check the owner and mode of the folder: ", make("doctor"), " shows them."),
            errno.EPERM: Hint("Check the owner and mode of the folder: ", make("doctor"), " shows them."),
            errno.EEXIST: Hint(
                "Another backup is writing under this name, or one was left by a crash. Try again."
            ),
            errno.ENOENT: Hint(make("status"), " lists the backups."),
        }
        hint = hints.get(error.errno or 0, Hint("The file system refused it; the system's log has details."))
        raise LedgerError(f"{error.filename or path}: {error.strerror}.", hint=hint) from None
