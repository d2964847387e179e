"""Files and folders that are private to us, independent of the umask.

Other accounts may only pass through (0711) the state folder itself, `postgres`, and in it `drills` and
`templates`: if we are root, servers run as another account, and their private folders are below these.
"""

import os
import stat
from pathlib import Path

from ledgerflow_ops.adapters.system.os_errors import translated

_SERVERS = "postgres"


def make_state_folder(state_dir: Path) -> Path:
    """The state folder, created if needed with mode 0711: others may pass through, and list nothing."""
    with translated(state_dir):
        if not state_dir.exists():
            state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
            state_dir.chmod(0o711)
    return state_dir


def make_private_folder(state_dir: Path, *names: str) -> Path:
    """A folder below the state folder; it and its parents up to there get mode 0700, also if they existed."""
    folder = make_state_folder(state_dir)
    with translated(state_dir):
        for name in names:
            folder /= name
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)
    return folder


def write_private(file: Path, text: str) -> None:
    """Write a text file atomically with mode 0600. Its folder must exist."""
    with translated(file):
        unfinished = file.with_name(f"{file.name}.{os.getpid()}.partial")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        unfinished.replace(file)


def tighten_permissions(state_dir: Path) -> None:
    """Remove permissions of other accounts that an earlier version or another program has left."""
    for top, folders, files in os.walk(state_dir):
        if Path(top) == state_dir:
            folders[:] = [name for name in folders if name != _SERVERS]
        for name in (*folders, *files):
            _tighten_one(Path(top) / name)


def _tighten_one(path: Path) -> None:
    """Remove the permissions of group and others from a file or folder of ours. Links are skipped."""
    try:
        facts = path.lstat()
        plain = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
        if plain and facts.st_mode & 0o077 and facts.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(facts.st_mode) & 0o700)
    except OSError:
        return
