"""What is evidence that a problem which an ended run had no longer exists.

A check is resolved only where it was carried out again and passed, a failed run only where such a run
succeeded. A later run that failed before it came to the check has shown nothing. A problem with one backup's
file ends with that file: it was found good since, or it is gone and a newer backup is proven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.alerting.root_cause import BACKUP_FILE, DAY
from ledgerflow_ops.core.environments import Environment

BACKUP, DRILL, VERIFY, ARCHIVE = "backup", "drill", "verify", "archive"
FAILED, CANCELED, FAILED_CHECK, MISSING_CHECK = "run failed", "run canceled", "check failed", "check missing"
"""The kinds of findings that runs leave."""
CHECK, ENDED = "check", "ended"
"""Figures of such findings: the check's name, and when the run ended."""
NOT_REACHED = "not reached"
"""The cause of a check that another failed check kept from being carried out."""


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """What a run has shown. `judged` says of each check that it carried out whether that passed."""

    environment: Environment | None
    verb: str
    day: date | None
    backup: str
    judged: Mapping[str, bool]
    succeeded: bool

    @property
    def source(self) -> str:
        """The source of its alerts."""
        return f"run:{self.environment}_{self.verb}" if self.environment else f"run:{self.verb}"


@dataclass(frozen=True, slots=True)
class FolderEvidence:
    """What an environment's folder shows now: the files of its backups, when each proven one was last
    examined (aware), and the day of the newest proven one.
    """

    files: frozenset[str]
    proven: Mapping[str, datetime]
    newest_proven: date | None


def resolves(run: RunEvidence, source: str, finding: Finding) -> bool:
    """Whether the run is evidence that this finding, which an earlier run of `source` left, is over."""
    if finding.environment is not run.environment:
        return False
    if finding.kind in (FAILED_CHECK, MISSING_CHECK):
        return _check_resolved(run, source, finding)
    return run.succeeded and _run_resolved(run, source, finding)


def resolved_in_folder(finding: Finding, folder: FolderEvidence) -> bool:
    """Whether the folder shows that a problem with one backup's file is over.

    Proof resolves what made the file bad or kept it from being judged. Its absence resolves everything about
    it, once a backup of its day or a later one is proven.
    """
    file, day = str(finding.figures.get(BACKUP_FILE, "")), day_of(finding)
    if not file:
        return False
    if file not in folder.files:
        return folder.newest_proven is not None and (day is None or folder.newest_proven >= day)
    examined = folder.proven.get(file)
    return finding.level is Level.CRITICAL and examined is not None and examined > ended(finding)


def day_of(finding: Finding) -> date | None:
    """The backup day of a run's finding."""
    day = finding.figures.get(DAY)
    return date.fromisoformat(str(day)) if day else None


def ended(finding: Finding) -> datetime:
    """When the run ended that left the finding."""
    return datetime.fromisoformat(str(finding.figures[ENDED]))


def _check_resolved(run: RunEvidence, source: str, finding: Finding) -> bool:
    """Whether the finding's check passed in this run: on the same backup, or, unless the file itself was
    found bad or its copies were, on a later one.
    """
    if not run.judged.get(_check_name(finding), False):
        return False
    bad = finding.kind == FAILED_CHECK and finding.level is Level.CRITICAL
    bad = bad or source == f"run:{run.environment}_{ARCHIVE}"
    return _same_backup(run, finding) or (not bad and _earlier(day_of(finding), run.day))


def _check_name(finding: Finding) -> str:
    """The finding's check. Records of earlier versions have it only as the last word of the subject."""
    return str(finding.figures.get(CHECK) or finding.subject.split()[-1])


def _run_resolved(run: RunEvidence, source: str, finding: Finding) -> bool:
    """Whether a successful run resolves the failure of an earlier one.

    A backup also resolves the failures of earlier days, as do copies, which are made of every day that lacks
    them, and of drills and verifications of its own day.
    """
    if not _may_be_same_backup(run, finding):
        return False
    day = day_of(finding)
    if source == run.source:
        return day == run.day or (run.verb in (BACKUP, ARCHIVE) and _earlier(day, run.day))
    own = {f"run:{run.environment}_{verb}" for verb in (DRILL, VERIFY)}
    return run.verb == BACKUP and source in own and day == run.day


def _same_backup(run: RunEvidence, finding: Finding) -> bool:
    file = finding.figures.get(BACKUP_FILE)
    return file == run.backup if file and run.backup else day_of(finding) == run.day


def _may_be_same_backup(run: RunEvidence, finding: Finding) -> bool:
    """False only for the failed drill or verification of another backup than the run's."""
    file = finding.figures.get(BACKUP_FILE)
    about_file = not finding.subject.startswith(BACKUP)
    return not (file and run.backup and about_file) or file == run.backup


def _earlier(day: date | None, other: date | None) -> bool:
    return day is None or (other is not None and day <= other)


def resolved_by_folders(
    open_findings: Mapping[str, Sequence[Finding]], folders: Mapping[Environment, FolderEvidence]
) -> dict[str, list[Finding]]:
    """The findings without those that their environment's folder resolves, where it could be read."""

    def is_over(finding: Finding) -> bool:
        folder = folders.get(finding.environment) if finding.environment else None
        return folder is not None and resolved_in_folder(finding, folder)

    return {
        source: [finding for finding in findings if not is_over(finding)]
        for source, findings in open_findings.items()
    }
