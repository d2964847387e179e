"""The status of each environment: backups, objectives, space and next run, and what is wrong."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledgerflow_ops.core.alerting.findings import Alert, Finding, Level
from ledgerflow_ops.core.catalog.backup_keys import KeyCoverage, key_coverage
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.key_survival import KeyDrill
from ledgerflow_ops.core.presentation.day_status import Health, health_of, worst_first
from ledgerflow_ops.core.restore.database_names import SiblingDatabase
from ledgerflow_ops.core.restore.restore_rights import RestoreRights
from ledgerflow_ops.operations import key_record
from ledgerflow_ops.operations.alerting import alerts
from ledgerflow_ops.operations.archive import copies_record
from ledgerflow_ops.operations.archive.copies_record import CopiesRecord
from ledgerflow_ops.operations.cleanup import restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.monitoring import environment_status, health_checks
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus
from ledgerflow_ops.operations.quarantined import quarantine_store
from ledgerflow_ops.operations.restore import restore_rights

STRIP_DAYS = 30


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong, since when it is an alert, and which channels did not deliver that."""

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
    """The status of one environment's folder, databases that restores have kept aside, and incidents.

    `rights` are those of the account that restores; None for the sample, and where the server is not reached.
    """

    folder_status: FolderStatus
    incidents: tuple[Incident, ...] = ()
    previous: tuple[SiblingDatabase, ...] = ()
    server_problem: str = ""
    rights: RestoreRights | None = None
    copies: CopiesRecord | None = None
    """What the last run of the archive saw; None before one, and where no archive location is set."""
    key_drill: KeyDrill | None = None
    """The last key-survival drill; None before one."""

    @property
    def env(self) -> EnvironmentContext:
        return self.folder_status.env

    @property
    def proven(self) -> BackupSummary | None:
        return self.folder_status.proven

    @property
    def coverage(self) -> KeyCoverage:
        """How many backups each key opens, by their manifests."""
        return key_coverage(self.folder_status.present, self.env.settings.all_recipients)

    @property
    def health(self) -> Health:
        has = bool(self.folder_status.present or self.folder_status.others)
        findings = [incident.finding for incident in self.incidents]
        return health_of(findings, has_backups=has, scheduled=self.env.settings.is_scheduled)

    def as_json(self) -> dict[str, Any]:
        folder, proven = self.folder_status, self.folder_status.proven
        objectives, within = folder.objectives, self.env.settings.redrill_days
        drills = {
            "restored": objectives.coverage.restored,
            "of": objectives.coverage.kept,
            "within_days": within,
        }
        return {
            "environment": str(self.env.environment),
            "sample": self.env.is_sample,
            "scheduled": self.env.settings.is_scheduled,
            "folder": self.env.store.location,
            "standing": str(self.health),
            "newest_proven": proven.name.dump if proven else None,
            "rpo_seconds": objectives.rpo_seconds,
            "rpo_objective_seconds": objectives.rpo_objective,
            "rto_seconds": objectives.rto_seconds,
            "rto_objective_seconds": objectives.rto_objective,
            "next_run": folder.next_run.isoformat() if folder.next_run else None,
            "drills": drills,
            "days": [{"day": item.day.isoformat(), "state": item.state} for item in folder.days(STRIP_DAYS)],
            "room": [room.as_json() for room in folder.spaces],
            "pins": [pin.model_dump(mode="json") for pin in folder.pins],
            "quarantined": [record.model_dump(mode="json") for record in folder.quarantined],
            "quarantine": quarantine_store(self.env).location if folder.quarantined else None,
            "incidents": [incident.as_json() for incident in self.incidents],
            "kept_databases": [
                {"name": item.name, "since": item.mark.at.isoformat(), "size": item.size}
                for item in self.previous
            ],
            "restore_rights": self.rights.as_json(self.env.environment) if self.rights else None,
            "copies": self.copies.as_json() if self.copies else None,
            "keys": self.coverage.as_json() if self.coverage else None,
            "key_drill": self.key_drill.as_json() if self.key_drill and self.key_drill.at else None,
            "backups": folder.backups(),
        }


