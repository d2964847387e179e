"""What the wrapper records: a journal line for every verdict, and which volumes have held a PostgreSQL.

Once its container is removed, nothing shows what a volume holds. So it is recorded before that.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import clock, journal_file, regular_files
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.core.secrets_in_text import mask_secrets

_LONGEST = 2000
_EARLY = 12
"""docker's own command is among so many first words."""
_SECRET = re.compile(
    r"(?i)^((?:-\w|--[\w-]+=)?[\w.]*(?:pass|secret|token|key|pwd|credential)[\w.]*=).+", re.DOTALL
)
_INSIDE = re.compile(
    r"(?i)(\b[\w.]*(?:pass|secret|token|key|pwd|credential)[\w.]*=)('[^']*'|\"[^\"]*\"|[^\s;'\"]+)"
)
_SQL = re.compile(r"(?i)(\bpassword\s+)('(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\3\$|\Z))", re.DOTALL)
_SHORT = re.compile(r"-p=?(?=.)")


def record_verdict(
    state_dir: Path, words: Sequence[str], allowed: bool, reason: str, losses: Sequence[str], *, durable: bool
) -> None:
    """Append a verdict to the journal of operations. LedgerError if it cannot be written.

    It need not be `durable` for a call that reads or reaches nothing.
    """
    entry = {
        "what": "ledger_docker",
        "at": clock.now().isoformat(),
        "who": os.environ.get("USER") or f"uid {os.getuid()}",
        "environment": os.environ.get("LEDGER_ENV", ""),
        "command": redacted(words),
        "verdict": "allowed" if allowed else "refused",
        "reason": reason,
        "losses": list(losses),
    }
    journal_file.append_entry(state_dir, entry, durable=durable)


def redacted(words: Sequence[str]) -> str:
    """A command line for people and for the journal, without secrets, and shortened."""
    words_shown = []
    hide = False
    for word in words[:_LONGEST]:
        login = "login" in words[:_EARLY]
        if login and (match := _SHORT.match(word)):
            word = f"{match[0]}***"
        words_shown.append("***" if hide else _without(word))
        hide = word in ("--password", "--pass") or (word == "-p" and login)
        hide = hide or (word == "-a" and "redis-cli" in words)
    text = mask_secrets(" ".join(words_shown)).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(words)} words)"


def _without(word: str) -> str:
    """A word with its secrets replaced: in an assignment, in several of them, in SQL."""
    for pattern in (_SECRET, _INSIDE, _SQL):
        word = pattern.sub(r"\1***", word)
    return word


def known_postgres_volumes(state_dir: Path, engine: str) -> dict[str, str]:
    """The volumes of that engine that were mounted at a PostgreSQL's data folder → their environments."""
    known = findings(state_dir, "volumes").get(engine)
    return dict(known) if isinstance(known, dict) else {}


def store_postgres_volumes(state_dir: Path, engine: str, volumes: Mapping[str, str]) -> None:
    """Store these volumes for that engine; those of other engines stay."""
    if known_postgres_volumes(state_dir, engine) != volumes:
        store_finding(state_dir, "volumes", engine, dict(volumes))


def findings(state_dir: Path, name: str) -> dict[str, Any]:
    """What was found out before, from the guard's file `name`; empty if it cannot be read."""
    try:
        return regular_files.read_json(state_dir / "guard" / f"{name}.json")
    except (OSError, ValueError):
        return {}


def store_finding(state_dir: Path, name: str, key: str, value: Any) -> None:
    """Keep what was found out for the next call, beside what is known of others."""
    file = state_dir / "guard" / f"{name}.json"
    with translated(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.partial")
        unfinished.write_text(json.dumps({**findings(state_dir, name), key: value}, indent=1))
        unfinished.replace(file)
