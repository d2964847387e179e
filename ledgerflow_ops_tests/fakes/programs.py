"""Folders of PostgreSQL programs, one of which is replaced by a script. For the setting `tools_dir`."""

import shlex
from pathlib import Path

from ledgerflow_ops.adapters.programs import client_tools

DUMPS = "--snapshot="
"""An argument that pg_dump has when a backup is taken, and not when its version is asked for."""

RESTORES = "--dbname="
"""An argument that pg_restore has when a drill restores, and not when an archive is read."""


def falsified(folder: Path, program: str, when: str, script: str) -> Path:
    """Make `folder` one of real programs, but for `program`: called with `when` it runs `script`.

    The script is for sh, with the real program's path in `$real` and its arguments as they came.
    """
    genuine = client_tools.bundled_tools().folder
    folder.mkdir()
    for file in genuine.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / program).unlink()
    write(
        folder / program,
        f"real={shlex.quote(str(genuine / program))}\n"
        f'case " $* " in *" {when}"*) {script} ;; *) exec "$real" "$@" ;; esac',
    )
    return folder


def write(file: Path, script: str) -> None:
    """An executable shell script."""
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
