"""What shell text could do to the data."""

from ledgerflow_ops.guard.inside.effects import Around, Finding
from ledgerflow_ops.guard.inside.programs import effect

__all__ = ["of_shell"]


def of_shell(text: str, around: Around) -> Finding:
    """What `text`, run by a shell, could do at worst. Never raises."""
    return effect(("sh", "-c", text), around)
