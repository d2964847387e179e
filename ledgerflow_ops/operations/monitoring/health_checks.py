"""Finds what is wrong with an environment and with the machine. Whom to alert is decided by alerting.

A part that fails does not stop the others: the failure is a finding itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump, without_future
from ledgerflow_ops.core.catalog.catalog import newest_first, newest_proven
from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.checks import Check, failed
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint, command, make
from ledgerflow_ops.core.history.findings import history_findings
from ledgerflow_ops.core.monitoring import (
    anomalies,
    disk_findings,
    missing_backups,
    objectives,
    proof_findings,
)
from ledgerflow_ops.core.monitoring.missing_backups import DailySchedule
from ledgerflow_ops.operations import key_record, quarantined, removal_history, summaries
from ledgerflow_ops.operations.background_process import Server
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext, OperationContext
from ledgerflow_ops.operations.history import audit, history_files
from ledgerflow_ops.operations.monitoring import disk_metrics, drift_detection, first_watch
from ledgerflow_ops.operations.monitoring.environment_status import evaluate_environment

FindProblems = Callable[[], Sequence[Finding]]
WATCH = "watch"
"""The kind of the finding that a part of an examination failed."""

_SERVERS = {
    "daemon": "daemon",
    "webserver": "webserver",
    "metrics": "server of the figures",
    "viewers": "viewers' page",
}
"""Our servers by their recorded names, with the words for messages."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What is wrong with an environment or with the machine, and whether the environment meets its RPO.

    `fresh` is None for the machine, and where the folder could not be read. `unseen` are the parts that could
    not look: earlier findings of theirs are neither confirmed nor over. `listed` are the environment's dumps.
    """

    findings: list[Finding]
    fresh: Check | None = None
    unseen: frozenset[str] = frozenset()
    listed: Sequence[ListedDump] = ()


def check_environment_freshness(env: EnvironmentContext) -> Check:
    """Whether the newest proven backup meets the RPO now; never an error."""
    try:
        return _check_freshness(env, summaries.present_backups(env))
    except LedgerError as error:
        return failed("fresh", "not known", f"The RPO is not known: {error.message}", error.hint)


def _check_freshness(env: EnvironmentContext, backups: Sequence[BackupSummary]) -> Check:
    present = summaries.own_backups(env, backups)
    return objectives.check_freshness(
        evaluate_environment(env, present), newest_proven(present), expected=env.settings.is_scheduled
    )


def examine_environment(env: EnvironmentContext) -> HealthReport:
    """What is wrong with an environment now, and whether it meets its RPO; never an error."""
    watch = _Examination(env)
    parts = {
        "files": watch.files,
        "schedule": watch.schedule,
        "proof": watch.proof,
        "anomalies": watch.anomalies,
        "history": watch.history,
        "keys": watch.keys,
    }
    findings, unseen = _examine_parts(env.environment, parts)
    if watch.unreadable:
        unseen |= {*parts}
    if watch.ahead:
        unseen |= {"schedule"}
    fresh = _check_freshness(env, watch.present) if watch.folder_known else None
    return HealthReport(findings, fresh, frozenset(unseen), watch.listed)


def find_problems(env: EnvironmentContext) -> list[Finding]:
    """What is wrong with an environment now; never an error."""
    return examine_environment(env).findings


def find_machine_problems(ctx: OperationContext) -> list[Finding]:
    """What is wrong with the machine now: its disks, and our servers; never an error."""
    return examine_machine(ctx).findings


def examine_machine(ctx: OperationContext) -> HealthReport:
    """What is wrong with the machine now, and which of its disks could not be measured; never an error."""
    parts: dict[str, FindProblems] = {
        "drills": lambda: _sweep_drills(ctx),
        "disks": lambda: _disk_findings(ctx),
        "daemon": lambda: _server_findings(ctx),
    }
    findings, unseen = _examine_parts(None, parts)
    unseen |= {disk_findings.disk_part(finding.subject) for finding in findings if finding.kind == "away"}
    return HealthReport(findings, unseen=frozenset(unseen))


def _examine_parts(
    environment: Environment | None, parts: Mapping[str, FindProblems]
) -> tuple[list[Finding], set[str]]:
    """The findings of the parts, each marked with its part, and the parts that failed."""
    findings: list[Finding] = []
    failed_parts: set[str] = set()
    for name, part in parts.items():
        found = _findings_or_error(environment, name, part)
        failed_parts |= {name for finding in found if finding.kind == WATCH}
        findings += [finding if finding.part else replace(finding, part=name) for finding in found]
    return findings, failed_parts


class _Examination:
    """One examination of an environment. Later parts use what earlier ones have gathered."""

    def __init__(self, env: EnvironmentContext) -> None:
        self.env, self.environment = env, env.environment
        self.now = env.ctx.clock()
        self.listed: list[ListedDump] = []
        self.present: list[BackupSummary] = []
        self.known: list[BackupSummary] = []
        self.dated: list[BackupSummary] = []
        self.quarantined: list[Quarantined] = []
        self.cause = ""
        self.unreadable = True
        """Whether the folder could not be read: then nothing is reported as missing from it."""
        self.ahead = False
        """Whether all backups are from the future, so that nothing can be called late."""
        self.folder_known = False
        """Whether the folder was read, or is known not to exist."""

    def files(self) -> list[Finding]:
        """The folder, and changes in it that we did not make."""
        self.listed, findings, exists = drift_detection.detect_drift(self.env)
        self.present = newest_first(dump.summary for dump in self.listed if dump.summary is not None)
        self.quarantined = quarantined.quarantined_backups(self.env)
        gone = [*removal_history.removed_backups(self.env), *quarantined.quarantined_summaries(self.env)]
        self.known = newest_first([*self.present, *gone])
        self.dated = self._counted(self.known)
        self.unreadable, self.folder_known = not exists, True
        if exists:
            return findings
        message = f"{self.env.store.location}, with every backup of {self.environment} in it, is not there."
        hint = _mount_hint(self.env.store.home)
        return [Finding(self.environment, "folder", "folder", Level.CRITICAL, message, hint)]

    def schedule(self) -> list[Finding]:
        """Missing and late backups; only where backups are scheduled."""
        settings = self.env.settings
        self.ahead = not without_future(self.known, self.now) and bool(self.known)
        if self.unreadable or not settings.is_scheduled or self.ahead:
            return []
        late = timedelta(minutes=settings.late_minutes)
        since = first_watch.watched_since(self.env)
        daily = DailySchedule(self.environment, settings.schedule, settings.zone, late, since)
        overdue = missing_backups.find_missing_backups(self.dated, daily, self.now)
        if any(finding.kind in ("late", "never") for finding in overdue):
            self.cause = self.cause or self._cause()
            overdue = missing_backups.find_missing_backups(
                self.dated, daily, self.now, cause=self.cause, working=self._running_operation()
            )
        return overdue

    def proof(self) -> list[Finding]:
        """Bad backups everywhere; unproven ones and missed objectives where backups are scheduled."""
        settings, present = self.env.settings, self._counted(self.present)
        proven = newest_proven(present)
        findings = proof_findings.bad_backups(
            self.environment, self.listed, self.quarantined, proven.recovery_point if proven else None
        )
        findings += proof_findings.unrestorable_sources(self.environment, self.listed)
        findings += proof_findings.unjudged_backups(self.environment, self.listed)
        if self.unreadable or not settings.is_scheduled:
            return [*findings, *([] if self.unreadable else proof_findings.incomplete_backup(present))]
        reached = evaluate_environment(self.env, present)
        grace = timedelta(minutes=settings.late_minutes)
        return [
            *findings,
            *proof_findings.future_backups(self.environment, self.present, self.now),
            *proof_findings.unproven_backup(present, self.now, grace),
            *proof_findings.missed_objectives(self.environment, present, reached, self.now, cause=self.cause),
            *proof_findings.overdue_drills(self.environment, reached.coverage, settings.redrill_days),
        ]

    def anomalies(self) -> list[Finding]:
        """Anomalies of the newest backup."""
        return [] if self.unreadable else anomalies.find_anomalies(self.dated, self.env.settings.append_only)

    def history(self) -> list[Finding]:
        """What contradicts the history; nothing before the history has begun."""
        if self.unreadable or not history_files.has_begun(self.env):
            return []
        report = audit.audit(self.env, copies=False)
        if report.trouble:
            raise report.trouble
        return history_findings(self.environment, report.faults)

    def keys(self) -> list[Finding]:
        """A key-survival drill that failed or is overdue; where an escrowed identity is set."""
        if self.unreadable or not self.env.settings.has_escrow:
            return []
        present = {backup.name.dump for backup in self.present}
        drill = key_record.awaited_drill(self.env, self.now)
        return drill.findings(self.environment, present, self.now)

    def _counted(self, backups: Sequence[BackupSummary]) -> list[BackupSummary]:
        """The backups that count: of the environment's own database, and not from the future."""
        return without_future(summaries.own_backups(self.env, backups), self.now)

    def _cause(self) -> str:
        """Why no backup can be taken, as far as known; empty where it is not."""
        if message := disk_metrics.connection_problem(self.env):
            return f"the server of {self.environment} cannot be reached: {message}"
        full = [disk for disk in disk_metrics.measure_disks(self.env.ctx) if disk_findings.is_full(disk)]
        return disk_findings.disk_cause(full[0]) if full else ""

    def _running_operation(self) -> str:
        holder = locks.lock_holder(self.env.ctx.settings.state_dir, self.environment)
        return f" Another operation is at work: {holder}." if holder else ""


