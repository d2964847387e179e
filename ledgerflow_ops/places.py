"""Where the settings and the state are, found without reading the settings: for who must be quick."""

import os
from pathlib import Path

PROJECT = Path(__file__).parent.parent
STATE_DIR = "~/.local/state/ledgerflow_ops"
"""Where the state is when nothing says otherwise."""


def absolute(path: Path) -> Path:
    """A path as settings write it: ~ is the home folder, a relative one begins at the project's folder.

    ValueError when there is no such home, or when it is no path.
    """
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}") from None
    if not expanded.parts or "\0" in str(expanded):
        raise ValueError("not a path; leave it out for the default")
    return expanded if expanded.is_absolute() else PROJECT / expanded


def config_file() -> Path:
    """The settings file that applies."""
    named = Path(os.environ.get("LEDGER_CONFIG") or PROJECT / "ledgerflow.toml")
    try:
        return named.expanduser()
    except RuntimeError:  # the home of nobody: there is no such file, and that is told
        return named


def state_dir() -> Path:
    """The state folder that the settings name, by the same rules; ValueError when they cannot be read."""
    named = os.environ.get("LEDGER_STATE_DIR")
    file = config_file()
    if not named and file.exists():
        import tomllib  # only where there is a file to read

        named = tomllib.loads(file.read_text()).get("state_dir")
    return absolute(Path(str(named or STATE_DIR)))
