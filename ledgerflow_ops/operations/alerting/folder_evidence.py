"""Reads the evidence in the backup folders that findings of ended runs are resolved."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from ledgerflow_ops.core.alerting.findings import Finding
from ledgerflow_ops.core.alerting.root_cause import BACKUP_FILE
from ledgerflow_ops.core.catalog.catalog import newest_proven
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.monitoring.run_evidence import FolderEvidence
from ledgerflow_ops.operations import summaries
from ledgerflow_ops.operations.context import EnvironmentContext


def read_evidence(
    envs: Sequence[EnvironmentContext], open_findings: Mapping[str, Sequence[Finding]]
) -> dict[Environment, FolderEvidence]:
    """The evidence for each environment that has an open finding about a backup's file.

    An environment whose folder is missing, or cannot be read now, has none.
    """
    about = {
        finding.environment
        for findings in open_findings.values()
        for finding in findings
        if finding.figures.get(BACKUP_FILE)
    }
    evidence = {}
    for env in envs:
        if env.environment in about and (found := _read(env)):
            evidence[env.environment] = found
    return evidence


def _read(env: EnvironmentContext) -> FolderEvidence | None:
    with suppress(LedgerError):
        listing = env.store.listing()
        if not listing.exists:
            return None
        listed, _ = summaries.list_with_digest(env, listing)
        backups = [dump.summary for dump in listed if dump.summary is not None]
        newest = newest_proven(summaries.own_backups(env, backups))
        return FolderEvidence(
            files=frozenset(dump.name.dump for dump in listed),
            proven={
                backup.name.dump: backup.examined_at
                for backup in backups
                if backup.proven and backup.examined_at
            },
            newest_proven=newest.day if newest else None,
        )
    return None
