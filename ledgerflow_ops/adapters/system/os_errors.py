"""The system's errors about files, translated at one place."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """The system's errors about files as LedgerErrors with a hint, naming `path` where they name no file."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: Hint("The disk is full. Free room or set another backup_root; run it again."),
            errno.EDQUOT: Hint(
                "The quota is used up. Free room or set another backup_root; then run it again."
            ),
            errno.EROFS: Hint("The file system is mounted read-only."),
            errno.EACCES: Hint("Check the owner and mode of the folder: ", make("doctor"), " shows them."),
            errno.EPERM: Hint("Check the owner and mode of the folder: ", make("doctor"), " shows them."),
            errno.EEXIST: Hint(
                "Another backup is writing under this name, or one was left by a crash. Try again."
            ),
            errno.ENOENT: Hint(make("status"), " lists what there is."),
        }
        hint = hints.get(error.errno or 0, Hint("The file system said no; its own log says more."))
        raise LedgerError(f"{error.filename or path}: {error.strerror}.", hint=hint) from None
