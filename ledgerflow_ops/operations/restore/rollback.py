"""Swaps an environment's database back for the one that a restore kept aside."""

import secrets
from dataclasses import dataclass
from typing import Any

from ledgerflow_ops.adapters.load.restore_server import DatabaseRename
from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.counts import count_of
from ledgerflow_ops.core.errors import Pending, Refused
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.operation_requests import RollbackRequest
from ledgerflow_ops.core.progress import Step
from ledgerflow_ops.core.restore import database_names
from ledgerflow_ops.core.restore.database_names import DatabaseMark, DatabaseRole, SiblingDatabase
from ledgerflow_ops.core.restore.restore_plan import prepared_transactions
from ledgerflow_ops.operations import journal
from ledgerflow_ops.operations.cleanup import leftover_sweep, restore_leftovers
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_restore
from ledgerflow_ops.operations.restore.target_inspection import InspectedTarget, inspect_target


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback would do, or did: `back` becomes live, and the live one is renamed to `away`."""

    environment: str
    database: str
    back: SiblingDatabase
    away: str | None
    sessions: int

    def as_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "database": self.database,
            "back": self.back.name,
            "away": self.away,
            "sessions": self.sessions,
            "of": self.back.mark.at.isoformat(),
        }


def plan_rollback(env: EnvironmentContext, inspected: InspectedTarget, *, force: bool) -> Rollback:
    """The plan of a rollback. Refused (3) when there is no earlier database, or the live one is in use."""
    for reason in prepared_transactions(inspected.target):
        raise Refused(reason.message, hint=reason.hint)
    previous = restore_leftovers.previous_databases(env)
    if not previous:
        raise Refused(
            f"There is no earlier database of {env.environment} to go back to.",
            hint=Hint(make("status"), " shows what there is; ", make("restore"), " brings a backup back."),
        )
    _require_pair(env, previous[0])
    sessions = inspected.target.sessions
    if sessions and not force:
        listed = "".join(f"\n    {session}" for session in sessions)
        raise Refused(
            f"{inspected.name} is in use by {count_of(len(sessions), 'session')}:{listed}",
            hint=Hint("Stop the application first, or end the sessions: ", make("rollback", FORCE=1)),
        )
    if inspected.target.application.running and not force:
        raise Refused(
            f"The application of {inspected.name} is running: {inspected.target.application}.",
            hint=Hint(f"Stop it first: {inspected.target.application.stop} (or end its sessions: FORCE=1)"),
        )
    ident = database_names.new_id(env.ctx.clock(), secrets.token_hex(2))
    old_live = (
        database_names.sibling_name(inspected.name, DatabaseRole.BEFORE, ident)
        if inspected.target.live
        else None
    )
    return Rollback(str(env.environment), inspected.name, previous[0], old_live, len(sessions))


def _require_pair(env: EnvironmentContext, back: SiblingDatabase) -> None:
    """Refused for a database whose files were taken back: without them it would be half of a pair."""
    if back.mark.undone and files_restore.find_taken_back(env, back.mark.undone):
        raise Refused(
            f"The files of {back.name} were taken back: they are beside their folders "
            f"as …__undone_{back.mark.undone}.",
            hint=Hint("Restore both again: ", make("restore-force", FILE=back.mark.file)),
        )


def rollback(env: EnvironmentContext, request: RollbackRequest) -> Rollback:
    """Swap back, in one transaction. The live database is kept: another rollback brings it back."""
    ctx = env.ctx
    with (
        journal.recorded(env, "rollback") as note,
        locks.environment_lock(ctx.settings.state_dir, env.environment, "rollback", ctx.clock()),
    ):
        leftover_sweep.sweep_before_operation(env)
        restore_leftovers.sweep(env)
        ctx.reporter.step(Step.PLAN)
        inspected = inspect_target(env)
        planned = plan_rollback(env, inspected, force=request.force)
        files = files_restore.find_swapped(env, planned.back.mark.id)
        if files:
            files = files_restore.announce_take_back(env, files)
        ctx.reporter.step(Step.SWAP)
        try:
            _swap(env, inspected, planned, force=request.force)
        except Pending:
            raise  # the next sweep settles the files by the database's state
        except BaseException:
            if files:
                files_restore.announce_take_back(env, files, really=False)
            raise
        if files:
            files_restore.take_back(env, files)
        ctx.reporter.step(Step.JOURNAL)
        note |= planned.as_json()
        return planned


def _swap(env: EnvironmentContext, inspected: InspectedTarget, planned: Rollback, *, force: bool) -> None:
    renames = [DatabaseRename(planned.back.name, inspected.name, planned.back.mark.comment, open=True)]
    if planned.away:
        comment = inspected.properties.comment if inspected.properties else None
        mark = DatabaseMark(
            environment=str(env.environment),
            database=inspected.name,
            role=DatabaseRole.BEFORE,
            id=planned.away.rpartition(f"__{DatabaseRole.BEFORE}_")[2],
            at=env.ctx.clock(),
            file=planned.back.mark.file,
            comment=comment,
            undone=planned.back.mark.id,
        )
        renames.insert(0, DatabaseRename(inspected.name, planned.away, mark.encode(), open=False))
    inspected.swap(renames, force=force)
