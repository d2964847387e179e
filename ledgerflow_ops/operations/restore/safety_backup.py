"""The safety backup: the live database, backed up, proven and pinned, before a restore replaces it."""

from dataclasses import dataclass
from datetime import timedelta

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.proof import SOURCE
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, warned
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import BackupRequest
from ledgerflow_ops.core.restore.restore_plan import RestorePlan
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.retention import pins
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops.operations.verification.verify import verify

_PIN_DURATION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SafetyBackup:
    """The safety backup of the live database: the dump's name, None where there is none.

    `checks` are warnings about it. `unloadable`: it is complete, but no server can load it because of what
    is wrong in the database itself.
    """

    file: str | None = None
    unloadable: bool = False
    checks: tuple[Check, ...] = ()


def take_safety_backup(
    env: EnvironmentContext, origin: EnvironmentContext, plan: RestorePlan, *, required: bool
) -> SafetyBackup:
    """Back up the live database, prove the copy equal, and pin it and the backup being restored.

    Data rules that do not hold are no obstacle: broken data may be the reason for the restore. Nor is a
    database that no server can load: the copy has its rows to the byte, and the swap keeps the database
    itself. Unless `required`, the failure to back up is only reported: the swap keeps the database.
    """
    try:
        pins.pin(origin, plan.candidate.name, f"being restored ({plan.id})", env.ctx.clock() + _PIN_DURATION)
        return _take_proven(env, plan, BackupRequest())
    except LedgerError as error:
        if required:
            raise type(error)(
                f"The safety backup was not made: {error.message}",
                hint=Hint(error.hint, " Nothing else was touched."),
            ) from None
        env.ctx.reporter.say(f"no safety backup: {error.message}")
        return SafetyBackup()


def _take_proven(env: EnvironmentContext, plan: RestorePlan, request: BackupRequest) -> SafetyBackup:
    manifest = backup.make_backup(env, request, safety=True)
    name = BackupName.of(manifest.dump.file)
    pins.pin(env, name, f"safety backup before the restore {plan.id} of {plan.candidate.name.dump}")
    examination = drill.drill(env, name)
    if examination.rung is not None and examination.rung >= Rung.EQUAL:
        return SafetyBackup(name.dump)
    bad = examination.bad
    if bad is None or bad.cause != SOURCE:
        message = bad.message if bad else "it was not proven"
        raise BadBackup(message, hint=Hint(make("restore-test", FILE=name.dump), " says more."))
    if manifest.seal.content is None:  # what cannot be restored is only shown equal by a full seal
        return _take_proven(env, plan, BackupRequest(full_seal=True))
    return _unloadable_backup(env, plan, name, bad)


def _unloadable_backup(
    env: EnvironmentContext, plan: RestorePlan, name: BackupName, bad: Check
) -> SafetyBackup:
    """The backup of a database that no server can load, read to its end and found complete."""
    read = verify(env, name)
    if read.bad or read.rung is not Rung.READABLE:
        message = read.bad.message if read.bad else "it could not be read to its end"
        raise BadBackup(message, hint=Hint(make("verify", FILE=name.dump), " says more."))
    check = warned(
        "safety",
        SOURCE,
        f"The safety backup {name.dump} holds every row, but no server can load it. {bad.message}",
        Hint(f"Keep {plan.before} until that is fixed in it. ", bad.hint),
    )
    env.ctx.reporter.say(check.message)
    return SafetyBackup(name.dump, unloadable=True, checks=(check,))
