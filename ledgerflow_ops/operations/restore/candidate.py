"""Examines the backup that is to be restored."""

from ledgerflow_ops.core.errors import CannotJudge, KeyUnavailable, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.core.restore.restore_plan import Candidate
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification.verify import verify


def examined_candidate(origin: EnvironmentContext, request: RestoreRequest) -> Candidate:
    """The requested backup, read to its end. KeyUnavailable (5) where no identity opens it."""
    try:
        name = catalog.find(origin, request.file)
    except SettingsError as error:
        raise Refused(error.message, hint=error.hint) from None
    try:
        examination = verify(origin, name)
    except KeyUnavailable:
        raise
    except CannotJudge as error:
        return Candidate(name, catalog.entry(origin, name).manifest, None, error.message)
    trouble = examination.bad.message if examination.bad else ""
    return Candidate(name, examination.manifest, examination.rung, trouble)
