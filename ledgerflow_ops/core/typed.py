"""Hints that can be typed as they stand."""

import re
from typing import Any

_ON_ONE = (
    "backup|backfill|verify|restore-test|restore-force|restore|rollback|recover|discard|identity|"
    "rotate|unpin|pin|protect|status"
)
_COMMAND = re.compile(rf"(?P<given>(?:\b[A-Z_]+=[^\s;,]+ )*)\b(?P<make>make (?:{_ON_ONE}))(?![\w-])")


def typed(hint: str, environment: str) -> str:
    """The hint with the LEDGER_ENV that its commands need; as it is where they have one, or `environment`
    is empty. `make status` lists an environment's backups only when it is named."""
    if not environment:
        return hint
    return _COMMAND.sub(
        lambda command: (
            command[0]
            if "LEDGER_ENV=" in command["given"]
            else f"LEDGER_ENV={environment} {command['given']}{command['make']}"
        ),
        hint,
    )


def typed_all(fields: Any, environment: str) -> Any:
    """The same for every hint in what is told as JSON; an object that names its environment has its own."""
    if isinstance(fields, list | tuple):
        return [typed_all(item, environment) for item in fields]
    if not isinstance(fields, dict):
        return fields
    own = str(fields.get("environment") or environment)
    return {
        name: typed(value, own) if name == "hint" and isinstance(value, str) else typed_all(value, own)
        for name, value in fields.items()
    }
