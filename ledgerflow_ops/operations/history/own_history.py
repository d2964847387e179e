"""What the history that this installation writes says now. Signatures are not checked: an audit does that."""

import json
from collections.abc import Iterable

from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.history.entry import Entry, Line
from ledgerflow_ops.core.history.holdings import Holding, holdings
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.history import history_files


def own_holdings(env: EnvironmentContext) -> dict[str, Holding]:
    """What our own history says of each backup, by the backups' stems; ValueError where it is damaged."""
    return _holdings(_own_lines(env))


def is_missed(env: EnvironmentContext, name: BackupName) -> bool:
    """Whether the history holds a backup of that name that nobody has removed on record.

    A new backup of the same name would take its place there, and its loss would not be found any more. A
    history that cannot be read says nothing here: an audit reports it. Only the lines with the name are
    decoded: each backup asks, and a history grows for years.
    """
    if not history_files.has_begun(env):
        return False
    written = _as_written(name.stem)
    try:
        held = _holdings(line for line in _own_lines(env) if written in line).get(name.stem)
    except (LedgerError, ValueError):
        return False
    return held is not None and held.present


def _own_lines(env: EnvironmentContext) -> list[str]:
    key = history_files.signing_key(env.ctx)
    return history_files.own_lines(env, key) if key else []


def _holdings(lines: Iterable[str]) -> dict[str, Holding]:
    return holdings(Entry.decode(Line.decode(line).text) for line in lines)


def _as_written(text: str) -> str:
    """A text as a line has it: JSON in a string of JSON."""
    return json.dumps(json.dumps(text)[1:-1])[1:-1]
