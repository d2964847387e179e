"""The output of the backup commands: a backup's checks, what has been shown about it, the JSON object."""

from collections.abc import Callable
from typing import Any

from ledgerflow_ops.console import Terminal, clear
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.errors import BadBackup, CannotJudge
from ledgerflow_ops.core.finished_run import Failure, FinishedRun
from ledgerflow_ops.core.hints import NO_HINT, Hint, make
from ledgerflow_ops.core.restore.restore_rights import RestoreRights
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.verification.examination import Examination

_SAMPLE_NOTICE = "SAMPLE DATA: no URL is set for {0}. This is not a backup of your books."


def failure_of(examination: Examination) -> Failure | None:
    """Why the exit code is not 0, or None. A backup without a manifest can be restored but never proven."""
    if bad := examination.bad:
        return Failure(bad.message, bad.hint, BadBackup.exit_code)
    if message := examination.unprovable:
        hint = Hint(
            "Copy its manifest here from another location. ",
            make("backup"),
            " takes a backup that can be proven.",
        )
        return Failure(message, hint, CannotJudge.exit_code)
    return None


def show_result(
    env: EnvironmentContext,
    terminal: Terminal,
    entry: CatalogEntry | None,
    result: FinishedRun,
    rung: Rung | None = None,
    *,
    rights: RestoreRights | None = None,
    afterwards: Callable[[], dict[str, Any]] = dict,
) -> int:
    """Print the result for people and as JSON; returns the exit code.

    `entry` is the backup's current catalog entry, None if there is none. `rung` is the rung it has just
    reached, if its proof does not record that. `rights` are those of the account that would restore it.
    `afterwards` is called once everything was printed; its fields are added to the JSON object.
    """
    failure = result.failure or _incomplete(entry)
    reached = rung or (entry.rung if entry else None)
    conclusion = _conclusion(entry, reached, failure) if entry else ""
    fields = _fields(env, entry, result, failure, reached)
    if rights:
        fields["restore_rights"] = rights.as_json(env.environment)
    clear(env.ctx.reporter)
    if entry:
        terminal.say(f"{entry.name.dump}  {format_size(entry.size)}  in {env.store.location}", "bold")
    terminal.checks(result.checks)
    for warning in (entry.manifest.warnings or ()) if entry and entry.manifest else ():
        terminal.say(f"{'NOT IN THE DUMP' if warning.missing else 'noted'}: {warning.sentence}", "yellow")
    if failure:
        terminal.error(failure.message, failure.hint)
    if entry:
        terminal.say(conclusion, "bold green" if entry.proven and not failure else "bold yellow")
    if rights and rights.state != "present":
        terminal.say(rights.sentence, "bold yellow")
        terminal.say(Hint("    hint: ", rights.hint))
    if env.is_sample:
        terminal.say(_SAMPLE_NOTICE.format(env.environment), "bold yellow")
    terminal.finish(fields | afterwards())
    return failure.exit_code if failure else 0


def _incomplete(entry: CatalogEntry | None) -> Failure | None:
    """A failure if the dump lacks an object of the database: then it cannot be proven."""
    if entry is None or entry.manifest is None or entry.bad:
        return None
    if not entry.manifest.lacks:
        message, hint = entry.proof.incomplete if entry.proof else ("", NO_HINT)
        return Failure(message, hint, CannotJudge.exit_code) if message else None
    lacks = f"The dump is incomplete and cannot be proven: {entry.manifest.lacks}."
    return Failure(lacks, Hint(entry.manifest.remedy, " Then: ", make("backup")), CannotJudge.exit_code)


def _conclusion(entry: CatalogEntry, reached: Rung | None, failure: Failure | None) -> str | Hint:
    """The sentence that says what has been shown about the backup."""
    if entry.bad:
        return "BAD: this backup does not count."
    word, again = reached.word if reached else "nothing", make("restore-test", FILE=entry.name.dump)
    if not entry.proven and _incomplete(entry):
        return f"NOT PROVEN: known to be {word}, but it lacks an object of the database."
    if entry.manifest is None:
        return f"NOT PROVEN: known to be {word}, no more. Without its manifest it can never be proven."
    if entry.unjudged:
        return Hint("NOT PROVEN: it could not be judged. Try again: ", again)
    if not entry.proven:
        return Hint(f"NOT PROVEN: known to be {word}, no more. Prove it: ", again)
    if failure and entry.proof:
        return (
            f"The proof of {entry.proof.examined_at:%Y-%m-%d %H:%M %Z} remains valid; this run adds nothing."
        )
    rto = f" in {entry.proof.rto_seconds:.1f} s" if entry.proof and entry.proof.rto_seconds else ""
    rules = entry.proof.rules_sentence if entry.proof else ""
    return f"PROVEN: {word}. It was restored{rto} and equals its seal. {rules}".rstrip()


def _fields(
    env: EnvironmentContext,
    entry: CatalogEntry | None,
    result: FinishedRun,
    failure: Failure | None,
    reached: Rung | None,
) -> dict[str, Any]:
    """The JSON object."""
    manifest = entry.manifest if entry else None
    proof = entry.proof if entry else None
    fields: dict[str, Any] = {
        "environment": str(env.environment),
        "sample": env.is_sample,
        "exit_code": failure.exit_code if failure else 0,
        "run_id": result.run_id,
        "rung": reached.word if reached else None,
        "proven": bool(entry and entry.proven),
        "checks": [check.as_json() for check in result.checks],
    }
    if entry:
        fields |= {"file": env.store.describe(entry.name.dump), "size": entry.size}
    if manifest and entry:
        fields |= {
            "manifest": env.store.describe(entry.name.manifest),
            "sizes": {"dump": manifest.dump.size, "database": manifest.source.size},
            "sha256": manifest.dump.sha256,
            "backup_day": manifest.backup_day.isoformat(),
            "recovery_point": manifest.recovery_point.isoformat(),
            "rows": manifest.rows,
            "warnings": [warning.model_dump(mode="json") for warning in manifest.warnings or ()],
            "lacks": manifest.lacks,
            "durations": {**manifest.durations, **(proof.durations if proof else {})},
            "rto_seconds": proof.rto_seconds if proof else None,
        }
    if failure:
        fields["error"] = {"message": failure.message, "hint": failure.hint}
    return fields