@dataclass(frozen=True)
class Overview:
    """The requested environments, and what is wrong with the machine."""

    now: datetime
    environments: tuple[Status, ...]
    machine: tuple[Incident, ...] = ()

    @property
    def critical(self) -> bool:
        incidents = [*self.machine, *(problem for item in self.environments for problem in item.incidents)]
        return any(incident.finding.level is Level.CRITICAL for incident in incidents)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.now.isoformat(),
            "critical": self.critical,
            "machine": [incident.as_json() for incident in self.machine],
            "environments": [item.as_json() for item in self.environments],
        }


def overview(ctx: OperationContext, envs: Iterable[EnvironmentContext]) -> Overview:
    """The status of these environments and of the machine. What cannot be determined is an incident."""
    open_alerts, trouble = _alerts(ctx)
    findings = [
        *_findings_or_error("watch", None, lambda: health_checks.find_machine_problems(ctx)),
        *trouble,
    ]
    machine = _merge_incidents(
        findings, [alert for alert in open_alerts if alert.finding.environment is None]
    )
    return Overview(ctx.clock(), tuple(_status(env, open_alerts) for env in envs), machine)


def status(env: EnvironmentContext) -> Status:
    """The status of one environment now."""
    return _status(env, _alerts(env.ctx)[0])


def _status(env: EnvironmentContext, open_alerts: Sequence[Alert]) -> Status:
    folder = environment_status.read_folder_status(env)
    previous, unseen = restore_leftovers.previous_databases_or_reason(env)
    findings = _findings_or_error("watch", env.environment, lambda: health_checks.find_problems(env))
    if folder.trouble:
        findings = [_unreadable(folder, folder.trouble), *findings]
    own = [alert for alert in open_alerts if alert.finding.environment is env.environment]
    rights = None if unseen else restore_rights.find_restore_rights(env)
    copies = copies_record.read_record(env) if env.ctx.settings.locations_of(env.environment) else None
    return Status(
        folder,
        _merge_incidents(findings, own),
        tuple(previous),
        unseen,
        rights,
        copies,
        _key_drill(env, folder),
    )


def _key_drill(env: EnvironmentContext, folder: FolderStatus) -> KeyDrill | None:
    """The last key-survival drill, where it matters."""
    encrypts = env.encrypts or any(backup.recipients for backup in folder.present)
    return key_record.read_drill(env) if encrypts else None


def _merge_incidents(findings: Sequence[Finding], open_alerts: Sequence[Alert]) -> tuple[Incident, ...]:
    """The incidents: findings of now, and open alerts of other sources. An earlier alert of the watch counts
    only if it is found again."""
    alert_of = {alert.finding.key: alert for alert in reversed(open_alerts)}
    current = {finding.key: finding for finding in reversed(findings)}
    reported = [alert.finding for alert in open_alerts if not alert.source.startswith("watch:")]
    ordered = worst_first([*current.values(), *(other for other in reported if other.key not in current)])
    return tuple(_incident(finding, alert_of.get(finding.key)) for finding in ordered)


def _incident(finding: Finding, alert: Alert | None) -> Incident:
    return Incident(finding, alert.since, tuple(sorted(alert.missed))) if alert else Incident(finding)


def _unreadable(folder: FolderStatus, trouble: LedgerError) -> Finding:
    environment = folder.env.environment
    message = f"{environment}'s backups cannot be read: {trouble.message}"
    return Finding(environment, "unreadable", "folder", Level.CRITICAL, message, trouble.hint)


def _findings_or_error(
    kind: str, environment: Environment | None, find: Callable[[], Iterable[Finding]]
) -> list[Finding]:
    """What `find` returns; an error that it raises becomes a finding."""
    try:
        return list(find())
    except (LedgerError, OSError) as error:
        message = error.message if isinstance(error, LedgerError) else f"{error.filename}: {error.strerror}."
        hint = error.hint if isinstance(error, LedgerError) else Hint(make("doctor"), " checks it.")
        return [Finding(environment, kind, "looking", Level.CRITICAL, message, hint)]


def _alerts(ctx: OperationContext) -> tuple[list[Alert], list[Finding]]:
    """The open alerts, or a finding why they are not known."""
    trouble = _findings_or_error("alerts", None, lambda: _damage_findings(alerts.record_damage(ctx)))
    return ([] if trouble else alerts.open_alerts(ctx)), trouble


def _damage_findings(damage: str) -> Iterator[Finding]:
    if damage:
        message = f"The record of open alerts cannot be read: {damage}. The next watch sets it aside."
        yield Finding(None, "alerts", "record", Level.CRITICAL, message, Hint(make("watchdog")))
