"""What a shell offers for a word that is being typed: environments, and the names of backups."""

import os

import click

from ledgerflow_ops.core.environments import Environment

_WORDS = ("latest", "latest-proven")


def environments(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:  # noqa: ARG001
    """The environments that begin with what is typed."""
    return [str(name) for name in Environment if name.startswith(typed)]


def backups(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:  # noqa: ARG001
    """`latest`, `latest-proven`, and the backups in the environment's folder, the newest first.

    The folder is that of --from-env, else of --env or LEDGER_ENV. Only names are read, so that it is fast.
    Of wrong settings and folders nothing is said: the command itself reports them.
    """
    named = (ctx.params.get("from_env"), os.environ.get("LEDGER_ENV"))
    environment = next((name for name in named if name in set(Environment)), None)
    found = _dumps(Environment(environment)) if environment else []
    return [name for name in (*_WORDS, *found) if name.startswith(typed)]


def _dumps(environment: Environment) -> list[str]:
    from ledgerflow_ops import config
    from ledgerflow_ops.core.catalog.naming import DUMPS
    from ledgerflow_ops.core.errors import LedgerError
    from ledgerflow_ops.core.progress import SilentReporter
    from ledgerflow_ops.operations.context import OperationContext

    try:
        env = OperationContext(config.load(), SilentReporter()).env(environment)
        return sorted(env.store.names(*DUMPS), reverse=True)
    except (LedgerError, OSError):
        return []
