"""Pins backups, so that no rotation removes them."""

from datetime import datetime

from ledgerflow_ops.core.catalog.naming import PIN, BackupName
from ledgerflow_ops.core.catalog.pins import Pin, parse_until
from ledgerflow_ops.core.errors import BadBackup, Refused, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.context import EnvironmentContext

_STATUS_HINT = Hint(make("status"), " lists the backups and their pins.")


def pin_on_request(env: EnvironmentContext, file: str, reason: str, until: str = "") -> Pin:
    """Pin a backup on a person's request, and journal it; returns the pin.

    SettingsError (2) for a missing file or reason or a wrong `until`; Refused (3) where it is pinned longer.
    """
    with journal.recorded(env, "pin") as note:
        note |= {"file": file, "reason": reason}
        made = _pin_checked(env, file, reason.strip(), until.strip())
        note |= {"file": made.file, "until": made.until}
        return made


def _pin_checked(env: EnvironmentContext, file: str, reason: str, until: str) -> Pin:
    if not file:
        raise SettingsError("pin needs FILE=.", hint=_STATUS_HINT)
    if not reason:
        raise SettingsError(
            "pin needs REASON=: whoever finds it in a year wants to know.",
            hint=Hint(make("pin", env.environment, REASON="year-end closing", FILE=file)),
        )
    name = catalog.find(env, file)
    end = parse_until(until, env.ctx.clock(), env.settings.zone)
    made = pin(env, name, reason, end)
    if (made.reason, made.until) != (reason, end):
        raise Refused(
            f"{name.dump} is pinned {_span(made)} already: {made.reason}",
            hint=Hint("To shorten that: ", make("unpin", FILE=name.dump), "; then pin it again."),
        )
    return made


def unpin(env: EnvironmentContext, file: str) -> str:
    """Remove a backup's pin; returns the backup's file. SettingsError (2) for no such backup, Refused (3)
    without a pin."""
    with journal.recorded(env, "unpin") as note:
        note["file"] = file
        if not file:
            raise SettingsError("unpin needs FILE=.", hint=_STATUS_HINT)
        name = catalog.find(env, file)
        if not env.store.taken(name.pin):
            raise Refused(f"{name.dump} is not pinned.", hint=_STATUS_HINT)
        try:
            was = read_pin(env, name)
        except BadBackup:
            was = None
        env.store.delete(name.pin)
        note |= {"file": name.dump, "reason": was.reason if was else "it could not be read"}
        return name.dump


def active_pins(env: EnvironmentContext) -> list[Pin]:
    """The pins in force now, by file. An unreadable pin is in force; its reason says that."""
    now, pins = env.ctx.clock(), []
    for file in env.store.names(PIN):
        name = BackupName.of(file).among(env.store.taken)
        try:
            entry = read_pin(env, name)
        except BadBackup as error:
            entry = Pin(file=name.dump, reason=error.message, who="?", since=now)
        if entry and entry.holds(now):
            pins.append(entry)
    return pins


def _span(pin: Pin) -> str:
    return f"until {pin.until:%Y-%m-%d %H:%M %Z}" if pin.until else "without an end"


def pin(env: EnvironmentContext, name: BackupName, reason: str, until: datetime | None = None) -> Pin:
    """Pin a backup; a longer pin stays. Busy while a rotation removes it, Refused when one has removed it."""
    made = Pin(file=name.dump, reason=reason, who=env.ctx.run.who, since=env.ctx.clock(), until=until)
    with hold_backup(env, name, ""):
        if not env.store.taken(name.dump) and not env.store.taken(name.manifest):
            raise Refused(f"{name.dump} is gone: a rotation removed it a moment ago.", hint=_STATUS_HINT)
        present = read_pin(env, name)
        if present and (present.until is None or (until is not None and present.until >= until)):
            return present
        env.store.replace(name.pin, made.encode())
    return made


def read_pin(env: EnvironmentContext, name: BackupName) -> Pin | None:
    """The backup's pin; None without one. BadBackup when it cannot be read: the backup counts as pinned."""
    if env.store.version(name.pin) is None:
        return None
    return Pin.decode(env.store.record(name.pin), name.pin)


def pin_reason(env: EnvironmentContext, name: BackupName) -> str:
    """The reason of the pin that keeps this backup from rotation; empty when there is none."""
    try:
        current = read_pin(env, name)
    except BadBackup as error:
        return error.message
    return current.reason if current and current.holds(env.ctx.clock()) else ""
