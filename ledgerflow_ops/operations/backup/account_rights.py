"""Reports the rights that a backup's account lacks, beforehand and in place of "permission denied"."""

from collections.abc import Iterator
from contextlib import contextmanager

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.inspection import missing_rights, standby
from ledgerflow_ops.core.checks import Check, failed, passed
from ledgerflow_ops.core.errors import BadBackup, Denied, LedgerError, Refused
from ledgerflow_ops.core.hints import NO_HINT, Hint
from ledgerflow_ops.core.postgres import missing_rights as rights_text
from ledgerflow_ops.operations.backup import completeness

_RECOVERY_CONFLICT = "conflict with recovery"
_CONFLICT_HINT = Hint(
    "The standby replayed what the backup was still reading. Run it again; if it repeats, set on the standby "
    "hot_standby_feedback = on, or a longer max_standby_streaming_delay (and max_standby_archive_delay)."
)


@contextmanager
def explain_errors(database: Database) -> Iterator[None]:
    """Add a hint to errors of the block that are caused by missing rights or by a standby's replay.

    The rights are checked object by object; where none is missing, the error stays as it is. Denied for
    missing rights.
    """
    try:
        yield
    except (BadBackup, Refused):
        raise
    except LedgerError as error:
        if _RECOVERY_CONFLICT in error.message:
            raise LedgerError(error.message, hint=_CONFLICT_HINT) from None
        if rights_text.DENIED.search(error.message) and (hint := _grant_hint(database)):
            raise Denied(error.message, hint=hint) from None
        raise


def _grant_hint(database: Database) -> Hint:
    """The GRANT statements for missing rights; empty when none is missing, or they cannot be checked."""
    try:
        with database.connect() as connection:
            lacking, version = (
                missing_rights.find_missing_rights(connection),
                missing_rights.read_account(connection).version,
            )
    except LedgerError:
        return NO_HINT
    return rights_text.hint(lacking, version) if lacking else NO_HINT


def rights_checks(name: str, connection: Connection) -> Iterator[Check]:
    """What would make a backup by this account fail, or what it would omit, as checks called `name`."""
    who = missing_rights.read_account(connection)
    lacking, unseen = (
        missing_rights.find_missing_rights(connection),
        missing_rights.find_omitted_objects(connection),
    )
    if lacking:
        message = f"{who.name} may not read all that a backup holds: {rights_text.sentence(lacking)}."
        yield failed(name, "rights", message, rights_text.hint(lacking, who.version))
    if unseen:
        message = "A backup would not be proven: " + "; ".join(loss.text for loss in unseen) + "."
        yield failed(name, "incomplete", message, unseen[0].hint)
    for warning in completeness.standby_warnings(standby.read_standby(connection)):
        yield passed(name, warning.text)
    if not (lacking or unseen):
        yield passed(name, f"{who.name} may read all that a backup holds")
