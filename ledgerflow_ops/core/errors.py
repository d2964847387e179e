"""Every way an operation can end badly.

    LedgerError                 exit 1   the operation failed; nothing half-done is left as done
    ├── Denied                  exit 1   the server is there and says no: trying again will not help
    ├── Unanswered              exit 1   no server answers there, or it hangs
    ├── InUse                   exit 1   sessions on a database do not end
    ├── Pending                 exit 1   a swap was ordered: it may have taken place, or may yet
    ├── Unsettled               exit 1   what was read came or went meanwhile: another attempt may succeed
    ├── SettingsError           exit 2   usage or settings: nothing was tried
    ├── Refused                 exit 3   a guard said no beforehand: nothing was touched
    │   └── Busy                exit 3   another operation holds the lock
    ├── BadBackup               exit 4   the backup is bad: proven not to be what it should be
    │   └── UnrestorableSource  exit 4   the file is whole; no server can load its source
    └── CannotJudge             exit 5   the proof could not be carried out: says nothing of the backup

Errors of other libraries (psycopg, OSError, a tool's exit code) are translated into these in
`adapters`, each at one place. Messages never hold a secret. `may_pass` says whether what an operation
failed of may be gone when it is tried again: a server that does not answer, a lock that somebody holds.
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
    """The server answered and said no: a wrong password, no such database, rights that are missing."""

    may_pass = False


class Unanswered(LedgerError):
    """No connection came about within its time."""


class InUse(LedgerError):
    """A database cannot be renamed or dropped: a session on it did not end in time."""


class Pending(LedgerError):
    """A swap was ordered of a server, and what came of it is not known here: the next command settles it."""

    may_pass = False


class Unsettled(LedgerError):
    """Something came, went or changed in the database while it was read."""


class SettingsError(LedgerError):
    """The call or the settings are wrong."""

    exit_code = 2
    may_pass = False


class Refused(LedgerError):
    """A guard refused before anything was touched."""

    exit_code = 3
    may_pass = False


class Busy(Refused):
    """Another operation on the same environment is at work."""

    may_pass = True


class BadBackup(LedgerError):
    """The backup has been shown not to be what its manifest says."""

    exit_code = 4
    may_pass = False


class UnrestorableSource(BadBackup):
    """The backup is what its manifest says, and the database it was taken of breaks a rule of its own."""


class CannotJudge(LedgerError):
    """The proof itself could not be carried out (no disk, no tool, a missing extension)."""

    exit_code = 5
    may_pass = False
