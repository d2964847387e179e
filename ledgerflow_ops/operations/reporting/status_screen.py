"""The status at the terminal: one screen for three environments, with a list of backups for one."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.durations import format_duration, format_seconds
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.monitoring.key_survival import NO_DRILL
from ledgerflow_ops.core.presentation import sparklines
from ledgerflow_ops.core.presentation.day_status import Health
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus
from ledgerflow_ops.operations.quarantined import quarantine_store
from ledgerflow_ops.operations.reporting.status import STRIP_DAYS, Incident, Overview, Status

_LISTED = 8
_PINS = 3
_INCIDENTS = 2
_TONES = {
    Health.QUIET: "bold",
    Health.GOOD: "bold green",
    Health.WARNING: "bold yellow",
    Health.CRITICAL: "bold red",
}
_LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_STYLES = {
    "valid": "green",
    "restored": "yellow",
    "readable": "yellow",
    "written": "yellow",
    "bad": "bold red",
    "unrestorable": "bold red",
    "unjudged": "red",
    "not local": "blue",
    "rotated": "dim green",
    "missing": "red",
    "due": "dim",
    "before": "",
}


def show(overview: Overview, terminal: Terminal) -> None:
    """The whole screen."""
    alone = len(overview.environments) == 1
    for item in overview.environments:
        _environment(item, terminal, alone=alone)
    if overview.machine:
        terminal.say("the machine:", "bold")
    for incident in overview.machine:
        _incident(incident, terminal, hint=True)
    _legend(overview, terminal)
    if not alone:
        terminal.say("LEDGER_ENV=dev|test|prod make status lists an environment's backups.", "dim")


def _environment(item: Status, terminal: Terminal, *, alone: bool) -> None:
    folder = item.folder_status
    terminal.paragraph(_headline(folder), _TONES[item.health])
    if item.env.is_sample:
        terminal.say(f"  SAMPLE DATA: no URL is set for {item.env.environment}.", "yellow")
    if item.health is not Health.QUIET:
        terminal.flow(*_strip(folder, plain=terminal.ascii_only))
        terminal.flow(*_objectives(folder))
    first, *archives = folder.spaces
    terminal.flow(Text(_next_backup(folder)), _free_space(first, named=alone))
    for archive in archives if alone else ():
        terminal.flow(_free_space(archive, named=True))
    shown = item.incidents if alone else item.incidents[:_INCIDENTS]
    for incident in shown:
        _incident(incident, terminal, hint=alone or incident.finding.level is Level.CRITICAL)
    if hidden := len(item.incidents) - len(shown):
        more = Hint(f"and {hidden} more: ", make("status", item.env.environment))
        terminal.paragraph(more, "yellow", indent=2)
    _copies(item, terminal)
    _undecrypted(folder, terminal)
    _keys(item, terminal)
    _restore_rights(item, terminal, hint=alone)
    _kept(item, terminal)
    if alone and folder.backups():
        terminal.table(_table(folder))


def _headline(folder: FolderStatus) -> str:
    name, proven = folder.env.environment, folder.proven
    if folder.trouble:
        return f"{name}: NOT KNOWN. Its folder cannot be read."
    if proven is None:
        dumps = count_of(len(folder.present) + len(folder.others), "dump")
        return f"{name}: NOTHING IS PROVEN. {dumps} in the folder."
    rto = f", restored in {proven.rto_seconds:.1f} s" if proven.rto_seconds else ""
    away = "" if proven.local else " (NOT LOCAL: its bytes are only in the cloud)"
    return f"{name}: newest proven backup is {folder.age}{rto}: {proven.name.dump}{away}"


def _strip(folder: FolderStatus, *, plain: bool) -> Iterator[Text]:
    """The last days by state, and a sparkline of the size."""
    days = folder.days(STRIP_DAYS)
    text = Text(f"{STRIP_DAYS} days [")
    for sign, kind in sparklines.day_strip(days, plain=plain):
        text.append(sign, _STYLES[kind])
    text.append("]")
    yield text
    sizes = {
        backup.day: backup.size for backup in reversed((*folder.present, *folder.past)) if not backup.bad
    }
    shown = [size for day in days if (size := sizes.get(day.day)) is not None]
    if shown:
        line = sparklines.sparkline([sizes.get(day.day) for day in days], plain=plain).strip()
        limits = dict.fromkeys((format_size(min(shown)), format_size(max(shown))))
        yield Text(f"size {line} {' to '.join(limits)}")


def _objectives(folder: FolderStatus) -> Iterator[Text]:
    figures = folder.objectives
    for name, value, objective in (
        ("RPO", figures.rpo_seconds, figures.rpo_objective),
        ("RTO", figures.rto_seconds, figures.rto_objective),
    ):
        yield Text(f"{name} ").append(*_measured(value, objective)).append(f" of {format_seconds(objective)}")
    backups, restored = figures.coverage.kept, figures.coverage.restored
    text = Text(f"restored within {folder.env.settings.redrill_days} days: ")
    yield text.append(f"{restored} of {backups}", "yellow" if restored < backups else "")


def _measured(value: float | None, objective: float) -> tuple[str, str]:
    """A duration in words, and its colour by its objective."""
    if value is None:
        return "not known", "bold red"
    shown = format_seconds(value)
    return (shown, "green") if 0 <= value <= objective else (f"{shown} MISSED", "bold red")


def _next_backup(folder: FolderStatus) -> str:
    """When the next scheduled backup is due, in the environment's time zone."""
    if folder.next_run is None:
        return "no scheduled backup"
    local = folder.next_run.astimezone(folder.env.settings.zone)
    return f"next backup {local:%Y-%m-%d %H:%M %Z}, in {format_duration(folder.next_run - folder.now)}"