def _sweep_drills(ctx: OperationContext) -> list[Finding]:
    """Remove what killed drills have left at once, since it holds a copy of a database. No findings."""
    leftover_sweep.sweep_drills(ctx)
    return []


def _disk_findings(ctx: OperationContext) -> list[Finding]:
    """Full and filling disks, and folders that cannot be measured."""
    disks = disk_metrics.measure_disks(ctx)
    away = [
        Finding(
            None,
            "away",
            disk.path,
            Level.WARNING,
            f"{disk.path} ({', '.join(disk.holds)}) cannot be measured: {disk.why}",
            _mount_hint(disk.path),
            disk_findings.disk_cause(disk),
            part="disks",
        )
        for disk in disks
        if disk.now is None
    ]
    return [*disk_findings.find_disk_problems(disks, ctx.clock()), *away]


def _server_findings(ctx: OperationContext) -> list[Finding]:
    """Servers that were started, were not stopped, and do not run."""
    dead = [
        server
        for name in _SERVERS
        if (name != "viewers" or ctx.settings.viewers_port is not None)
        and (server := Server(name, ctx.settings.state_dir)).remembered()
        and server.running() is None
    ]
    return [
        Finding(
            None,
            "server",
            server.name,
            Level.CRITICAL if server.name == "daemon" else Level.WARNING,
            f"The {_SERVERS[server.name]} was started and does not run any more."
            + (" No scheduled backup runs." if server.name == "daemon" else ""),
            Hint(make("up"), f"; its log: {server.log}"),
            "the servers of this machine have ended",
        )
        for server in dead
    ]


def _mount_hint(path: object) -> Hint:
    return Hint("Is its disk mounted? ", command("df", "-h", path), "; ", make("doctor"))


def _findings_or_error(environment: Environment | None, subject: str, part: FindProblems) -> list[Finding]:
    """The findings of a part, or a finding that it failed."""
    try:
        return list(part())
    except LedgerError as error:
        message, hint = error.message, error.hint
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not silence the other parts
        message, hint = (
            mask_secrets(f"{type(error).__name__}: {error}"),
            Hint("This is a fault in the watch itself."),
        )
    word = environment or "machine"
    return [
        Finding(
            environment,
            WATCH,
            subject,
            Level.CRITICAL if subject == "files" else Level.WARNING,
            f"The {subject} of {word} cannot be watched: {message}",
            hint,
        )
    ]
