"""Orders from the terminal: carry out the job, tell what came of it, return the exit code."""

from collections.abc import Callable, Mapping
from typing import Any

from ledgerflow_ops.console import Progress, Terminal
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import merged
from ledgerflow_ops.core.errors import BadBackup, CannotJudge
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.assets.backup_chain import key
from ledgerflow_ops.defs.assets.dump_checks import checks_op
from ledgerflow_ops.defs.jobs.jobs import backup_job, drill_job, verify_job
from ledgerflow_ops.defs.runs.run_results import Failure
from ledgerflow_ops.defs.terminal_runs import Outcome, in_window, run
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.backup import backup as making
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification import drill as drilling
from ledgerflow_ops.operations.verification import verify as verifying
from ledgerflow_ops.operations.verification.examination import Examination

_LOUD = "SAMPLE DATA: no URL is set for {0}. This is a proof of the machinery, not a backup of your books."


def backup(
    env: EnvironmentContext, terminal: Terminal, *, file: str | None, drill: bool, full_seal: bool
) -> int:
    """Back up the environment and, with `drill`, prove it; the exit code."""
    making.asked_name(env, file)  # before there is a run: a slip of the finger must not turn the day red
    settings = {f"{env.environment}__dump": {"file": file, "full_seal": full_seal}}
    only = None if drill else [key(env, "dump")]
    outcome = run(env, backup_job(env), env.today(), config=settings, assets=only)
    made = [entry for entry in catalog.newest_first(env) if _made_by(entry, outcome.run_id)]
    return _tell(env, terminal, made[0] if made else None, outcome)


def verify(env: EnvironmentContext, terminal: Terminal, file: str) -> int:
    """Verify one backup; the exit code."""
    name = catalog.find(env, file)
    settings = {checks_op(env): {"file": name.dump}}
    return _examine(env, terminal, name, verify_job(env), settings, verifying.verify)


def drill(env: EnvironmentContext, terminal: Terminal, file: str | None) -> int:
    """Drill one backup, the newest when none is named; the exit code."""
    name = catalog.find(env, file)
    settings = {f"{env.environment}__drill": {"file": name.dump}}
    return _examine(env, terminal, name, drill_job(env), settings, drilling.drill)


def _examine(
    env: EnvironmentContext,
    terminal: Terminal,
    name: BackupName,
    job: str,
    settings: Mapping[str, Mapping[str, str]],
    operation: Callable[[EnvironmentContext, BackupName], Examination],
) -> int:
    """Examine a backup on Dagster's record where its day has a partition, by the bare operation elsewhere.

    A dump without a manifest belongs to no day that could be trusted.
    """
    day = catalog.entry(env, name).day
    if day is not None and in_window(env, day):
        outcome = run(env, job, day, config=settings)
        return _tell(env, terminal, catalog.entry(env, name), outcome)
    examination = operation(env, name)
    failure = _failure(examination)
    outcome = Outcome("", tuple(merged(examination.checks)), failure)
    return _tell(env, terminal, catalog.entry(env, name), outcome, examination.rung)


def _failure(examination: Examination) -> Failure | None:
    """Why the exit code is not 0; what has no manifest can be read and restored, and never be proven."""
    if bad := examination.bad:
        return Failure(bad.message, bad.hint, BadBackup.exit_code)
    if message := examination.unprovable:
        hint = "Put its manifest beside it, from another location. make backup takes one that can be proven."
        return Failure(message, hint, CannotJudge.exit_code)
    return None


def _made_by(entry: CatalogEntry, run_id: str) -> bool:
    return entry.manifest is not None and entry.manifest.run.run_id == run_id