def _free_space(location: LocationSpace, *, named: bool) -> Text:
    if location.space is None:
        return Text(f"in {location.folder}: {location.trouble}", "yellow")
    full = f", full about {location.full_at:%Y-%m-%d}" if location.full_at else ""
    where = f" in {location.folder}" if named else ""
    return Text(f"{format_size(location.space.free)} free of {format_size(location.space.size)}{where}{full}")


def _incident(incident: Incident, terminal: Terminal, *, hint: bool) -> None:
    finding = incident.finding
    since = f" (since {incident.since:%Y-%m-%d %H:%M %Z})" if incident.since else ""
    if incident.undelivered:
        since += f" (NOT DELIVERED to {', '.join(incident.undelivered)})"
    terminal.paragraph(f"{finding.level.upper()}: {finding.message}{since}", _LEVELS[finding.level], indent=2)
    if finding.hint and hint:
        terminal.paragraph(Hint("hint: ", finding.hint), "dim", indent=4)


def _copies(item: Status, terminal: Terminal) -> None:
    """What the last run of the archive saw of the newest proven backup's copies."""
    if not item.env.ctx.settings.locations_of(item.env.environment) or not item.proven:
        return
    copies = item.copies
    if copies is None or copies.file != item.proven.name.dump:
        again = Hint("copies: not made yet: ", make("archive", item.env.environment))
        terminal.paragraph(again, "yellow", indent=2)
        return
    good = copies.copied and copies.rule
    terminal.paragraph(f"copies: {copies.message}", "" if good else "yellow", indent=2)


def _undecrypted(folder: FolderStatus, terminal: Terminal) -> None:
    """Why the backups that no identity has opened are not proven."""
    unopened = [backup for backup in folder.present if backup.undecrypted]
    if unopened:
        count, newest = count_of(len(unopened), "backup is", "backups are"), unopened[0]
        text = f"{count} proven no further than by hash. {newest.name.dump}: {newest.undecrypted}"
        terminal.paragraph(text, "yellow", indent=2)


def _keys(item: Status, terminal: Terminal) -> None:
    """Which key opens how many backups, and what the last key-survival drill found; one paragraph."""
    coverage, folder, drill = item.coverage, item.folder_status, item.key_drill
    if not coverage:
        return
    present = {backup.name.dump for backup in folder.present}
    drilled = drill.sentence(folder.now, present) if drill else NO_DRILL
    good = drill is not None and drill.is_good(folder.now, present)
    parts: list[str | Hint] = [f"keys: {coverage.sentence}; {drilled}"]
    if coverage.warning:
        parts.append(Hint(f"; {coverage.warning}: ", make("rekey", item.env.environment, ALL=1)))
    terminal.paragraph(Hint(*parts), "" if good and not coverage.warning else "yellow", indent=2)


def _restore_rights(item: Status, terminal: Terminal, *, hint: bool) -> None:
    """What the account lacks for a restore, if anything."""
    if item.rights and item.rights.state != "present":
        terminal.paragraph(item.rights.sentence, "yellow", indent=2)
        if hint:
            own = item.rights.hint.within(item.env.environment)
            terminal.paragraph(Hint("hint: ", own), "dim", indent=4)


def _kept(item: Status, terminal: Terminal) -> None:
    """Pins, backups in quarantine, and the databases that restores have kept aside."""
    for line in _pins(item.folder_status):
        terminal.paragraph(line, indent=2)
    if moved := item.folder_status.quarantined:
        place = quarantine_store(item.env).location
        terminal.paragraph(f"in quarantine: {count_of(len(moved), 'backup')}, in {place}", indent=2)
    for previous in item.previous:
        age = format_duration(item.folder_status.now - previous.mark.at)
        size = format_size(previous.size) if previous.size is not None else "size unknown"
        drop = make("discard", item.env.environment, NAME=previous.name)
        terminal.paragraph(Hint(f"kept aside since {age}: {previous.name}, {size}; ", drop), indent=2)
    if item.server_problem:
        problem = item.server_problem.splitlines()[0]
        terminal.paragraph(f"its server cannot be queried: {problem}", "yellow", indent=2)


def _pins(folder: FolderStatus) -> Iterator[str]:
    for pin in folder.pins[:_PINS]:
        until = f" until {pin.until:%Y-%m-%d}" if pin.until else ""
        yield f"pinned{until}: {pin.file}, {pin.reason}"
    if len(folder.pins) > _PINS:
        yield f"… and {len(folder.pins) - _PINS} more pins"


def _legend(overview: Overview, terminal: Terminal) -> None:
    days = [
        day
        for item in overview.environments
        if item.health is not Health.QUIET
        for day in item.folder_status.days(STRIP_DAYS)
    ]
    legend = sparklines.strip_legend(days, plain=terminal.ascii_only)
    terminal.flow(*(Text(sign, _STYLES[kind]).append(f" {word}", "dim") for sign, kind, word in legend))


def _table(folder: FolderStatus) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    for column in ("day", "file", "size", "state", "age"):
        # No ellipsis and no wrapped names: they must stay complete, to be copied.
        table.add_column(column, overflow="fold", no_wrap=column in ("day", "file"))
    ages = {item.name.dump: format_duration(folder.now - item.recovery_point) for item in folder.present}
    for item in folder.backups()[:_LISTED]:
        file = str(item["file"])
        table.add_row(
            str(item["day"] or "?"), file, format_size(item["size"]), str(item["state"]), ages.get(file, "?")
        )
    return table
