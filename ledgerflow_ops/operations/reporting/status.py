"""How it stands: each environment's backups, objectives, room and next run, and what is wrong."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledgerflow_ops.core.alerting.findings import Alert, Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.presentation.day_status import Health, health_of, worst_first
from ledgerflow_ops.core.restore.database_names import SiblingDatabase
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.monitoring import environment_status, health_checks
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus

STRIP_DAYS = 30


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong; since when it is an alert, and which channels did not take that."""

    finding: Finding
    since: datetime | None = None
    undelivered: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        finding = self.finding
        return {
            "environment": str(finding.environment) if finding.environment else None,
            "kind": finding.kind,
            "subject": finding.subject,
            "level": str(finding.level),
            "message": finding.message,
            "hint": str(finding.hint),
            "since": self.since.isoformat() if self.since else None,
            "undelivered": list(self.undelivered),
        }


@dataclass(frozen=True)
class Status:
    """One environment's standing, what restores have put aside on its server, and what is wrong with it."""

    standing: FolderStatus
    incidents: tuple[Incident, ...] = ()
    kept: tuple[SiblingDatabase, ...] = ()
    unseen: str = ""

    @property
    def env(self) -> EnvironmentContext:
        return self.standing.env

    @property
    def proven(self) -> BackupSummary | None:
        return self.standing.proven

    @property
    def tone(self) -> Health:
        has = bool(self.standing.present or self.standing.others)
        found = [incident.finding for incident in self.incidents]
        return health_of(found, has_backups=has, scheduled=self.env.settings.is_scheduled)

    def as_json(self) -> dict[str, Any]:
        found, proven = self.standing, self.standing.proven
        reached, within = found.objectives, self.env.settings.redrill_days
        drills = {"restored": reached.coverage.restored, "of": reached.coverage.kept, "within_days": within}
        return {
            "environment": str(self.env.environment),
            "sample": self.env.is_sample,
            "scheduled": self.env.settings.is_scheduled,
            "folder": self.env.store.location,
            "standing": str(self.tone),
            "newest_proven": proven.name.dump if proven else None,
            "rpo_seconds": reached.rpo_seconds,
            "rpo_objective_seconds": reached.rpo_objective,
            "rto_seconds": reached.rto_seconds,
            "rto_objective_seconds": reached.rto_objective,
            "next_run": found.next_run.isoformat() if found.next_run else None,
            "drills": drills,
            "days": [{"day": one.day.isoformat(), "state": one.state} for one in found.days(STRIP_DAYS)],
            "room": [room.as_json() for room in found.rooms],
            "pins": [pin.model_dump(mode="json") for pin in found.pins],
            "incidents": [incident.as_json() for incident in self.incidents],
            "kept_databases": [
                {"name": one.name, "since": one.mark.at.isoformat(), "size": one.size} for one in self.kept
            ],
            "backups": found.backups(),
        }


@dataclass(frozen=True)
class Overview:
    """All that was asked for, and what is wrong with the machine they share."""

    now: datetime
    environments: tuple[Status, ...]
    machine: tuple[Incident, ...] = ()

    @property
    def critical(self) -> bool:
        found = [*self.machine, *(one for each in self.environments for one in each.incidents)]
        return any(incident.finding.level is Level.CRITICAL for incident in found)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.now.isoformat(),
            "critical": self.critical,
            "machine": [incident.as_json() for incident in self.machine],
            "environments": [item.as_json() for item in self.environments],
        }


def overview(ctx: OperationContext, envs: Iterable[EnvironmentContext]) -> Overview:
    """How these environments and their machine stand now. What cannot be found out is an incident itself."""
    told, trouble = _alerts(ctx)
    looked = [*_findings_or_error("watch", None, lambda: health_checks.find_machine_problems(ctx)), *trouble]
    machine = _merge_incidents(looked, [one for one in told if one.finding.environment is None])
    return Overview(ctx.clock(), tuple(_status(env, told) for env in envs), machine)


def status(env: EnvironmentContext) -> Status:
    """The environment's standing now, and what restores have put aside on the server."""
    return _status(env, _alerts(env.ctx)[0])


def _status(env: EnvironmentContext, told: Sequence[Alert]) -> Status:
    found = environment_status.read_folder_status(env)
    kept, unseen = restore_leftovers.previous_databases_or_reason(env)
    looked = _findings_or_error("watch", env.environment, lambda: health_checks.find_problems(env))
    if found.trouble:
        looked = [_unreadable(found, found.trouble), *looked]
    own = [alert for alert in told if alert.finding.environment is env.environment]
    return Status(found, _merge_incidents(looked, own), tuple(kept), unseen)


def _merge_incidents(looked: Sequence[Finding], told: Sequence[Alert]) -> tuple[Incident, ...]:
    """What was found just now, and what others have told and is still open. Of what the watch itself told
    earlier only that counts which it still finds."""
    known = {alert.finding.key: alert for alert in reversed(told)}
    now = {finding.key: finding for finding in reversed(looked)}
    others = [alert.finding for alert in told if not alert.source.startswith("watch:")]
    found = worst_first([*now.values(), *(one for one in others if one.key not in now)])
    return tuple(_incident(finding, known.get(finding.key)) for finding in found)


def _incident(finding: Finding, alert: Alert | None) -> Incident:
    return Incident(finding, alert.since, tuple(sorted(alert.missed))) if alert else Incident(finding)


def _unreadable(found: FolderStatus, trouble: LedgerError) -> Finding:
    environment = found.env.environment
    message = f"{environment}'s backups cannot be read: {trouble.message}"
    return Finding(environment, "unreadable", "folder", Level.CRITICAL, message, trouble.hint)


def _findings_or_error(
    kind: str, environment: Environment | None, look: Callable[[], Iterable[Finding]]
) -> list[Finding]:
    """What `look` finds; what keeps it from looking is a finding as well."""
    try:
        return list(look())
    except (LedgerError, OSError) as error:
        message = error.message if isinstance(error, LedgerError) else f"{error.filename}: {error.strerror}."
        hint = error.hint if isinstance(error, LedgerError) else Hint(make("doctor"), " looks at it.")
        return [Finding(environment, kind, "looking", Level.CRITICAL, message, hint)]


def _alerts(ctx: OperationContext) -> tuple[list[Alert], list[Finding]]:
    """The open alerts, or why they cannot be told."""
    trouble = _findings_or_error("alerts", None, lambda: _damage_findings(alerts.record_damage(ctx)))
    return ([] if trouble else alerts.open_alerts(ctx)), trouble


def _damage_findings(damage: str) -> Iterator[Finding]:
    if damage:
        message = f"The record of open alerts cannot be read: {damage}. The next look sets it aside."
        yield Finding(None, "alerts", "record", Level.CRITICAL, message, Hint(make("watchdog")))
