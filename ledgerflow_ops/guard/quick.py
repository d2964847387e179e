"""Passes on the commands that are typed most and only read, before anything slow is imported.

They are known by their first word alone. What has any sign in it that could be a secret, or that writes
a file, goes the long way.
"""

import os
from collections.abc import Sequence

READING = frozenset(
    ("ps", "images", "logs", "info", "version", "inspect", "stats", "top", "port", "diff", "events", "pull")
)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:")


def only_reads(words: Sequence[str]) -> bool:
    """Whether docker would only read, and nothing in the line needs a closer look."""
    return words[:1] != [] and words[0] in READING and all(set(word) <= _PLAIN for word in words)


def record(words: Sequence[str]) -> None:
    """Append the verdict to the journal, not forced to the disk; OSError or ValueError if it cannot be."""
    from ledgerflow_ops import places
    from ledgerflow_ops.adapters.system import clock

    folder = places.state_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user, environment = os.environ.get("USER") or f"uid {os.getuid()}", os.environ.get("LEDGER_ENV", "")
    if not set(user + environment) <= _PLAIN | {" "}:
        user = environment = "?"
    line = (
        f'{{"what": "ledger_docker", "at": "{clock.now().isoformat()}", "who": "{user}", '
        f'"environment": "{environment}", "command": "docker {" ".join(words)}", "verdict": "allowed", '
        f'"reason": "{words[0]} never changes data", "losses": []}}\n'
    )
    descriptor = os.open(folder / "journal.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" * cut + line.encode())
    finally:
        os.close(descriptor)
