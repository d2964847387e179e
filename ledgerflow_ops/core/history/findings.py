"""What an audit found, as findings for alerts and as an asset check."""

from collections.abc import Sequence

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.alerting.root_cause import BACKUP_FILE, HISTORY
from ledgerflow_ops.core.checks import Check, failed, passed
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.history.chain import Fault

CHECK = "history"
"""The name of the asset check."""
_NAMED = 20


def history_findings(environment: Environment, faults: Sequence[Fault]) -> list[Finding]:
    """A finding for each contradiction, the first entry first; one for what is beyond the first twenty."""
    findings = [
        Finding(
            environment,
            HISTORY,
            fault.file or fault.kind,
            Level.CRITICAL,
            fault.message,
            fault.hint,
            figures={BACKUP_FILE: fault.file} if fault.file else {},
        )
        for fault in faults[:_NAMED]
    ]
    if beyond := faults[_NAMED:]:
        text = f"{len(beyond)} more backups of {environment} contradict the history."
        findings.append(Finding(environment, HISTORY, "more", Level.CRITICAL, text, beyond[0].hint))
    return findings


def history_check(environment: Environment, faults: Sequence[Fault], entries: int) -> Check:
    """The verdict of an audit as a check."""
    if not faults:
        return passed(CHECK, f"{entries} entries, and nothing in the folder contradicts them.")
    first, more = faults[0], len(faults) - 1
    text = f"Entry {first.n} is the first that is contradicted. {first.message}"
    return failed(CHECK, HISTORY, f"{text} {more} more." if more else text, first.hint.within(environment))
