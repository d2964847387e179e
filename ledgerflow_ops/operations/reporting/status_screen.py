"""How it stands, drawn for a person: one screen for three environments, with the backups for one."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.alerting.findings import Level
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


def show(found: Overview, terminal: Terminal) -> None:
    """The whole screen."""
    alone = len(found.environments) == 1
    for item in found.environments:
        _environment(item, terminal, alone=alone)
    if found.machine:
        terminal.say("the machine:", "bold")
    for incident in found.machine:
        _incident(incident, terminal, hint=True)
    _legend(found, terminal)
    if not alone:
        terminal.say("LEDGER_ENV=dev|test|prod make status lists an environment's backups.", "dim")


def _environment(item: Status, terminal: Terminal, *, alone: bool) -> None:
    found = item.standing
    terminal.say(_headline(found), _TONES[item.tone])
    if item.env.is_sample:
        terminal.say(f"  SAMPLE DATA: no URL is set for {item.env.environment}.", "yellow")
    if item.tone is not Health.QUIET:
        terminal.line(_strip(found, plain=terminal.plain))
        terminal.line(_objectives(found))
    first, *others = found.rooms
    terminal.say(
        f"  {_next_backup(found)}   {_free_space(first, named=alone)}", "" if first.space else "yellow"
    )
    for room in others if alone else ():
        terminal.say(f"  {_free_space(room, named=True)}", "" if room.space else "yellow")
    shown = item.incidents if alone else item.incidents[:_INCIDENTS]
    for incident in shown:
        _incident(incident, terminal, hint=alone or incident.finding.level is Level.CRITICAL)
    if left := len(item.incidents) - len(shown):
        terminal.say(f"  and {left} more: {make('status', item.env.environment)}", "yellow")
    _kept(item, terminal)
    if alone and found.backups():
        terminal.table(_table(found))


def _headline(found: FolderStatus) -> str:
    name, proven = found.env.environment, found.proven
    if found.trouble:
        return f"{name}: NOT KNOWN. Its folder cannot be read."
    if proven is None:
        return f"{name}: NOTHING IS PROVEN. {len(found.present) + len(found.others)} dump(s) in the folder."
    rto = f", restored in {proven.rto_seconds:.1f} s" if proven.rto_seconds else ""
    away = "" if proven.local else " (NOT LOCAL: its bytes are only in the cloud)"
    return f"{name}: newest proven backup is {found.age}{rto}: {proven.name.dump}{away}"


def _strip(found: FolderStatus, *, plain: bool) -> Text:
    """The last days as rungs, and beside them how the size went."""
    days = found.days(STRIP_DAYS)
    text = Text(f"  {STRIP_DAYS} days [")
    for sign, kind in sparklines.day_strip(days, plain=plain):
        text.append(sign, _STYLES[kind])
    text.append("]")
    sizes = {one.day: one.size for one in reversed((*found.present, *found.past)) if not one.bad}
    known = [size for day in days if (size := sizes.get(day.day)) is not None]
    if known:
        text.append(
            f"  size {sparklines.sparkline([sizes.get(day.day) for day in days], plain=plain).strip()} "
        )
        text.append(" to ".join(dict.fromkeys((format_size(min(known)), format_size(max(known))))))
    return text


def _objectives(found: FolderStatus) -> Text:
    text, reached = Text("  "), found.objectives
    for name, value, objective in (
        ("RPO", reached.rpo_seconds, reached.rpo_objective),
        ("RTO", reached.rto_seconds, reached.rto_objective),
    ):
        text.append(f"{name} ")
        text.append(*_measured(value, objective))
        text.append(f" of {format_seconds(objective)}   ")
    kept, restored = reached.coverage.kept, reached.coverage.restored
    text.append(f"restored within {found.env.settings.redrill_days} days: ")
    text.append(f"{restored} of {kept}", "yellow" if restored < kept else "")
    return text


def _measured(value: float | None, objective: float) -> tuple[str, str]:
    """A length of time and the colour it has beside its objective."""
    if value is None:
        return "not known", "bold red"
    shown = format_seconds(value)
    return (shown, "green") if 0 <= value <= objective else (f"{shown} MISSED", "bold red")


def _next_backup(found: FolderStatus) -> str:
    """When the next backup comes, in the environment's own time."""
    if found.next_run is None:
        return "no backup comes by itself"
    local = found.next_run.astimezone(found.env.settings.zone)
    return f"next backup {local:%Y-%m-%d %H:%M %Z}, in {format_duration(found.next_run - found.now)}"


def _free_space(room: LocationSpace, *, named: bool) -> str:
    if room.space is None:
        return f"in {room.folder}: {room.trouble}"
    full = f", full about {room.full_at:%Y-%m-%d}" if room.full_at else ""
    where = f" in {room.folder}" if named else ""
    return f"{format_size(room.space.free)} free of {format_size(room.space.size)}{where}{full}"


def _incident(incident: Incident, terminal: Terminal, *, hint: bool) -> None:
    finding = incident.finding
    since = f" (since {incident.since:%Y-%m-%d %H:%M %Z})" if incident.since else ""
    if incident.undelivered:
        since += f" (NOT DELIVERED to {', '.join(incident.undelivered)})"
    terminal.say(f"  {finding.level.upper()}: {finding.message}{since}", _LEVELS[finding.level])
    if finding.hint and hint:
        terminal.say(f"    hint: {finding.hint}", "dim")


def _kept(item: Status, terminal: Terminal) -> None:
    """Pins, and the databases that restores have put aside."""
    for line in _pins(item.standing):
        terminal.say(f"  {line}")
    for one in item.kept:
        age = format_duration(item.standing.now - one.mark.at)
        size = format_size(one.size) if one.size is not None else "size unknown"
        drop = make("discard", item.env.environment, NAME=one.name)
        terminal.say(f"  kept aside since {age}: {one.name}, {size}; {drop}")
    if item.unseen:
        terminal.say(f"  its server cannot be asked: {item.unseen.splitlines()[0]}", "yellow")


def _pins(found: FolderStatus) -> Iterator[str]:
    for pin in found.pins[:_PINS]:
        until = f" until {pin.until:%Y-%m-%d}" if pin.until else ""
        yield f"pinned{until}: {pin.file}, {pin.reason}"
    if len(found.pins) > _PINS:
        yield f"… and {len(found.pins) - _PINS} more pins"


def _legend(found: Overview, terminal: Terminal) -> None:
    days = [
        day
        for item in found.environments
        if item.tone is not Health.QUIET
        for day in item.standing.days(STRIP_DAYS)
    ]
    text = Text("  ")
    for sign, kind, word in sparklines.strip_legend(days, plain=terminal.plain):
        text.append(sign, _STYLES[kind])
        text.append(f" {word}   ", "dim")
    if text.plain.strip():
        terminal.line(text)


def _table(found: FolderStatus) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    for column in ("day", "file", "size", "state", "age"):
        # No ellipsis, and no name in two pieces: they are there to be copied.
        table.add_column(column, overflow="fold", no_wrap=column in ("day", "file"))
    ages = {one.name.dump: format_duration(found.now - one.recovery_point) for one in found.present}
    for one in found.backups()[:_LISTED]:
        file = str(one["file"])
        table.add_row(
            str(one["day"] or "?"), file, format_size(one["size"]), str(one["state"]), ages.get(file, "?")
        )
    return table
