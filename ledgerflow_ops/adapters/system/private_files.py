"""Files and folders that are ours alone, whatever the umask is: a person may have set it to anything.

What other accounts may do below the state folder, and why:

    the state folder itself, `postgres`, and in it `drills` and `templates`: pass through (0711). As root,
    servers run in PostgreSQL's account, and their folders, which are theirs alone, lie below.
"""

import os
import stat
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated

_SERVERS = "postgres"


def state(state_dir: Path) -> Path:
    """The state folder, made if needed: others may pass through, and see nothing."""
    with translated(state_dir):
        if not state_dir.exists():
            state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
            state_dir.chmod(0o711)
    return state_dir


def folder(state_dir: Path, *names: str) -> Path:
    """A folder below the state folder, ours alone with all that lead to it, also where they were more."""
    found = state(state_dir)
    with translated(state_dir):
        for name in names:
            found /= name
            found.mkdir(mode=0o700, exist_ok=True)
            if found.stat().st_mode & 0o077:
                found.chmod(0o700)
    return found


def write(file: Path, text: str) -> None:
    """Put a text in place whole, for ourselves alone. The folder has to be there."""
    with translated(file):
        half = file.with_name(f"{file.name}.{os.getpid()}.partial")
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        half.replace(file)


def tighten(state_dir: Path) -> None:
    """Take from other accounts what an earlier version, or another program, left open to them."""
    for top, folders, files in os.walk(state_dir):
        if Path(top) == state_dir:
            folders[:] = [name for name in folders if name != _SERVERS]
        for name in (*folders, *files):
            _close(Path(top) / name)


def _close(path: Path) -> None:
    """Leave a file or folder of ours its owner's rights alone. Links, and what goes meanwhile, stay."""
    try:
        found = path.lstat()
        plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if plain and found.st_mode & 0o077 and found.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
    except OSError:
        return
