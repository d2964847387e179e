"""The paths of the settings file and the state folder, for programs that must start quickly.

Does not import the settings: their library takes longer than these programs may.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
"""The installed package, with the files that are not Python: `dagster.yaml`, `workspace.yaml`, …"""
IN_CLONE = (PACKAGE.parent / "pyproject.toml").is_file()
"""Whether this is a clone of the project, with its Makefile, or an installed wheel."""
PROJECT = PACKAGE.parent if IN_CLONE else Path(os.path.expanduser("~/.config/ledgerflow"))  # noqa: PTH111
"""The folder of the settings file, and of relative paths in it. It need not exist."""
WORKSPACE = PACKAGE / "workspace.yaml"
"""What names the code location to Dagster's servers."""
STATE_DIR = "~/.local/state/ledgerflow_ops"
"""The default state folder."""


def working_folder() -> Path:
    """Where background processes run: the project's folder, else one that exists."""
    return PROJECT if PROJECT.is_dir() else PACKAGE


def absolute_path(path: Path) -> Path:
    """A path from the settings as an absolute one: ~ is the home folder, others are relative to the project.

    ValueError if there is no such home folder, or if it is not a path.
    """
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}") from None
    if not expanded.parts or "\0" in str(expanded):
        raise ValueError("not a path; leave it out for the default")
    return expanded if expanded.is_absolute() else PROJECT / expanded


def config_file() -> Path:
    """The settings file: LEDGER_CONFIG, else ledgerflow.toml in the project's folder. It may not exist."""
    named = Path(os.environ.get("LEDGER_CONFIG") or PROJECT / "ledgerflow.toml")
    try:
        return named.expanduser()
    except RuntimeError:  # no such home folder: reading the file reports it
        return named


def state_dir() -> Path:
    """The state folder, by the rules of the settings; ValueError if the settings file is not valid TOML."""
    named = os.environ.get("LEDGER_STATE_DIR")
    file = config_file()
    if not named and file.exists():
        import tomllib  # only where there is a file to read

        named = tomllib.loads(file.read_text()).get("state_dir")
    return absolute_path(Path(str(named or STATE_DIR)))
