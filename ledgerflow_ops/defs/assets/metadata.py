"""What the UI shows of a backup: figures it can plot, tables a person can read."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, Severity
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.context import EnvironmentContext

if TYPE_CHECKING:
    from ledgerflow_ops.core.catalog.manifest import Manifest
    from ledgerflow_ops.operations.verification.examination import Examination

_LOUD = "SAMPLE DATA, not your books: no database URL is set"
"""As long as the asset's page has room for, at the usual width of a window."""
_SHORTEST = 0.001


def of_backup(
    env: EnvironmentContext, manifest: "Manifest", missed: str | None = None
) -> dict[str, dg.MetadataValue]:
    """A backup's facts; `missed` are the days before it that have none, where it is the first after them."""
    return {
        **_sample(manifest.sample),
        **({"missed_days": dg.MetadataValue.text(missed)} if missed else {}),
        "rung": dg.MetadataValue.text(f"{Rung.WRITTEN.word}; the checks and the drill climb from here"),
        "file": dg.MetadataValue.text(manifest.dump.file),
        "folder": dg.MetadataValue.path(env.store.location),
        "size": dg.MetadataValue.text(format_size(manifest.dump.size)),
        "size_bytes": dg.MetadataValue.int(manifest.dump.size),
        "rows": dg.MetadataValue.int(manifest.rows),
        "tables": dg.MetadataValue.int(len(manifest.contents.tables)),
        "recovery_point": dg.MetadataValue.timestamp(manifest.recovery_point),
        "duration_seconds": dg.MetadataValue.float(round(sum(manifest.durations.values()), 3)),
        "seal": dg.MetadataValue.text(manifest.seal.depth),
        "sha256": dg.MetadataValue.text(manifest.dump.sha256),
        "server": dg.MetadataValue.text(
            f"PostgreSQL {manifest.source.server_version}, pg_dump {manifest.tool_version}, "
            f"compression {manifest.compression}"
        ),
        "roles": dg.MetadataValue.text(manifest.globals_note or "roles and globals are beside the dump"),
        **_warnings(manifest),
        **_files(manifest),
        "next": dg.MetadataValue.text(
            f"Prove it: {make('restore-test', env.environment, FILE=manifest.dump.file)}"
        ),
        "durations": _seconds(manifest.durations),
        "rows_per_table": _rows(manifest),
    }


def of_examination(examination: "Examination") -> dict[str, dg.MetadataValue]:
    """How far a backup was proven, and what it took."""
    manifest = examination.manifest
    found: dict[str, dg.MetadataValue] = {
        **_sample(bool(manifest and manifest.sample)),
        "proven": dg.MetadataValue.bool(examination.proven),
        "rung": dg.MetadataValue.text(examination.rung.word if examination.rung else "none"),
        "file": dg.MetadataValue.text(examination.name.dump),
        "folder": dg.MetadataValue.path(examination.env.store.location),
    }
    if manifest:
        found["recovery_point"] = dg.MetadataValue.timestamp(manifest.recovery_point)
        found["rows"] = dg.MetadataValue.int(manifest.rows)
    if examination.rto_seconds is not None:
        found["rto_seconds"] = dg.MetadataValue.float(examination.rto_seconds)
    if examination.server_version:
        found["restored_into"] = dg.MetadataValue.text(f"PostgreSQL {examination.server_version}")
    return {**found, "durations": _seconds(examination.watch.durations)}


def result(check: Check, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """A verdict as Dagster keeps it: the sentence, the hint, what caught it."""
    return dg.AssetCheckResult(
        passed=check.passed,
        asset_key=asset,
        check_name=check.name,
        severity=_severity(check),
        description=check.message,
        metadata=_causes(check, asset),
    )


def evaluation(check: Check, asset: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """The same for a verdict that no run has found."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=check.name,
        passed=check.passed,
        severity=_severity(check),
        description=check.message,
        metadata=_causes(check, asset),
    )


def not_asked(names: Iterable[str], checks: Iterable[Check], because: str) -> list[Check]:
    """A failed verdict for every check that was not reached: what was not looked at is never passed."""
    seen = {check.name for check in checks}
    return [
        Check(name, False, f"Not judged: {because}", Hint("Mend that first."), cause="not reached")
        for name in names
        if name not in seen
    ]


def table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> dg.MetadataValue:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.severity is Severity.ERROR else dg.AssetCheckSeverity.WARN


def _causes(check: Check, asset: dg.AssetKey) -> dict[str, str]:
    """The hint, on the environment that an asset's key begins with, and the cause."""
    hint = str(check.hint.within(asset.path[0]))
    return {key: value for key, value in (("hint", hint), ("cause", check.cause)) if value}


def _sample(sample: bool) -> dict[str, dg.MetadataValue]:
    return {"SAMPLE": dg.MetadataValue.md(f"**{_LOUD}**")} if sample else {}


def _warnings(manifest: "Manifest") -> dict[str, dg.MetadataValue]:
    """What was said of the dump while it was taken, and what is not in it."""
    found: dict[str, dg.MetadataValue] = {}
    if manifest.lacks:
        found["NOT_IN_THE_DUMP"] = dg.MetadataValue.text(f"{manifest.lacks}. {manifest.remedy}")
    if manifest.warnings:
        shown = [(one.program, one.meaning, " ".join(one.text.split())) for one in manifest.warnings]
        found["warnings"] = table(("who", "meaning", "what was said"), shown)
    return found


def _files(manifest: "Manifest") -> dict[str, dg.MetadataValue]:
    """How many files go with the dump, and how many of them are stored anew."""
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
    """What took any time at all."""
    shown = [(name, f"{spent:.3f}") for name, spent in durations.items() if spent >= _SHORTEST]
    return table(("phase", "seconds"), shown)


def _rows(manifest: "Manifest") -> dg.MetadataValue:
    tables = sorted(manifest.contents.tables.items(), key=lambda item: -item[1].rows)
    shown = [(name, f"{item.rows:,}", format_size(item.size)) for name, item in tables]
    return table(("table", "rows", "as text"), shown)
