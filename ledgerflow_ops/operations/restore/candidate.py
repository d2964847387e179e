"""Examines the backup that is to be restored."""

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import CannotJudge, KeyUnavailable, Refused, SettingsError
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.core.restore.restore_plan import Candidate
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.archive.sources import report_source, sources_of
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification.verify import verify


def examined_candidate(
    origin: EnvironmentContext, request: RestoreRequest
) -> tuple[EnvironmentContext, Candidate]:
    """The requested backup, read to its end, and the location where it is.

    Where the primary folder's copy does not hold, or there is none, the archive locations' copies are tried.
    KeyUnavailable (5) where no identity opens it; Refused (3) where no location has it.
    """
    first: tuple[EnvironmentContext, Candidate] | None = None
    try:
        for at, name in sources_of(origin, request.file):
            report_source(origin, at, name)
            found = at, _examined(at, name)
            if not found[1].trouble:
                return found
            first = first or found
            origin.ctx.reporter.say(f"{name.dump} in {place_name(at)}: {found[1].trouble}")
    except SettingsError as error:
        raise Refused(error.message, hint=error.hint) from None
    assert first, "sources_of yields one, or raises"
    return first


def _examined(at: EnvironmentContext, name: BackupName) -> Candidate:
    try:
        examination = verify(at, name)
    except KeyUnavailable:
        raise
    except CannotJudge as error:
        return Candidate(name, catalog.entry(at, name).manifest, None, error.message)
    trouble = examination.bad.message if examination.bad else ""
    return Candidate(name, examination.manifest, examination.rung, trouble)
