"""The journal as a table for people."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.presentation import journal_view
from ledgerflow_ops.core.presentation.journal_view import JournalEntry

_COLUMNS = ("when", "environment", "what", "result", "about", "who", "why")
_STYLES = {"ok": "green", "allowed": "green", "RECOVERED": "green", "refused": "yellow"}


def show(entries: Sequence[JournalEntry], zone: ZoneInfo, terminal: Terminal) -> None:
    """One row for each entry, the newest last, directly above the prompt."""
    if not entries:
        terminal.say("The journal has no such entry.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), caption=f"times of {zone.key}", caption_justify="left")
    for column in _COLUMNS:
        table.add_column(column, overflow="fold")  # names must stay complete, to be copied
    for entry in entries:
        when, where, what, result, *rest = (escape(cell) for cell in journal_view.entry_row(entry, zone))
        table.add_row(when, where, what, f"[{_STYLES.get(result, 'bold red')}]{result}[/]", *rest)
    terminal.table(table)
