"""The safety backup: what is there now, proven and pinned, before anything takes its place."""

from datetime import timedelta

from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.naming import BackupName
from ledgerflow_ops.core.restoring import Plan
from ledgerflow_ops.core.rungs import Rung
from ledgerflow_ops.operations import backup, drill, pins
from ledgerflow_ops.operations.backup import Order
from ledgerflow_ops.operations.desk import Site

_IN_HAND = timedelta(days=7)


def keep(site: Site, origin: Site, plan: Plan, *, required: bool) -> BackupName | None:
    """Back up the live database, prove the copy faithful, pin it and the file in hand; its name.

    Data rules that do not hold in it are no obstacle: it is a copy of what is there, and what is there may
    be just why somebody restores. Unless `required`, a database that cannot be backed up is told and
    left as it is: the swap keeps it, whole or not.
    """
    try:
        pins.pin(origin, plan.candidate.name, f"being restored ({plan.id})", site.desk.clock() + _IN_HAND)
        return _kept(site, plan)
    except LedgerError as error:
        if required:
            raise type(error)(
                f"The safety backup was not made: {error.message}",
                hint=f"{error.hint} Nothing else was touched.",
            ) from None
        site.desk.reporter.say(f"no safety backup: {error.message}")
        return None


def _kept(site: Site, plan: Plan) -> BackupName:
    manifest = backup.make(site, Order())
    name = BackupName.of(manifest.dump.file)
    pins.pin(site, name, f"safety backup before the restore {plan.id} of {plan.candidate.name.dump}")
    examination = drill.drill(site, name)
    if examination.rung is None or examination.rung < Rung.EQUAL:
        message = examination.bad.message if examination.bad else "it was not proven"
        raise BadBackup(message, hint="make restore-test FILE= of it says more.")
    return name
