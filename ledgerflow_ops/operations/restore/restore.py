"""Restores a backup: into a database beside the live one, which it replaces only after all comparisons."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psycopg

from ledgerflow_ops.adapters.dump.archive_head import definitions_path
from ledgerflow_ops.adapters.inspection import database_properties
from ledgerflow_ops.adapters.load import drop_database, load_progress, restore_server, statistics
from ledgerflow_ops.adapters.load.restore_server import DatabaseRename
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.adapters.system.clock import Stopwatch
from ledgerflow_ops.core import text_encodings
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.rungs import Rung
from ledgerflow_ops.core.checks import Check, first_fatal
from ledgerflow_ops.core.errors import BadBackup, LedgerError, Pending, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import RestoreRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restore.database_names import DatabaseMark, DatabaseRole, new_id
from ledgerflow_ops.core.restore.file_swap import FileSwap
from ledgerflow_ops.core.restore.restore_plan import RestorePlan, plan_restore
from ledgerflow_ops.operations import catalog, identity, journal
from ledgerflow_ops.operations.backup import completeness
from ledgerflow_ops.operations.backup_lock import hold_backup
from ledgerflow_ops.operations.cleanup import leftover_sweep, restore_leftovers
from ledgerflow_ops.operations.cleanup.swap_outcome import BRIEF_LIMITS
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_pairing, files_restore
from ledgerflow_ops.operations.restore import post_restore_checks, replication_notes
from ledgerflow_ops.operations.restore.candidate import examined_candidate
from ledgerflow_ops.operations.restore.safety_backup import SafetyBackup, take_safety_backup
from ledgerflow_ops.operations.restore.scratch_database import create_scratch_database
from ledgerflow_ops.operations.restore.target_inspection import InspectedTarget, inspect_target
from ledgerflow_ops.operations.verification import archive_loading, data_rules, restored_contents, roles
from ledgerflow_ops.operations.verification.restored_contents import SourceArchive
from ledgerflow_ops.operations.verification.restored_ddl import RestoredDdl, compare_restored_ddl
from ledgerflow_ops.operations.verification.verify import choose_pg_restore, difference_checks


@dataclass(frozen=True, slots=True)
class PreparedRestore:
    """A plan with the target and the backup's location that it was made for."""

    plan: RestorePlan
    inspected: InspectedTarget
    origin: EnvironmentContext


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A restore that took place: its plan, kept databases and later checks; durations in seconds."""

    plan: RestorePlan
    before: str | None
    safety: str | None
    checks: tuple[Check, ...]
    durations: dict[str, float] = field(default_factory=dict)

    @property
    def bad(self) -> Check | None:
        return first_fatal(self.checks)

    @property
    def journal_fields(self) -> dict[str, Any]:
        """The fields of its journal entry. A failed check makes its result bad."""
        return self.as_json() | ({"result": "bad", "error": self.bad.message} if self.bad else {})

    def as_json(self) -> dict[str, Any]:
        return {
            **self.plan.as_json(),
            "kept": self.before,
            "safety_backup": self.safety,
            "checks": [check.as_json(self.plan.request.environment) for check in self.checks],
            "durations": self.durations,
        }


def prepare_restore(
    env: EnvironmentContext, request: RestoreRequest, origin: EnvironmentContext | None = None
) -> PreparedRestore:
    """Verify the backup, inspect the target, and make the plan. Only the backup's proof is written.

    `origin` is the backup's location, where it must be that one; else the first in which the backup holds.

    Refused (3) when the target is not the environment's own. All other obstacles are in the plan.
    """
    env.ctx.reporter.step(Step.PLAN)
    inspected = inspect_target(env)
    origin, candidate = examined_candidate(origin or env.ctx.env(request.origin), request)
    spaces = inspected.required_space(candidate.manifest, force=request.force) if candidate.manifest else []
    ident = new_id(env.ctx.clock(), secrets.token_hex(2))
    manifest = candidate.manifest
    obstacles = list(files_pairing.restore_obstacles(env, manifest, ident)) if manifest else []
    proof = catalog.entry(origin, candidate.name).proof
    notes = list(files_pairing.restore_notes(env, manifest)) if manifest else []
    if manifest:
        notes += completeness.restore_notes(manifest, proof)
    if manifest and candidate.rung is not None and candidate.rung >= Rung.READABLE:
        usable, own = inspected.target.server.tablespaces, inspected.properties or manifest.properties
        tools = choose_pg_restore(origin, manifest)
        with definitions_path(tools, origin.file(candidate.name.dump)) as file:
            notes += archive_loading.find_placement(tools, file, usable).notes(own)
            notes += replication_notes.replication_notes(tools, file, inspected.maintenance, inspected.name)
    plan = plan_restore(request, candidate, inspected.target, spaces, ident, against=obstacles, notes=notes)
    return PreparedRestore(plan, inspected, origin)


def restore(env: EnvironmentContext, request: RestoreRequest) -> RestoreResult:
    """Carry out a restore. Refused (3), with nothing touched, when the plan has an obstacle.

    LedgerError (1), BadBackup (4) or CannotJudge (5) when it fails on the way: the live database is
    then as it was. A result whose checks are bad has taken place; `make rollback` undoes it.
    """
    ctx = env.ctx
    with (
        journal.recorded(env, "restore") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "restore", ctx.clock()),
    ):
        note["file"] = request.file
        leftover_sweep.sweep_before_operation(env)
        restore_leftovers.sweep(env)
        prepared = prepare_restore(env, request)
        note["location"] = prepared.origin.store.location
        restored = carry_out_restore(env, prepared)
        note |= restored.journal_fields
        return restored


def carry_out_restore(
    env: EnvironmentContext, prepared: PreparedRestore, *, safety_needed: bool = True
) -> RestoreResult:
    """Carry out a plan, under the environment's lock."""
    manifest, origin, name = prepared.plan.require(), prepared.origin, prepared.plan.candidate.name
    with hold_backup(origin, name, "restore"):
        if not origin.store.taken(name.manifest):
            raise Refused(
                f"{name.dump} was removed by a rotation a moment ago. Nothing was changed.",
                hint=Hint("Choose another backup: ", make("status"), " lists them."),
            )
        return _Restore(env, prepared, manifest, safety_needed).carry_out()


