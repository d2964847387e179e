"""Recovers an environment after a loss, from the newest backup that proves sound, in any location."""

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import locks, process
from ledgerflow_ops.adapters.system.process import mask_secrets
from ledgerflow_ops.core.catalog import catalog as core_catalog
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import BadBackup, CannotJudge, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import RecoverRequest, RestoreRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restore import incident as incidents
from ledgerflow_ops.core.restore.database_names import new_id
from ledgerflow_ops.core.restore.incident import CandidateVerdict, Event, Incident
from ledgerflow_ops.operations import catalog, journal
from ledgerflow_ops.operations.cleanup import leftover_sweep, restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.restore import restore, target_inspection
from ledgerflow_ops.operations.restore.restore import PreparedRestore, RestoreResult
from ledgerflow_ops.operations.verification import drill, verify


@dataclass(frozen=True, slots=True)
class LocatedDump:
    """A dump, and the location where it is."""

    at: EnvironmentContext
    entry: CatalogEntry

    @property
    def file(self) -> str:
        return self.at.store.describe(self.entry.name.dump)


def recovery_candidates(env: EnvironmentContext) -> list[LocatedDump]:
    """Every dump of the environment in every location, in the order in which they would be tried.

    A location that cannot be read is reported and passed over.
    """
    dumps = [
        (LocatedDump(at, entry), position)
        for position, at in enumerate(env.locations())
        for entry in _entries(at)
    ]
    ranks = incidents.trial_order([(dump.entry, position) for dump, position in dumps])
    return [dumps[rank][0] for rank in ranks]


def _entries(at: EnvironmentContext) -> list[CatalogEntry]:
    try:
        return catalog.entries(at)
    except LedgerError as error:
        at.ctx.reporter.say(f"{at.store.location} cannot be searched: {error.message}")
        return []


def refuse_healthy(env: EnvironmentContext, confirmed: str) -> str:
    """A sentence why the primary counts as lost; Refused (3) when it holds data and nobody confirmed."""
    try:
        target = target_inspection.inspect_target(env).target
    except Refused:
        raise
    except LedgerError as error:
        raise LedgerError(
            f"The server itself does not answer: {error.message}",
            hint=Hint("Bring the server back (an empty one will do), then run ", make("recover"), " again."),
        ) from None
    if target.live is None:
        return f"{target.database} is gone."
    if target.empty:
        return f"{target.database} is empty."
    if confirmed != env.environment:
        raise Refused(
            f"{target.database} is there and holds {target.live.relations} relations. "
            "A recovery would replace it by an older state.",
            hint=Hint(
                "If it is bad and you mean it: ",
                make("recover", CONFIRM=env.environment),
                " (it is kept aside in any case)",
            ),
        )
    return f"{target.database} is there, and was confirmed to be bad."


def recover(env: EnvironmentContext, request: RecoverRequest) -> tuple[Incident, RestoreResult]:
    """Drill candidates, newest first, until one is proven; restore it; write the incident's record.

    Refused (3) when the primary holds data and `confirm` does not name the environment. LedgerError (1)
    when no candidate is proven: its message says what was searched and why each was rejected.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "recover") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "recover", ctx.clock()),
        process.recorded_commands() as commands,
    ):
        ctx.reporter.step(Step.PLAN)
        ident = new_id(ctx.clock(), secrets.token_hex(2))
        incident = Incident(str(env.environment), ident, ctx.run.who, ctx.run.why)
        incident.primary = refuse_healthy(env, request.confirm)
        leftover_sweep.sweep_before_operation(env)
        restore_leftovers.sweep(env)
        note["incident"] = incident.name
        try:
            return _Recovery(env, incident, commands).carry_out()
        finally:
            note["outcome"] = incident.outcome


class _Recovery:
    """One running recovery."""

    def __init__(self, env: EnvironmentContext, incident: Incident, commands: list[str]) -> None:
        self.env, self.incident, self.commands = env, incident, commands

    def carry_out(self) -> tuple[Incident, RestoreResult]:
        self._note(f"recovery begun: {self.incident.primary}")
        try:
            restored = self._restored()
        except BaseException as error:
            self.incident.outcome = f"NOT RECOVERED: {mask_secrets(getattr(error, 'message', repr(error)))}"
            self._write()
            raise
        self.incident.outcome = "RECOVERED" if restored.bad is None else "RECOVERED, but a check failed"
        self._write()
        return self.incident, restored

    def _restored(self) -> RestoreResult:
        self.incident.searched = [at.store.location for at in self.env.locations()]
        dumps = _candidates_with_manifests(self.env)
        locations = count_of(len(self.incident.searched), "location")
        self._note(f"{count_of(len(dumps), 'candidate')} in {locations}")
        for dump in dumps:
            if prepared := self._prepared(dump):
                with journal.recorded(self.env, "restore", part=True) as note:
                    note["file"] = dump.entry.name.dump
                    restored = restore.carry_out_restore(self.env, prepared, safety_needed=False)
                    note |= restored.journal_fields
                self._account(dump, restored, dumps)
                return restored
        rejected = "".join(
            f"\n  {dump.file}: {_first_line(dump.reason)}" for dump in self.incident.candidates
        )
        raise LedgerError(
            f"Nothing is left to restore {self.env.environment} from. Searched: "
            f"{', '.join(self.incident.searched)}.{rejected or ' There was no dump in any of them.'}",
            hint=Hint(
                "Look for copies elsewhere, name them in archive_roots or [[locations]], and run it again."
            ),
        )

    def _prepared(self, dump: LocatedDump) -> PreparedRestore | None:
        """A plan for this candidate, if it is proven and may be restored. Its verdict is recorded."""
        try:
            dump = _downloaded(dump)
            reason, prepared = _rejection_reason(dump), None
            if not reason:
                file, own = dump.entry.name.dump, self.env.environment
                request = RestoreRequest(environment=own, file=file, force=True)
                prepared = restore.prepare_restore(self.env, request, dump.at)
                prepared.plan.require()
        except (Refused, BadBackup, CannotJudge) as error:
            fetch = "" if dump.entry.local else f" {error.hint}"
            reason, prepared = error.message + fetch, None
        self.incident.candidates.append(
            CandidateVerdict(dump.file, dump.entry.recovery_point, mask_secrets(reason))
        )
        self._note(f"{dump.file}: {'holds' if prepared else 'rejected: ' + _first_line(reason)}")
        return prepared

    def _account(self, dump: LocatedDump, restored: RestoreResult, dumps: list[LocatedDump]) -> None:
        """Record what was recovered, what was lost, and what is left to do."""
        incident, manifest = self.incident, restored.plan.candidate.manifest
        assert manifest is not None
        self._note(f"restored {dump.file}")
        incident.recovery_point = manifest.recovery_point
        incident.lost = self.env.ctx.clock() - manifest.recovery_point
        newest = core_catalog.newest(
            replace(other.entry, problem="") for other in dumps if other.entry.manifest
        )
        last = newest.manifest.seal.tables if newest and newest.manifest else {}
        incident.losses = incidents.table_losses(manifest, {name: facts.rows for name, facts in last.items()})
        incident.checks = [check.as_json(restored.plan.request.environment) for check in restored.checks]
        incident.todo = list(_todo(restored))

    def _note(self, what: str) -> None:
        self.incident.timeline.append(Event(self.env.ctx.clock(), what))
        self.env.ctx.reporter.say(what)

    def _write(self) -> None:
        """Write the incident's record beside the backups."""
        self.incident.commands = list(dict.fromkeys(self.commands))
        folder = incidents_folder(self.env)
        text = json.dumps(self.incident.as_json(), default=str, indent=2, ensure_ascii=False)
        durable_record.write(folder, f"{self.incident.name}.json", text + "\n")
        durable_record.write(folder, f"{self.incident.name}.md", incidents.markdown(self.incident))


