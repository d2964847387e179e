"""What the history that this installation writes says now. Signatures are not checked: an audit does that."""

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.history.entry import Entry, Line
from ledgerflow_ops.core.history.holdings import Holding, holdings
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import history_files


def own_holdings(env: EnvironmentContext) -> dict[str, Holding]:
    """What our own history says of each backup, by the backups' stems; ValueError where it is damaged."""
    key = history_files.signing_key(env.ctx)
    lines = history_files.own_lines(env, key) if key else []
    return holdings(Entry.decode(Line.decode(line).text) for line in lines)


def is_missed(env: EnvironmentContext, name: BackupName) -> bool:
    """Whether the history holds a backup of that name that nobody has removed on record.

    A new backup of the same name would take its place there, and its loss would not be found any more. A
    history that cannot be read says nothing here: an audit reports it.
    """
    if not history_files.has_begun(env):
        return False
    try:
        held = own_holdings(env).get(name.stem)
    except (LedgerError, ValueError):
        return False
    return held is not None and held.present
