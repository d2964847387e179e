"""The status at the terminal: one screen for three environments, with a list of backups for one."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.alerting.findings import Level
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.durations import format_duration, format_seconds
from ledgerflow_ops.core.hints import make
from ledgerflow_ops.core.presentation import sparklines
from ledgerflow_ops.core.presentation.day_status import Health
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.monitoring.disk_space import LocationSpace
from ledgerflow_ops.operations.monitoring.environment_status import FolderStatus
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
    terminal.say(_headline(folder), _TONES[item.health])
    if item.env.is_sample:
        terminal.say(f"  SAMPLE DATA: no URL is set for {item.env.environment}.", "yellow")
    if item.health is not Health.QUIET:
        terminal.print_text(_strip(folder, plain=terminal.ascii_only))
        terminal.print_text(_objectives(folder))
    first, *archives = folder.spaces
    terminal.say(
        f"  {_next_backup(folder)}   {_free_space(first, named=alone)}", "" if first.space else "yellow"
    )
    for archive in archives if alone else ():
        terminal.say(f"  {_free_space(archive, named=True)}", "" if archive.space else "yellow")
    shown = item.incidents if alone else item.incidents[:_INCIDENTS]
    for incident in shown:
        _incident(incident, terminal, hint=alone or incident.finding.level is Level.CRITICAL)
    if hidden := len(item.incidents) - len(shown):
        terminal.say(f"  and {hidden} more: {make('status', item.env.environment)}", "yellow")
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


def _strip(folder: FolderStatus, *, plain: bool) -> Text:
    """The last days by state, and a sparkline of the size."""
    days = folder.days(STRIP_DAYS)
    text = Text(f"  {STRIP_DAYS} days [")
    for sign, kind in sparklines.day_strip(days, plain=plain):
        text.append(sign, _STYLES[kind])
    text.append("]")
    sizes = {
        backup.day: backup.size for backup in reversed((*folder.present, *folder.past)) if not backup.bad
    }
    shown = [size for day in days if (size := sizes.get(day.day)) is not None]
    if shown:
        text.append(
            f"  size {sparklines.sparkline([sizes.get(day.day) for day in days], plain=plain).strip()} "
        )
        text.append(" to ".join(dict.fromkeys((format_size(min(shown)), format_size(max(shown))))))
    return text


def _objectives(folder: FolderStatus) -> Text:
    text, figures = Text("  "), folder.objectives
    for name, value, objective in (
        ("RPO", figures.rpo_seconds, figures.rpo_objective),
        ("RTO", figures.rto_seconds, figures.rto_objective),
    ):
        text.append(f"{name} ")
        text.append(*_measured(value, objective))
        text.append(f" of {format_seconds(objective)}   ")
    backups, restored = figures.coverage.kept, figures.coverage.restored
    text.append(f"restored within {folder.env.settings.redrill_days} days: ")
    text.append(f"{restored} of {backups}", "yellow" if restored < backups else "")
    return text


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


def _free_space(location: LocationSpace, *, named: bool) -> str:
    if location.space is None:
        return f"in {location.folder}: {location.trouble}"
    full = f", full about {location.full_at:%Y-%m-%d}" if location.full_at else ""
    where = f" in {location.folder}" if named else ""
    return f"{format_size(location.space.free)} free of {format_size(location.space.size)}{where}{full}"


def _incident(incident: Incident, terminal: Terminal, *, hint: bool) -> None:
    finding = incident.finding
    since = f" (since {incident.since:%Y-%m-%d %H:%M %Z})" if incident.since else ""
    if incident.undelivered:
        since += f" (NOT DELIVERED to {', '.join(incident.undelivered)})"
    terminal.say(f"  {finding.level.upper()}: {finding.message}{since}", _LEVELS[finding.level])
    if finding.hint and hint:
        terminal.say(f"    hint: {finding.hint}", "dim")


def _restore_rights(item: Status, terminal: Terminal, *, hint: bool) -> None:
    """What the account lacks for a restore, if anything."""
    if item.rights and item.rights.state != "present":
        terminal.say(f"  {item.rights.sentence}", "yellow")
        if hint:
            terminal.say(f"    hint: {item.rights.hint.within(item.env.environment)}", "dim")


def _kept(item: Status, terminal: Terminal) -> None:
    """Pins, and the databases that restores have kept aside."""
    for line in _pins(item.folder_status):
        terminal.say(f"  {line}")
    for previous in item.previous:
        age = format_duration(item.folder_status.now - previous.mark.at)
        size = format_size(previous.size) if previous.size is not None else "size unknown"
        drop = make("discard", item.env.environment, NAME=previous.name)
        terminal.say(f"  kept aside since {age}: {previous.name}, {size}; {drop}")
    if item.server_problem:
        terminal.say(f"  its server cannot be queried: {item.server_problem.splitlines()[0]}", "yellow")


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
    text = Text("  ")
    for sign, kind, word in sparklines.strip_legend(days, plain=terminal.ascii_only):
        text.append(sign, _STYLES[kind])
        text.append(f" {word}   ", "dim")
    if text.plain.strip():
        terminal.print_text(text)


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
