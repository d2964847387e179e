"""The usage of the locations at the terminal, within 100 columns."""

from collections.abc import Sequence

from rich.table import Table

from ledgerflow_ops.console import Terminal
from ledgerflow_ops.core.sizes import format_size
from ledgerflow_ops.operations.archive.storage_report import LocationUsage

_LEFT = ("environment", "location")


def show(usages: Sequence[LocationUsage], terminal: Terminal) -> None:
    """A line for each environment and location; what is wrong with one follows below."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in (*_LEFT, "backups", "size", "last 30 days", "expiring", "frees"):
        table.add_column(column, justify="left" if column in _LEFT else "right", no_wrap=True)
    for usage in usages:
        table.add_row(usage.environment, usage.location, *_figures(usage))
    terminal.table(table)
    for usage in usages:
        place = f"{usage.environment} in {usage.location}"
        if usage.trouble:
            terminal.paragraph(f"{place}: {usage.trouble}", "yellow", indent=2)
        if usage.other:
            text = f"{place}: {format_size(usage.other)} in files that are no backup's"
            terminal.paragraph(text, "dim", indent=2)


def _figures(usage: LocationUsage) -> tuple[str, ...]:
    if usage.trouble:
        return ("?",) * 5
    added = f"+{format_size(usage.added)}"
    frees = format_size(usage.frees) if usage.expiring else "-"
    return f"{usage.backups:,}", format_size(usage.size), added, f"{usage.expiring:,}", frees
