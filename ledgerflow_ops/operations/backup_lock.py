"""Holds a backup while it is in use, so that no rotation takes it away."""

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
    """Use a backup for `what` during the block. Several may at once; Busy when a rotation just removes it.

    It is the backup that is held, in whichever location a copy of it is read. An empty `what` is for what
    takes no time: nobody is told of it.
    """
    ctx = env.ctx
    return locks.in_hand(ctx.settings.state_dir, env.environment, name.stem, what, ctx.clock())


def holding_backup(what: str) -> Callable[[Examine[Result]], Examine[Result]]:
    """Has an examination of a backup hold it. CannotJudge (5) where it cannot be held: nothing was judged."""

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
