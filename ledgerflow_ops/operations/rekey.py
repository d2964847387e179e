"""Encrypts old backups anew for the present recipients (`make rekey`), and removes the old ones.

An old backup is removed only where the new one, its proof and its pin are complete, and where no archive
location that follows the folder still lacks the new one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.history import Removal, RemovalPart
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.catalog.rekey_plan import RekeyAction, RekeyDecision, new_of, plan_rekey
from ledgerflow_ops.core.checks import passed
from ledgerflow_ops.core.errors import LedgerError, Refused, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.retention.retention_plan import RetentionDecision
from ledgerflow_ops.operations import catalog, journal, removal_history, rewrapping
from ledgerflow_ops.operations.archive.copies import place_name
from ledgerflow_ops.operations.archive.location_retention import following_locations
from ledgerflow_ops.operations.cleanup import leftover_sweep
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import recording
from ledgerflow_ops.operations.retention import pins, removal, rotate

CHECK = "rekeyed"
"""The name of the check that a proof which was carried over has."""


@dataclass
class RekeyResult:
    """What was done: new dumps by old ones, the old ones that wait to be removed with why, and the errors."""

    encrypted: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    failed: list[LedgerError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The gravest of the errors, else 0."""
        return max((error.exit_code for error in self.failed), default=0)

    def as_json(self) -> dict[str, Any]:
        return {
            "encrypted": dict(self.encrypted),
            "removed": list(self.removed),
            "waiting": dict(self.waiting),
            "failed": [error.message for error in self.failed],
        }


def plan(env: EnvironmentContext, file: str = "") -> list[RekeyDecision]:
    """What is done with each backup of the environment's own folder, or with `file` alone, and why.

    SettingsError (2) without recipients or for an unknown file, Refused (3) for a file that is not encrypted.
    """
    env.ctx.reporter.step(Step.PLAN)
    recipients = env.settings.all_recipients
    if not recipients:
        raise SettingsError(
            f"{env.environment} has no recipients: there is nothing to encrypt its backups for.",
            hint=Hint("Set recipients of it in ledgerflow.toml: docs/encryption.md"),
        )
    decisions = plan_rekey(catalog.entries(env), recipients)
    if not file:
        return decisions
    name = catalog.find(env, file)
    if not name.encrypted:
        raise Refused(
            f"{name.dump} is not encrypted: it stays as it is.",
            hint=Hint("Its plain file stays readable for whoever has it. New backups are encrypted."),
        )
    return [decision for decision in decisions if BackupName.of(decision.file) == name]


def rekey(env: EnvironmentContext, file: str = "") -> RekeyResult:
    """Carry out the plan, and finish what a killed one has begun. Recorded in the journal.

    KeyUnavailable (5) without an identity that opens new files, Refused (3) for a folder that is read-only.
    What fails for one backup is in the result; that backup stays as it was.
    """
    ctx = env.ctx
    decisions = plan(env, file)
    if not env.store.writable():
        raise Refused(
            f"{env.store.location} is read-only: nothing can be encrypted anew there.",
            hint=Hint("Run it where the backups are written."),
        )
    if any(decision.action is RekeyAction.ENCRYPT for decision in decisions):
        rewrapping.require_keys(env)
    result = RekeyResult()
    with (
        journal.recorded(env, "rekey") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "rekey", ctx.clock()),
    ):
        leftover_sweep.sweep_before_operation(env)
        list(rotate.finish_removals(env))
        for decision in plan(env, file):
            if decision.action is not RekeyAction.KEEP:
                _carry_out(env, decision, result)
        list(rotate.finish_removals(env))  # archives of files that only the last of these needed
        ctx.reporter.step(Step.JOURNAL)
        note |= result.as_json()
        if result.failed:
            note |= {"result": "failed", "error": "; ".join(error.message for error in result.failed)}
    return result