def _tell(
    env: EnvironmentContext,
    terminal: Terminal,
    entry: CatalogEntry | None,
    outcome: Outcome,
    rung: Rung | None = None,
) -> int:
    """Say what came of it, in words and as JSON; the exit code."""
    if isinstance(env.ctx.reporter, Progress):
        env.ctx.reporter.clear()
    failure = outcome.failure or _incomplete(entry)
    reached = rung or (entry.rung if entry else None)
    if entry:
        terminal.say(f"{entry.name.dump}  {format_size(entry.size)}  in {env.folder.path}", "bold")
    terminal.checks(outcome.checks)
    for warning in (entry.manifest.warnings or ()) if entry and entry.manifest else ():
        terminal.say(f"{'NOT IN THE DUMP' if warning.missing else 'noted'}: {warning.sentence}", "yellow")
    if failure:
        terminal.error(failure.message, failure.hint)
    if entry:
        terminal.say(
            _conclusion(entry, reached, failure),
            "bold green" if entry.proven and not failure else "bold yellow",
        )
    if env.is_sample:
        terminal.say(_LOUD.format(env.environment), "bold yellow")
    terminal.finish(_fields(env, entry, outcome, reached))
    return failure.exit_code if failure else 0


def _incomplete(entry: CatalogEntry | None) -> Failure | None:
    """An object that is not in the dump keeps it from being proven, whatever else holds."""
    if entry is None or entry.manifest is None or entry.bad:
        return None
    if not entry.manifest.lacks:
        message, hint = entry.proof.incomplete if entry.proof else ("", "")
        return Failure(message, hint, CannotJudge.exit_code) if message else None
    lacks = f"The dump does not hold all of the database, and cannot be proven: {entry.manifest.lacks}."
    return Failure(lacks, f"{entry.manifest.remedy} Then: make backup", CannotJudge.exit_code)


def _conclusion(entry: CatalogEntry, reached: Rung | None, failure: Failure | None) -> str:
    """What may be claimed of the backup, and no more."""
    if entry.bad:
        return "BAD: this backup does not count."
    word = reached.word if reached else "nothing"
    if not entry.proven and _incomplete(entry):
        return f"NOT PROVEN: known to be {word}, and it lacks something of the database."
    if entry.manifest is None:
        return f"NOT PROVEN: known to be {word}, no more. Without its manifest it can never be proven."
    if entry.unjudged:
        return f"NOT PROVEN: it could not be judged. Look again: make restore-test FILE={entry.name.dump}"
    if not entry.proven:
        return f"NOT PROVEN: known to be {word}, no more. Prove it: make restore-test FILE={entry.name.dump}"
    if failure and entry.proof:
        return (
            f"The proof of {entry.proof.examined_at:%Y-%m-%d %H:%M %Z} still stands; this run adds nothing."
        )
    rto = f" in {entry.proof.rto_seconds:.1f} s" if entry.proof and entry.proof.rto_seconds else ""
    return f"PROVEN: {word}. It was restored{rto}, equals its seal, and every data rule holds."


def _fields(
    env: EnvironmentContext, entry: CatalogEntry | None, outcome: Outcome, reached: Rung | None
) -> dict[str, Any]:
    """The JSON object."""
    failure, manifest = outcome.failure or _incomplete(entry), entry.manifest if entry else None
    proof = entry.proof if entry else None
    fields: dict[str, Any] = {
        "environment": str(env.environment),
        "sample": env.is_sample,
        "exit_code": failure.exit_code if failure else 0,
        "run_id": outcome.run_id,
        "rung": reached.word if reached else None,
        "proven": bool(entry and entry.proven),
        "checks": [check.as_json() for check in outcome.checks],
    }
    if entry:
        fields |= {"file": str(env.folder.file(entry.name.dump)), "size": entry.size}
    if manifest and entry:
        fields |= {
            "manifest": str(env.folder.file(entry.name.manifest)),
            "sizes": {"dump": manifest.dump.size, "database": manifest.source.size},
            "sha256": manifest.dump.sha256,
            "backup_day": manifest.backup_day.isoformat(),
            "recovery_point": manifest.recovery_point.isoformat(),
            "rows": manifest.rows,
            "warnings": [one.model_dump(mode="json") for one in manifest.warnings or ()],
            "lacks": manifest.lacks,
            "durations": {**manifest.durations, **(proof.durations if proof else {})},
            "rto_seconds": proof.rto_seconds if proof else None,
        }
    if failure:
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    return fields
