"""Translates psycopg's errors to LedgerErrors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.errors import Denied, InUse, LedgerError, Unanswered, Unsettled
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres.connection_limits import BACKUP

_DENIED = re.compile(
    r"FATAL: +(?:password authentication failed|no pg_hba\.conf entry|(?:database|role) .* does not exist"
    r"|permission denied|role .* is not permitted to log in)|no password supplied"
)
"""A server that answers and refuses: a retry fails in the same way. These errors have no SQLSTATE."""
_FULL = re.compile(r'too many connections for (role|database) "(.*)"')
_TRANSIENT = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)
"""Errors about an object that was dropped while it was read, and about conflicting transactions."""
_VANISHED = re.compile(
    r"cache lookup failed|could not open relation with OID|could not find tuple|tuple concurrently"
)
_IN_USE = Hint(
    "A session on it did not end within the five seconds that the server waits. Stop the application; resume "
    "or end a process that is stopped (SIGSTOP). Then run it again."
)
_SEE_LOG = Hint("The server's log has details. ", make("doctor"), " checks both.")
_CHANGED = Hint("If something was dropped or changed meanwhile, run it again. ", _SEE_LOG)


@contextmanager
def translated(label: str) -> Iterator[None]:
    """Raise psycopg's errors as LedgerErrors that name the database and contain no secret.

    Unanswered: no answer in time. Denied: refused by the server. InUse: sessions did not end. Unsettled: an
    object was changed meanwhile, so another attempt may succeed.
    """
    try:
        yield
    except psycopg.errors.ConnectionTimeout as error:
        raise Unanswered(
            f"{label}: {mask_secrets(str(error)).strip()}", hint=_connection_hint(str(error))
        ) from None
    except psycopg.errors.ObjectInUse as error:
        raise InUse(f"{label}: {mask_secrets(str(error)).strip()}", hint=_IN_USE) from None
    except psycopg.OperationalError as error:
        kind = Denied if _DENIED.search(str(error)) else LedgerError
        raise kind(
            f"{label}: {mask_secrets(str(error)).strip()}", hint=_connection_hint(str(error))
        ) from None
    except _TRANSIENT as error:
        raise Unsettled(f"{label}: {mask_secrets(str(error)).strip()}", hint=_CHANGED) from None
    except psycopg.errors.InternalError as error:
        kind = Unsettled if _VANISHED.search(str(error)) else LedgerError
        hint = _CHANGED if kind is Unsettled else _SEE_LOG
        raise kind(f"{label}: {mask_secrets(str(error)).strip()}", hint=hint) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise Denied(
            f"{label}: {mask_secrets(str(error)).strip()}",
            hint=Hint(
                "The account needs to read every table and sequence: GRANT pg_read_all_data TO it, "
                "and BYPASSRLS where row-level security is on."
            ),
        ) from None
    except psycopg.Error as error:
        raise LedgerError(f"{label}: {mask_secrets(str(error)).strip()}", hint=_SEE_LOG) from None


def _connection_hint(error: str) -> Hint:
    """The hint for a connection that failed."""
    if full := _FULL.search(error):
        limit = f'ALTER {full[1].upper()} "{full[2]}" CONNECTION LIMIT {BACKUP};'
        return Hint(f"{limit} allows the connections that a backup needs, beside those of other sessions.")
    hangs = (
        " A server that is stopped (SIGSTOP) or hangs must be resumed first." if "timeout" in error else ""
    )
    return Hint(
        "Is the server running and the URL right? ", make("doctor"), f" tries every connection.{hangs}"
    )