class _Restore:
    """One running restore."""

    def __init__(
        self, env: EnvironmentContext, prepared: PreparedRestore, manifest: Manifest, safety_needed: bool
    ) -> None:
        self.env, self.plan, self.inspected, self.manifest = env, prepared.plan, prepared.inspected, manifest
        self.origin = prepared.origin
        self.dump = self.origin.file(prepared.plan.candidate.name.dump)
        self.report = env.ctx.reporter
        self.watch = Stopwatch()
        self.safety_needed, self.safety = safety_needed, SafetyBackup()
        self.new = self.inspected.database.named(self.plan.restoring)
        self.tools = choose_pg_restore(self.origin, manifest)

    def carry_out(self) -> RestoreResult:
        after = post_restore_checks.prepare_checks(self.env, self.inspected)
        self.safety = self._safety()
        with self._dropped_on_failure():
            self._stage(Step.ROLES, self._make_roles)
            self._stage(Step.CREATE, self._create)
            self._stage(Step.RESTORE, self._load)
            self._stage(Step.COMPARE, self._compare)
            self._stage(Step.RULES, self._rules)
            self._stage(Step.ANALYZE, self._analyze)
            self._stage(Step.CARRY_OVER, self._carry_over)
            self._swap_both()
        self.report.step(Step.AFTERWARDS)
        with self.watch.phase(Step.AFTERWARDS):
            checks = after.checks(self.manifest)
        return self._record([*checks, *self.safety.checks])

    def _stage(self, step: Step, work: Callable[[], None]) -> None:
        self.report.step(step)
        with self.watch.phase(step):
            work()

    def _safety(self) -> SafetyBackup:
        """The safety backup, where there is something to lose."""
        if self.inspected.target.empty:
            return SafetyBackup()
        self.report.step(Step.SAFETY)
        with self.watch.phase(Step.SAFETY):
            return take_safety_backup(self.env, self.origin, self.plan, required=self.safety_needed)

    def _make_roles(self) -> None:
        """Create the missing roles, from the backup's roles file or by name and attributes."""
        server, missing = self.inspected.maintenance, self.plan.missing_roles
        made = roles.create_roles(server, self.origin, self.manifest, missing)
        archive_loading.report_lines(self.report, made)

    def _create(self, name: str = "") -> None:
        """Create an empty database beside the live one, marked as ours."""
        name = name or self.plan.restoring
        facts = self.inspected.target.live.source if self.inspected.target.live else self.manifest.source
        wanted = self.inspected.properties or self.manifest.properties
        with self.inspected.maintenance.connect() as connection:
            locale = (facts.encoding, facts.collate, facts.ctype)
            database_properties.create_database(connection, name, locale, wanted)
            mark = self._mark(DatabaseRole.RESTORING, None).encode()
            restore_server.set_database_comment(connection, name, mark)
        if "schema public" not in self.manifest.seal.objects:
            with self.inspected.database.named(name).connect() as connection:
                connection.execute("DROP SCHEMA public")

    def _load(self) -> None:
        """Load the whole archive. Every error is fatal."""
        usable = self.inspected.target.server.tablespaces
        progress = load_progress.LoadProgress(self.inspected.maintenance, self.report)
        archive_loading.load_into_target(
            self.tools, self.new, self.dump, self.manifest, usable, self._empty, progress
        )

    def _empty(self) -> None:
        """Drop the database that is restored into, and create it again."""
        drop_database.drop_database(self.inspected.maintenance, self.plan.restoring)
        self._create()

    def _compare(self) -> None:
        """BadBackup unless what was restored equals the seal."""
        manifest = self.manifest
        copy = restored_contents.read_copy(self.new, manifest.contents, None).without(manifest.unheld)
        redumped = self._redump()
        seal = manifest.seal.model_copy(update={"roles": {}})  # this server's roles need not be the backup's
        expected = manifest.model_copy(update={"seal": seal})
        archived = SourceArchive(self.tools, self.dump)
        differences = restored_contents.find_differences(copy, self.new, expected, archived, redumped)
        self._require(list(difference_checks("restorable", differences)))

    def _redump(self) -> RestoredDdl:
        """Compare the DDL of what was restored. Only a superuser sees subscriptions."""
        server = self.inspected.target.server
        scratch = partial(create_scratch_database, self.env, self.inspected, self._create)
        with self.new.reached() as new, definitions_path(self.tools, self.dump) as file:
            return compare_restored_ddl(
                self.env.ctx, self.manifest, file, new, server.major, scratch, all_seen=server.superuser
            )

    def _rules(self) -> None:
        self._require(data_rules.check_rules(self.new, self.env.rules))

    def _require(self, checks: list[Check]) -> None:
        if bad := first_fatal(checks):
            raise BadBackup(f"What was restored is not right: {bad.message}", hint=bad.hint)

    def _analyze(self) -> None:
        with self.new.connect() as connection:
            statistics.analyze(connection)

    def _carry_over(self) -> None:
        wanted = self.inspected.properties or self.manifest.properties
        codec = text_encodings.codec(self.manifest.source.encoding)
        if wanted:
            server, name = self.inspected.maintenance, self.plan.restoring
            left_out = database_properties.apply_properties(server, name, wanted, codec)
            archive_loading.report_lines(self.report, left_out)

    def _swap_both(self) -> None:
        """Swap database and files, or neither. Files are unpacked first, so that only renames are left."""
        laid_out = files_pairing.stage_files(self.env, self.origin, self.manifest, self.plan.id)
        try:
            self._stage(Step.SWAP, self._swap)
            if laid_out:
                self._put_in_place(laid_out)
        except Pending:
            raise  # the record of the files stays: the next sweep settles them by the database's state
        except BaseException:
            if laid_out:
                files_restore.take_back(self.env, laid_out)
            raise

    def _put_in_place(self, laid_out: FileSwap) -> None:
        """Put the files in place after their database; if that fails, swap the database back."""
        try:
            files_restore.put_in_place(self.env, laid_out)
        except BaseException:
            back = [DatabaseRename(self.inspected.name, self.plan.restoring, None, open=True)]
            if self.inspected.target.live:
                comment = self.inspected.properties.comment if self.inspected.properties else None
                back.append(DatabaseRename(self.plan.before, self.inspected.name, comment, open=True))
            self.inspected.swap(back, force=True)
            raise

    def _swap(self) -> None:
        """Rename the old database aside and the new one into its place, in one transaction."""
        with self.inspected.maintenance.connect() as connection:
            oids = restore_server.database_oids(connection, self.plan.restoring, self.inspected.name)
        identity.expect_oids(self.env, self.inspected.identity, oids)
        wanted = self.inspected.properties or self.manifest.properties
        comment = wanted.comment if wanted else None
        renames = [DatabaseRename(self.plan.restoring, self.inspected.name, comment, open=True)]
        if self.inspected.target.live:
            away = replace(self._mark(DatabaseRole.BEFORE, comment), only=self.safety.unloadable).encode()
            renames.insert(0, DatabaseRename(self.inspected.name, self.plan.before, away, open=False))
        self.inspected.swap(renames, force=self.plan.request.force)

    def _mark(self, role: DatabaseRole, comment: str | None) -> DatabaseMark:
        return DatabaseMark(
            environment=str(self.env.environment),
            database=self.inspected.name,
            role=role,
            id=self.plan.id,
            at=self.env.ctx.clock(),
            file=self.plan.candidate.name.dump,
            comment=comment,
        )

    def _record(self, checks: list[Check]) -> RestoreResult:
        """Remember the target, and return the result. The caller writes the journal."""
        self.report.step(Step.JOURNAL)
        identity.remember_identity(self.env, self.inspected.identity)
        before = self.plan.before if self.inspected.target.live else None
        return RestoreResult(self.plan, before, self.safety.file, tuple(checks), dict(self.watch.durations))

    @contextmanager
    def _dropped_on_failure(self) -> Iterator[None]:
        """If the block fails, drop the half-restored database. The live one was not touched."""
        try:
            yield
        except Pending:
            raise
        except BaseException:
            with suppress(LedgerError, psycopg.Error):
                drop_database.drop_database(
                    self.inspected.maintenance.with_limits(BRIEF_LIMITS), self.plan.restoring
                )
            raise  # if it cannot be dropped now, the next command sweeps it
