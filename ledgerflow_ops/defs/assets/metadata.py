"""Dagster metadata of backups and checks: numbers that the page can plot, tables for people."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.run_evidence import NOT_REACHED
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.defs.runs.run_results import BACKUP_KEY
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.manifest import Manifest
    from ledgerflow_ops.operations.verification.examination import Examination

_SAMPLE_NOTICE = "SAMPLE DATA, not your books: no database URL is set"
"""Short enough for one line of the asset's page at the usual width of a window."""
_MIN_SECONDS = 0.001


def backup_metadata(
    env: EnvironmentContext, manifest: "Manifest", missed: str | None = None
) -> dict[str, dg.MetadataValue]:
    """Metadata of a new backup. `missed` lists the days without a backup directly before it, if any."""
    return {
        **_sample(manifest.sample),
        **({"missed_days": dg.MetadataValue.text(missed)} if missed else {}),
        "rung": dg.MetadataValue.text(f"{Rung.WRITTEN.word}; the checks and the drill raise it"),
        "file": dg.MetadataValue.text(manifest.dump.file),
        "folder": dg.MetadataValue.path(env.store.location),
        "size": dg.MetadataValue.text(format_size(manifest.dump.size)),
        "size_bytes": dg.MetadataValue.int(manifest.dump.size),
        "rows": dg.MetadataValue.int(manifest.rows),
        "dagster/partition_row_count": dg.MetadataValue.int(manifest.rows),
        "tables": dg.MetadataValue.int(len(manifest.contents.tables)),
        "recovery_point": dg.MetadataValue.timestamp(manifest.recovery_point),
        "duration_seconds": dg.MetadataValue.float(round(sum(manifest.durations.values()), 3)),
        "seal": dg.MetadataValue.text(manifest.seal.depth),
        "sha256": dg.MetadataValue.text(manifest.dump.sha256),
        "server": dg.MetadataValue.text(
            f"PostgreSQL {manifest.source.server_version}, pg_dump {manifest.tool_version}, "
            f"compression {manifest.compression}"
        ),
        "roles": dg.MetadataValue.text(
            manifest.globals_note or "a file of roles and globals is beside the dump"
        ),
        **_warnings(manifest),
        **_files(manifest),
        "next": dg.MetadataValue.text(
            f"Prove it: {make('restore-test', env.environment, FILE=manifest.dump.file)}"
        ),
        "durations": _seconds(manifest.durations),
        "rows_per_table": _rows(manifest),
    }


def emptied_tables(env: EnvironmentContext) -> dict[str, dg.MetadataValue]:
    """Metadata of a new backup: tables that have become empty by habit. None of them is a finding."""
    from ledgerflow_ops.core.monitoring import anomalies
    from ledgerflow_ops.operations import summaries

    own = summaries.own_backups(env, summaries.present_backups(env))
    emptied = anomalies.emptied_by_habit(own, env.settings.append_only)
    return {"emptied_tables": dg.MetadataValue.text("; ".join(emptied))} if emptied else {}


def examination_metadata(examination: "Examination") -> dict[str, dg.MetadataValue]:
    """Metadata of a verification or drill: the rung it reached, and its durations in seconds."""
    manifest = examination.manifest
    facts: dict[str, dg.MetadataValue] = {
        **_sample(bool(manifest and manifest.sample)),
        "proven": dg.MetadataValue.bool(examination.proven),
        "rung": dg.MetadataValue.text(examination.rung.word if examination.rung else "none"),
        "file": dg.MetadataValue.text(examination.name.dump),
        "folder": dg.MetadataValue.path(examination.env.store.location),
    }
    if manifest:
        facts["recovery_point"] = dg.MetadataValue.timestamp(manifest.recovery_point)
        facts["rows"] = dg.MetadataValue.int(manifest.rows)
    if examination.rto_seconds is not None:
        facts["rto_seconds"] = dg.MetadataValue.float(examination.rto_seconds)
    if examination.server_version:
        facts["restored_into"] = dg.MetadataValue.text(f"PostgreSQL {examination.server_version}")
    return {**facts, "durations": _seconds(examination.watch.durations)}


def check_result(check: Check, asset: dg.AssetKey, backup: str = "") -> dg.AssetCheckResult:
    """A check as the result that an asset check returns: message, hint, cause and the backup's file."""
    return dg.AssetCheckResult(
        passed=check.passed,
        asset_key=asset,
        check_name=check.name,
        severity=_severity(check),
        description=check.message,
        metadata=_hint_and_cause(check, asset) | ({BACKUP_KEY: backup} if backup else {}),
    )


def check_evaluation(check: Check, asset: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """A check as an event for Dagster's event log, outside of a run."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=check.name,
        passed=check.passed,
        severity=_severity(check),
        description=check.message,
        metadata=_hint_and_cause(check, asset),
    )


def unreached_checks(names: Iterable[str], checks: Iterable[Check], reason: str) -> list[Check]:
    """A failed check for every name without a result: a check that did not run never counts as passed."""
    reached = {check.name for check in checks}
    return [
        Check(name, False, f"Not judged: {reason}", Hint("Fix that first."), cause=NOT_REACHED)
        for name in names
        if name not in reached
    ]


def markdown_table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> dg.MetadataValue:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.severity is Severity.ERROR else dg.AssetCheckSeverity.WARN


def _hint_and_cause(check: Check, asset: dg.AssetKey) -> dict[str, str]:
    """The check's hint, with commands for the environment that the asset's key begins with, and its cause."""
    hint = str(check.hint.within(asset.path[0]))
    return {key: value for key, value in (("hint", hint), ("cause", check.cause)) if value}


def _sample(sample: bool) -> dict[str, dg.MetadataValue]:
    return {"SAMPLE": dg.MetadataValue.md(f"**{_SAMPLE_NOTICE}**")} if sample else {}


def _warnings(manifest: "Manifest") -> dict[str, dg.MetadataValue]:
    """What is missing from the dump, and the warnings of the programs that took it."""
    facts: dict[str, dg.MetadataValue] = {}
    if manifest.lacks:
        facts["NOT_IN_THE_DUMP"] = dg.MetadataValue.text(f"{manifest.lacks}. {manifest.remedy}")
    if manifest.warnings:
        shown = [
            (warning.program, warning.meaning, " ".join(warning.text.split()))
            for warning in manifest.warnings
        ]
        facts["warnings"] = markdown_table(("program", "meaning", "message"), shown)
    return facts


def _files(manifest: "Manifest") -> dict[str, dg.MetadataValue]:
    """How many files belong to the backup, and how many of them its archive stores; sizes in bytes."""
    if manifest.files is None:
        return {}
    state = manifest.files
    return {
        "files": dg.MetadataValue.int(len(state.files)),
        "files_bytes": dg.MetadataValue.int(state.size),
        "files_newly_stored": dg.MetadataValue.int(len(state.newly_stored)),
        "files_archive_bytes": dg.MetadataValue.int(state.archive.size),
    }


def _seconds(durations: Mapping[str, float]) -> dg.MetadataValue:
    """The phases that took a millisecond or more."""
    shown = [(name, f"{spent:.3f}") for name, spent in durations.items() if spent >= _MIN_SECONDS]
    return markdown_table(("phase", "seconds"), shown)


def _rows(manifest: "Manifest") -> dg.MetadataValue:
    tables = sorted(manifest.contents.tables.items(), key=lambda item: -item[1].rows)
    shown = [(name, f"{item.rows:,}", format_size(item.size)) for name, item in tables]
    return markdown_table(("table", "rows", "as text"), shown)
