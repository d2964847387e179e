"""Locks a backup while it is in use, so that no rotation removes it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import wraps
from typing import TypeVar

from ledgerflow_ops.adapters.system import locks
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import CannotJudge, LedgerError, Refused
from ledgerflow_ops.operations.context import EnvironmentContext

Result = TypeVar("Result")
Examine = Callable[[EnvironmentContext, BackupName], Result]


def hold_backup(env: EnvironmentContext, name: BackupName, what: str) -> AbstractContextManager[None]:
    """Hold a shared lock on a backup during the block. Busy while a rotation removes it.

    The lock is on the backup, whichever location its copy is read from. `what` names the use to others; an
    empty one is for uses that take no time.
    """
    ctx = env.ctx
    return locks.hold_backup(ctx.settings.state_dir, env.environment, name.stem, what, ctx.clock())


def holding_backup(what: str) -> Callable[[Examine[Result]], Examine[Result]]:
    """Decorate an examination so that it holds its backup; CannotJudge (5) where the lock cannot be taken."""

    def decorated(operation: Examine[Result]) -> Examine[Result]:
        @wraps(operation)
        def holds(env: EnvironmentContext, name: BackupName) -> Result:
            with ExitStack() as stack:
                try:
                    stack.enter_context(hold_backup(env, name, what))
                except Refused:
                    raise
                except LedgerError as error:
                    raise CannotJudge(
                        f"The {what} could not be carried out: {error.message}", hint=error.hint
                    ) from None
                return operation(env, name)

        return holds

    return decorated