def _carry_out(env: EnvironmentContext, decision: RekeyDecision, result: RekeyResult) -> None:
    try:
        old = catalog.entry(env, BackupName.of(decision.file))
        assert old.manifest
        made = new_of(catalog.entries(env), old.manifest)
        if made is None:
            made = rewrapping.rewrap(env, old.manifest, rewrapping.committed_files(env))
            result.encrypted[decision.file] = made.dump.file
        _carry_over(env, old, made)
        if why := _awaited(env, old.name, BackupName.of(made.dump.file)):
            result.waiting[decision.file] = why
        else:
            _remove(env, old.manifest, made)
            result.removed.append(decision.file)
    except LedgerError as error:
        result.failed.append(error)


def _carry_over(env: EnvironmentContext, old: CatalogEntry, made: Manifest) -> None:
    """Write what belongs to the new backup and is not there yet: its proof, its pin, records of archives."""
    env.ctx.reporter.step(Step.PROOF)
    name = BackupName.of(made.dump.file)
    if old.proof and not env.store.taken(name.proof):
        shown = passed(
            CHECK,
            f"What this proof shows was shown of {old.name.dump}. {made.dump.file} was written from it for "
            "other recipients, was decrypted again, and holds the same plain bytes.",
        )
        proof = old.proof.model_copy(
            update={
                "file": made.dump.file,
                "sha256": made.dump.sha256,
                "manifest_digest": made.digest,
                "checks": (*old.proof.checks, shown.as_json(env.environment)),
            }
        )
        with recording.proving(env, proof):
            env.store.replace(name.proof, proof.encode())
    pin = pins.read_pin(env, old.name)
    if pin and not env.store.taken(name.pin):
        env.store.replace(name.pin, pin.model_copy(update={"file": made.dump.file}).encode())
    _record_archives(env, made)


def _record_archives(env: EnvironmentContext, made: Manifest) -> None:
    """Record that the archives of other backups, encrypted anew for this one, go when nothing needs them."""
    recorded = {
        part.archive.file
        for begun in removal_history.unfinished_removals(env)
        for part in begun.parts
        if part.archive
    }
    for facts in made.files.needs if made.files else ():
        owner = BackupName.of(facts.file)
        if facts.file in recorded or env.store.taken(owner.manifest):
            continue
        archive = removal.recorded_part(env.store, owner, "").archive
        record = Removal(
            file=owner.dump,
            key=removal_history.unused_key(env, owner, made.digest),
            digest=made.digest,
            day=made.backup_day,
            reasons=(f"{made.dump.file} needs its archive of files",),
            who=env.ctx.run.who,
            at=env.ctx.clock(),
            retired=True,
            wiped=True,
            parts=(RemovalPart(root="", archive=archive),),
        )
        removal_history.record_removal(env, record)


def _awaited(env: EnvironmentContext, old: BackupName, new: BackupName) -> str:
    """Why the old backup is not removed yet; empty where nothing is awaited.

    Only a location that follows the folder would lose its copy with it, and only one that is written to.
    """
    return "; ".join(_locations_without(following_locations(env), old, new))


def _locations_without(ats: Sequence[EnvironmentContext], old: BackupName, new: BackupName) -> Iterator[str]:
    for at in ats:
        if not at.store.reachable():
            yield f"{place_name(at)} cannot be reached"
        elif at.store.exists() and not at.store.writable():
            continue
        elif at.store.taken(old.manifest) and not at.store.taken(new.manifest):
            yield f"{place_name(at)} has a copy of it, and none of {new.dump} yet"


def _remove(env: EnvironmentContext, old: Manifest, made: Manifest) -> None:
    """Remove the old backup, as a rotation does: its removal is recorded before it begins."""
    name = BackupName.of(old.dump.file)
    decision = RetentionDecision(
        name.stem, old.backup_day, expires=True, reasons=(f"encrypted anew as {made.dump.file}",)
    )
    with locks.lock_for_removal(env.ctx.settings.state_dir, env.environment, name.stem):
        removal.continue_removal(env, removal.begin_removal(env, old, decision))
    removal_history.mark_wiped(env, [old.backup_day])  # the day has the new backup


def waiting_hint() -> Hint:
    """What to do about old backups that wait for a location."""
    return Hint(make("archive"), " copies the new ones; then ", make("rekey", ALL=1), " removes the old.")