def incidents_folder(env: EnvironmentContext) -> Path:
    """The folder of incidents. It is beside the backups, which outlive this machine's state."""
    return env.ctx.settings.backup_root / "incidents"


def _candidates_with_manifests(env: EnvironmentContext) -> list[LocatedDump]:
    """The candidates, with those manifests downloaded that only the cloud has: they say which backup is the
    newest. A location whose first one does not come is left alone."""
    dumps, away = recovery_candidates(env), set[str]()
    unread = [dump for dump in dumps if dump.entry.manifest is None and not dump.entry.local]
    for dump in unread:
        try:
            if dump.at.store.location not in away:
                verify.require_local(dump.at, (dump.entry.name.manifest,))
        except CannotJudge:
            away.add(dump.at.store.location)
    return recovery_candidates(env) if unread else dumps


def _downloaded(dump: LocatedDump) -> LocatedDump:
    """The candidate with all of its bytes on this machine; CannotJudge where only the cloud has them, and
    they cannot be downloaded."""
    at, entry = dump.at, dump.entry
    if entry.local:
        return dump
    verify.require_local(at, (entry.name.manifest,))
    entry = catalog.entry(at, entry.name)
    files = entry.manifest.files if entry.manifest else None
    archives = [facts.file for facts in files.archives] if files else []
    verify.require_local(at, (entry.name.dump, entry.name.globals, *archives))
    return LocatedDump(at, catalog.entry(at, entry.name))


def _rejection_reason(dump: LocatedDump) -> str:
    """Why this candidate is rejected; empty when a drill has just proven it."""
    entry = dump.entry
    if entry.problem:
        return entry.problem
    if entry.manifest is None:
        return "no manifest: what it restores to cannot be compared with anything"
    examination = drill.drill(dump.at, entry.name)
    if examination.bad:
        return examination.bad.message
    faithful = examination.rung is Rung.EQUAL and (
        entry.manifest.lacks or examination.ceiling is Rung.EQUAL
    )  # the dump is incomplete, but everything in it was restored
    return "" if examination.proven or faithful else "it could not be proven"


def _todo(restored: RestoreResult) -> list[str]:
    """What somebody has to do after a recovery."""
    environment = restored.plan.request.environment
    tasks: list[tuple[bool, str]] = [
        (True, "Start the application and check the newest entries with somebody who knows the books."),
        (True, "Enter again what was written after the recovery point."),
        (True, f"Take a new backup: {make('backup', environment)}"),
        (
            restored.before is not None,
            f"When nothing is missed any more: {make('discard', environment, NAME=restored.before)}",
        ),
        (
            restored.bad is not None,
            f"Fix what a check found: {restored.bad.message if restored.bad else ''}",
        ),
    ]
    texts = [text for applies, text in tasks if applies]
    return texts + [f"{warning.message}" for warning in restored.plan.warnings]


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
