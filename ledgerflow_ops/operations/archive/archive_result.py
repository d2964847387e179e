"""What became of a run of the archive: per location, and as checks of each backup."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ledgerflow_ops.core.archive.copies import COPIED, judge_copies
from ledgerflow_ops.core.archive.copy_plan import PRESENT, CopyPlan
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive.copies import copies_of
from ledgerflow_ops.operations.context import EnvironmentContext


@dataclass
class LocationResult:
    """What became of one location. `copied` are the backups that were copied now, with the bytes sent.

    `failed` are those that could not be, with the error. `trouble` is why the location as a whole failed.
    """

    location: str
    plan: CopyPlan = field(default_factory=lambda: CopyPlan(""))
    copied: dict[str, int] = field(default_factory=dict)
    failed: dict[str, LedgerError] = field(default_factory=dict)
    trouble: LedgerError | None = None
    files: dict[str, str] = field(default_factory=dict)
    """The dump's file of each backup."""

    def problem_of(self, name: str) -> LedgerError | None:
        """Why the backup of this name is not in the location though it should be; None where it is."""
        decision = self.plan.decision(name)
        if self.trouble and (decision is None or decision.awaited) and name not in self.copied:
            return self.trouble
        if name in self.failed:
            return self.failed[name]
        if decision and decision.awaited and not decision.copies:
            return LedgerError(decision.reason, hint=Hint(make("repair"), "; then ", make("archive")))
        return None

    def has(self, name: str) -> bool:
        """Whether the backup of this name is in the location now."""
        decision = self.plan.decision(name)
        return name in self.copied or bool(decision and decision.reason == PRESENT)

    def outcome_of(self, name: str) -> str:
        """What became of one backup here, in words."""
        if problem := self.problem_of(name):
            return problem.message
        if name in self.copied:
            return "copied and read back now"
        decision = self.plan.decision(name)
        return decision.reason if decision else "nothing to do"

    def as_json(self) -> dict[str, Any]:
        failed = {self.files.get(name, name): error.message for name, error in self.failed.items()}
        trouble = self.trouble.message if self.trouble else None
        copied = [self.files.get(name, name) for name in self.copied]
        sent = sum(self.copied.values())
        return {
            "location": self.location,
            "copied": copied,
            "bytes": sent,
            "failed": failed,
            "trouble": trouble,
        }


@dataclass(frozen=True)
class ArchiveResult:
    """A run of the archive: what became of each location."""

    env: EnvironmentContext
    locations: tuple[LocationResult, ...]
    proven: tuple[CatalogEntry, ...] = ()
    """The proven backups, newest first, as they were when the run began."""

    def day_of(self, name: BackupName) -> date | None:
        """The day of one of the proven backups."""
        return next((entry.day for entry in self.proven if entry.name == name), None)

    @property
    def troubles(self) -> list[LedgerError]:
        """All errors, the locations' own first."""
        own = [result.trouble for result in self.locations if result.trouble]
        return own + [error for result in self.locations for error in result.failed.values()]

    @property
    def touched(self) -> list[str]:
        """The backups that were copied, or should have been, by name."""
        names = {name for result in self.locations for name in (*result.copied, *result.failed)}
        awaited = {
            decision.name for result in self.locations if result.trouble for decision in result.plan.to_copy
        }
        return sorted(names | awaited)

    def checks(self, name: BackupName) -> list[Check]:
        """The checks of one backup: whether it is in its locations, and whether its copies suffice."""
        problems = [(result, error) for result in self.locations if (error := result.problem_of(name.stem))]
        return [_copied_check(name, self.locations, problems), check_copies(self.env, name)]

    def as_json(self) -> dict[str, Any]:
        return {"locations": [result.as_json() for result in self.locations]}


def check_copies(env: EnvironmentContext, name: BackupName) -> Check:
    """The 3-2-1 rule for one backup, by what its locations hold now."""
    manifest = catalog.read_manifest(env, name)
    return judge_copies(name.dump, copies_of(env, name, manifest.digest if manifest else ""))


def _copied_check(
    name: BackupName,
    locations: tuple[LocationResult, ...],
    problems: list[tuple[LocationResult, LedgerError]],
) -> Check:
    if problems:
        listed = " ".join(f"{result.location}: {error.message}" for result, error in problems)
        cause = f"location {problems[0][0].location}"
        message = f"{name.dump} is not in {len(problems)} of {len(locations)} archive locations. {listed}"
        return warned(
            COPIED, cause, message, Hint(problems[0][1].hint, " ", make("archive"), " tries again.")
        )
    said = [f"{result.location} ({result.outcome_of(name.stem)})" for result in locations]
    return passed(COPIED, f"{name.dump}: {', '.join(said)}.")
