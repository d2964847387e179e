"""A backup or a drill that dies in the middle of it.

`python -m ledgerflow_ops_tests.fakes.killed WHAT WHERE ROOT URL [FILES]`: WHAT is `backup`, `drill` (of the
newest backup), `files` (restores its files) or `take back` (those files). WHERE is a step's name (`set
aside#2`: when it comes the second time), `N bytes` of the dump, or `N ms` after the drill has begun with
its server. There the process kills itself, as the system would when memory runs out: nothing is cleaned
up. One that is not killed ends with exit code 0.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from ledgerflow_ops.adapters import clock
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.core.progress import Silent, Step
from ledgerflow_ops.operations import backup, catalog, drill, files
from ledgerflow_ops_tests import builders

RESTORE = "killed"
"""The id of the restores of files."""


def die() -> None:
    """End this process at once, and nothing but it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fatal(Silent):
    """A Reporter that kills its process."""

    def __init__(self, where: str) -> None:
        amount, _, unit = where.partition(" ")
        self._size = int(amount) if unit == "bytes" else None
        self._delay = int(amount) / 1000 if unit == "ms" else None
        name, _, times = where.partition("#")
        self._step = Step(name) if unit not in ("bytes", "ms") else None
        self._times = int(times or 1)

    def step(self, step: Step) -> None:
        if step is self._step:
            self._times -= 1
            if not self._times:
                die()
        if self._delay is not None and step is Step.CLUSTER:
            threading.Timer(self._delay, die).start()

    def moved(self, done: int, expected: int | None) -> None:
        if self._size is not None and done >= self._size:
            die()


def main(what: str, where: str, root: str, url: str, *listed: str) -> None:
    database = Database.of(url, "the fourth argument")
    site = builders.site(Path(root), database, reporter=Fatal(where), files=listed)
    name = None if what == "backup" else catalog.find(site, None)
    if name is None:
        backup.backup(site)
    elif what == "drill":
        drill.drill(site, name)
    elif what == "files":
        manifest = catalog.read_manifest(site, name)
        assert manifest
        files.restore(site, manifest, RESTORE, clock.now())
    else:
        files.rollback(site, RESTORE)


if __name__ == "__main__":
    main(*sys.argv[1:])
