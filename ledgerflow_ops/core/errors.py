"""Every way an operation can fail.

    LedgerError                 exit 1   the operation failed; nothing incomplete is left that looks complete
    ├── Denied                  exit 1   the server refuses: another attempt will not help
    │   └── CredentialsExpired  exit 1   the credentials were valid once, and have expired
    ├── Unanswered              exit 1   no server answers, or it hangs
    ├── Missing                 exit 1   the store answers: there is no such object or bucket
    ├── StorageFull             exit 1   the store takes no more bytes
    ├── InUse                   exit 1   sessions on a database do not end
    ├── Pending                 exit 1   a swap was sent to the server, and its outcome is not known
    ├── Unsettled               exit 1   something changed while it was read: another attempt may succeed
    ├── SettingsError           exit 2   wrong usage or settings: nothing was tried
    ├── Refused                 exit 3   a guard refused beforehand: nothing was changed
    │   └── Busy                exit 3   another operation holds the lock
    ├── BadBackup               exit 4   the backup is bad: it is proven not to be what it should be
    │   └── UnrestorableSource  exit 4   the file is intact, but no server can load its source
    └── CannotJudge             exit 5   the proof could not be carried out; it says nothing about the backup
        └── KeyUnavailable      exit 5   the backup is encrypted, and no identity here opens it

Errors of other libraries (psycopg, OSError, a tool's exit code) are translated into these in
`adapters`, each in one place. Messages never contain a secret. `may_pass` says whether the cause may be gone
at the next attempt: a server that does not answer, a lock that another operation holds.
"""

from ledgerflow_ops.core.hints import Hint


class LedgerError(Exception):
    """An operation failed. `message` says what happened, `hint` what to do next."""

    exit_code = 1
    may_pass = True

    def __init__(self, message: str, *, hint: Hint) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class Denied(LedgerError):
    """The server answered and refused: a wrong password, no such database, a missing right."""

    may_pass = False


class CredentialsExpired(Denied):
    """The credentials were valid until a date that has passed."""


class Missing(LedgerError):
    """A store of objects answered that there is no such object, or no such bucket."""

    may_pass = False


class StorageFull(LedgerError):
    """A store of objects has no space left, or its quota is exhausted."""


class Unanswered(LedgerError):
    """No connection was made within the time limit."""


class InUse(LedgerError):
    """A database cannot be renamed or dropped: a session on it did not end in time."""


class Pending(LedgerError):
    """A swap was sent to a server, and its outcome is not known. The next command finds it out."""

    may_pass = False


class Unsettled(LedgerError):
    """Something was created, dropped or changed in the database while it was read."""


class SettingsError(LedgerError):
    """The call or the settings are wrong."""

    exit_code = 2
    may_pass = False


class Refused(LedgerError):
    """A guard refused before anything was changed."""

    exit_code = 3
    may_pass = False


class Busy(Refused):
    """Another operation on the same environment is running."""

    may_pass = True


class BadBackup(LedgerError):
    """The backup is proven not to be what its manifest says."""

    exit_code = 4
    may_pass = False


class UnrestorableSource(BadBackup):
    """The backup is what its manifest says, but the source database violates one of its own rules."""


class CannotJudge(LedgerError):
    """The proof itself could not be carried out (no disk, no tool, a missing extension)."""

    exit_code = 5
    may_pass = False


class KeyUnavailable(CannotJudge):
    """The backup is encrypted, and no identity that is available here opens it."""
