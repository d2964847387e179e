"""Findings about proof: bad and unproven backups, missed objectives, overdue drills."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ledgerflow_ops.core.alerting.findings import Finding, Level
from ledgerflow_ops.core.alerting.root_cause import BACKUP_FILE
from ledgerflow_ops.core.catalog import backup_summary
from ledgerflow_ops.core.catalog.backup_summary import BackupSummary, ListedDump
from ledgerflow_ops.core.catalog.catalog import UNJUDGED, UNRESTORABLE, newest_first, newest_proven
from ledgerflow_ops.core.catalog.quarantine import Quarantined
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import NO_HINT, Command, Hint, command, make
from ledgerflow_ops.core.monitoring import missing_backups
from ledgerflow_ops.core.monitoring.objectives import DrillCoverage, Objectives

_NAMED = 3


def bad_backups(
    environment: Environment,
    listed: Sequence[ListedDump],
    quarantined: Sequence[Quarantined] = (),
    proven: datetime | None = None,
) -> list[Finding]:
    """A finding for each backup that was shown to be bad; critical for the newest.

    `proven` is the newest proven recovery point. The finding ends when the bad file is in quarantine and a
    backup is proven that is newer.
    """
    problems = [
        (dump, f"is bad: {dump.problem or 'its proof says so'}.") for dump in listed if dump.state == "bad"
    ]
    found = _of_each(environment, listed, problems, "bad", lambda dump: make("quarantine", FILE=dump))
    replaced = {
        dump.name.dump: dump.summary is not None
        and proven is not None
        and proven > dump.summary.recovery_point
        for dump, _ in problems
    }
    found = [
        finding
        if replaced[finding.subject]
        else replace(finding, hint=Hint(make("backup", environment), "; then ", finding.hint))
        for finding in found
    ]
    return [*found, *_unreplaced(environment, quarantined, proven)]


def _unreplaced(
    environment: Environment, quarantined: Sequence[Quarantined], proven: datetime | None
) -> Iterator[Finding]:
    """The bad backups in quarantine that no newer proven backup replaces yet."""
    for record in quarantined:
        if record.bad and (proven is None or proven <= record.instant):
            yield Finding(
                environment,
                "bad",
                record.file,
                Level.CRITICAL,
                f"{record.file} was bad and is in quarantine, and no newer backup is proven yet.",
                Hint(make("backup", environment)),
            )


def unrestorable_sources(environment: Environment, listed: Sequence[ListedDump]) -> list[Finding]:
    """The source whose dumps no server can load: critical where the newest backup is such a dump."""
    newest = newest_committed(listed)
    unrestorable = [dump for dump in listed if dump.state == UNRESTORABLE]
    stands = newest is not None and newest.state == UNRESTORABLE
    return [
        Finding(
            environment,
            UNRESTORABLE,
            "source",
            Level.CRITICAL if stands else Level.WARNING,
            f"{environment}'s database cannot be restored from its backups. {dump.name.dump} is whole: "
            f"{dump.problem}. Earlier proven backups stay as they are.",
            Hint("Fix the source: ", make("restore-test", environment, FILE=dump.name.dump), " says how."),
        )
        for dump in ([newest] if stands and newest else unrestorable[-1:])
    ]


def unjudged_backups(environment: Environment, listed: Sequence[ListedDump]) -> list[Finding]:
    """A finding for each backup that could not be read when it was last checked: its proof does not count."""
    text = "could not be judged, and does not count until it can:"
    problems = [(dump, f"{text} {dump.problem}") for dump in listed if dump.state == UNJUDGED]
    return _of_each(environment, listed, problems, "unjudged", lambda dump: make("verify", FILE=dump))


def _of_each(
    environment: Environment,
    listed: Sequence[ListedDump],
    problems: Sequence[tuple[ListedDump, str]],
    kind: str,
    prove: Callable[[str], Command],
) -> list[Finding]:
    """A finding for each backup with a problem; critical for the newest of those `listed`."""
    newest = newest_committed(listed)
    return [
        Finding(
            environment,
            kind,
            dump.name.dump,
            Level.CRITICAL if dump is newest or newest is None else Level.WARNING,
            f"{dump.name.dump} {problem}",
            Hint(prove(dump.name.dump)),
        )
        for dump, problem in problems
    ]


def newest_committed(listed: Sequence[ListedDump]) -> ListedDump | None:
    """The newest backup among them; None where none is committed."""
    known = [
        (dump.summary.recovery_point, dump.name.stem, dump) for dump in listed if dump.summary is not None
    ]
    return max(known)[-1] if known else None


def future_backups(
    environment: Environment, present: Sequence[BackupSummary], now: datetime
) -> list[Finding]:
    """Backups with a recovery point in the future: a clock was wrong, or is."""
    future = newest_first(backup_summary.only_future(present, now))
    if not future:
        return []
    others = f", and {len(future) - 1} more" if len(future) > 1 else ""
    return [
        Finding(
            environment,
            "future",
            "clock",
            Level.WARNING,
            f"{future[0].name.dump}{others} of {environment}: taken in the future, at "
            f"{future[0].recovery_point:%Y-%m-%d %H:%M} UTC; by our clock it is {now:%Y-%m-%d %H:%M} UTC. "
            "They do not count for what is late.",
            Hint("See whether the clock is right: ", command("date"), "; then ", make("backup", environment)),
            figures={"found": float(len(future)), "expected": 0.0},
        )
    ]


def unproven_backup(present: Sequence[BackupSummary], now: datetime, grace: timedelta) -> list[Finding]:
    """The newest backup, where it is still not proven after `grace`: a check has not run.

    One that lacks an object of its database can never be proven and is reported at once.
    """
    newest = next(iter(newest_first(present)), None)
    if newest is None or newest.proven or newest.bad:
        return []
    if not newest.lacks and now - newest.finished_at <= grace:
        return []
    proven = newest_proven(present)
    safe = f"The newest proven one is {proven.name.dump}." if proven else "NOTHING IS PROVEN."
    prove = make("backup") if newest.lacks else make("restore-test", FILE=newest.name.dump)
    if newest.state == UNJUDGED:
        how, first = f"it could not be judged ({newest.problem.rstrip('.')})", NO_HINT
    elif not newest.local:
        how, first = "its bytes are only in the cloud", Hint("Download it; then ")
    elif newest.lacks:
        how = f"something of the database is not in it ({newest.lacks})"
        first = Hint(newest.remedy, " Then ")
    elif newest.examined_at is None:
        how, first = "no check of it has run", NO_HINT
    else:
        how, first = f"its checks got as far as {newest.state}", NO_HINT
    return [
        Finding(
            newest.environment,
            "unproven",
            "newest backup",
            Level.WARNING if proven else Level.CRITICAL,
            f"{newest.name.dump} of {newest.finished_at:%Y-%m-%d %H:%M} UTC is NOT PROVEN: {how}. {safe}",
            Hint(first, prove),
        )
    ]


def incomplete_backup(present: Sequence[BackupSummary]) -> list[Finding]:
    """The newest backup, where it lacks an object of its database: a warning where no backup is expected."""
    newest = next(iter(newest_first(present)), None)
    if newest is None or not newest.lacks:
        return []
    findings = unproven_backup(present, newest.finished_at, timedelta())
    return [replace(finding, level=Level.WARNING) for finding in findings]


def missed_objectives(
    environment: Environment,
    present: Sequence[BackupSummary],
    state: Objectives,
    now: datetime,
    *,
    cause: str = "",
) -> Iterator[Finding]:
    """Missed RPO and RTO objectives. An environment without any backup is reported as such, not here.

    Until the RPO objective has passed since the very first backup, `unproven_backup` reports that nothing is
    proven.
    """
    newest = next(iter(newest_first(present)), None)
    if newest is None:
        return
    first = min(summary.recovery_point for summary in present)
    begins = state.rpo_seconds is None and now - first <= timedelta(seconds=state.rpo_objective)
    if not state.rpo_kept and not begins:
        yield _rpo_finding(environment, newest, state, cause)
    if state.rto_seconds is not None and not state.rto_kept:
        proven = newest_proven(present)
        assert proven is not None
        yield Finding(
            environment,
            "rto",
            "restore time",
            Level.WARNING,
            f"Restoring {proven.name.dump} took {state.rto_seconds / 60:,.1f} minutes in its drill; "
            f"the objective is {state.rto_objective / 60:,.1f}.",
            Hint("Measure it again: ", make("restore-test", environment, FILE=proven.name.dump)),
            figures={"found": state.rto_seconds, "expected": state.rto_objective},
        )


def _rpo_finding(environment: Environment, newest: BackupSummary, state: Objectives, cause: str) -> Finding:
    hours = state.rpo_objective / 3600
    if state.rpo_seconds is None:
        message = (
            f"NOTHING IS PROVEN: no backup of {environment} counts. The objective is {hours:,.1f} hours."
        )
    else:
        message = (
            f"{state.rpo_seconds / 3600:,.1f} hours of work would be lost now, back to the newest proven "
            f"backup of {environment}; the objective is {hours:,.1f}."
        )
    needs_backup = newest.proven or newest.lacks or newest.bad
    prove = make("backup") if needs_backup else make("restore-test", FILE=newest.name.dump)
    first = Hint(newest.remedy, " Then ") if newest.lacks else NO_HINT
    return Finding(
        environment,
        "rpo",
        "recovery point",
        Level.CRITICAL,
        message,
        Hint(first, prove),
        cause or (missing_backups.no_backup_since(newest) if newest.proven else ""),
        figures={
            "found": state.rpo_seconds or -1.0,
            "expected": state.rpo_objective,
            **({BACKUP_FILE: newest.name.dump} if newest.bad else {}),
        },
    )


def overdue_drills(environment: Environment, coverage: DrillCoverage, redrill_days: int) -> Iterator[Finding]:
    """Kept backups that were not restored for longer than `redrill_days`."""
    overdue = coverage.overdue
    if overdue:
        named = ", ".join(summary.name.dump for summary in overdue[:_NAMED])
        more = f" and {len(overdue) - _NAMED} more" if len(overdue) > _NAMED else ""
        yield Finding(
            environment,
            "coverage",
            "drills",
            Level.WARNING,
            f"{len(overdue)} of {coverage.kept} kept backups have not been restored for more than "
            f"{redrill_days} days: {named}{more}.",
            Hint(make("restore-test", environment, FILE=overdue[0].name.dump)),
            figures={"found": coverage.share, "expected": 1.0},
        )
