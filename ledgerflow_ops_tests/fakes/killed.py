"""Runs an operation that is killed in the middle.

`python -m ledgerflow_ops_tests.fakes.killed WHAT WHERE ROOT URL [FILES]`: WHAT is `backup`, `drill` (of the
newest backup), `files` (puts its files in place), `take back` (those files), `restore` (by force, of
first.dump), `rollback`, `recover`, `rotate`, `quarantine` and `take out` (of the backup FILES, back out of
quarantine), `adopt` (of the newest backup in `away` below ROOT), `archive`, `repair` and `rekey` (FILES: a
recipient and the file of an identity), or `up` (the last four need no database at URL).
WHERE is a step's name (`set aside#2`: when it comes the second time), `N bytes` of the dump, `N ms` after the
drill has begun with its server, at the latest once that is ready, or `naming ENDING`: just before a file is
given a name that ends so. There the process kills itself, as the system would when memory runs out: nothing
is cleaned up. One that is not killed ends with exit code 0.
"""

import gc
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.system import clock
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.operation_requests import (
    RecoverRequest,
    RestoreRequest,
    RollbackRequest,
    RotateRequest,
)
from ledgerflow_ops.core.progress import SilentReporter, Step
from ledgerflow_ops.core.restore.file_swap import FileSwap
from ledgerflow_ops.operations import catalog, rekey
from ledgerflow_ops.operations.archive import archiving, repair
from ledgerflow_ops.operations.backfill import adoption
from ledgerflow_ops.operations.backup import backup
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.operations.files import files_restore
from ledgerflow_ops.operations.restore import recover, restore, rollback
from ledgerflow_ops.operations.retention import quarantine, rotate
from ledgerflow_ops.operations.servers import web_servers
from ledgerflow_ops.operations.verification import drill
from ledgerflow_ops_tests import builders

RESTORE = "killed"
"""The id of the restores of files."""


def die() -> None:
    """End this process at once, and nothing but it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fatal(SilentReporter):
    """A Reporter that kills its process."""

    def __init__(self, where: str) -> None:
        amount, _, unit = where.partition(" ")
        self._size = int(amount) if unit == "bytes" else None
        self._delay = int(amount) / 1000 if unit == "ms" else None
        name, _, times = where.partition("#")
        naming = amount == "naming"
        self._step = None if naming or unit in ("bytes", "ms") else Step(name)
        if naming:
            sys.addaudithook(lambda event, told: _die_of(event, told, unit))
        self._times = int(times or 1)
        self._current: Step | None = None
        self._starting = False

    def step(self, step: Step) -> None:
        self._current = step
        if step is self._step:
            self._times -= 1
            if not self._times:
                die()
        if self._delay is not None and self._starting:
            die()
        self._starting = step is Step.CLUSTER
        if self._delay is not None and self._starting:
            threading.Timer(self._delay, die).start()

    def moved(self, done: int, expected: int | None) -> None:
        if self._size is not None and done >= self._size and self._current is not Step.SEAL:
            die()

    def counted(self, done: int, of: int, what: str) -> None:
        pass


def _die_of(event: str, told: tuple[Any, ...], ending: str) -> None:
    if event == "os.rename" and str(told[1]).endswith(ending):
        die()


def main(what: str, where: str, root: str, url: str, *listed: str) -> None:
    database = Database.from_address(url, "the fourth argument")
    files = listed if what in ("backup", "files", "take back", "restore", "rollback") else ()
    keys = dict[str, Any](recipients=[listed[0]], identity_file=listed[1]) if what == "rekey" else {}
    env = builders.env(Path(root), database, reporter=Fatal(where), files=files, **keys)
    works: dict[str, Callable[[], object]] = {
        "backup": lambda: backup.backup(env),
        "drill": lambda: drill.drill(env, catalog.find(env, None)),
        "files": lambda: put_newest_in_place(env),
        "take back": lambda: take_back(env, RESTORE),
        "restore": lambda: restore.restore(
            env, RestoreRequest(environment=env.environment, file="first.dump", force=True)
        ),
        "rollback": lambda: rollback.rollback(env, RollbackRequest(environment="dev", force=True)),
        "recover": lambda: recover.recover(env, RecoverRequest(environment="dev", confirm="dev")),
        "rotate": lambda: rotate.carry_out_rotation(env, RotateRequest(carry_out=True, confirm="dev")),
        "quarantine": lambda: quarantine.quarantine(env, listed[0], "", ""),
        "take out": lambda: quarantine.undo(env, listed[0]),
        "repair": lambda: repair.repair(env, repair.plan(env)),
        "rekey": lambda: rekey.rekey(env),
        "archive": lambda: archiving.archive_backups(env),
        "up": lambda: web_servers.up(env.ctx),
        "adopt": lambda: adopt_newest(env, builders.env(Path(root) / "away", database)),
    }
    works[what]()


def put_in_place(env: EnvironmentContext, manifest: Manifest, restore_id: str, now: datetime) -> FileSwap:
    """The files of a backup in their place: what a restore does of them before and after its database."""
    return files_restore.put_in_place(env, files_restore.stage_files(env, manifest, restore_id, now))


def take_back(env: EnvironmentContext, restore_id: str) -> FileSwap:
    """The files that were there before: what a rollback does of them before and after its database."""
    swap = files_restore.find_swapped(env, restore_id)
    assert swap
    return files_restore.take_back(env, files_restore.announce_take_back(env, swap))


def put_newest_in_place(env: EnvironmentContext) -> None:
    manifest = catalog.read_manifest(env, catalog.find(env, None))
    assert manifest
    put_in_place(env, manifest, RESTORE, clock.now())


def adopt_newest(env: EnvironmentContext, at: EnvironmentContext) -> None:
    adoption.adopt_copy(env, at, catalog.newest_first(at)[0])


def serve() -> None:
    """Answer each request with the exit code of the fork that has carried it out."""
    import psycopg  # noqa: F401 - so that no fork has to load it
    import pyrage  # noqa: F401 - as well

    gc.freeze()
    for line in sys.stdin:
        fork = os.fork()
        if not fork:
            _carry_out(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), flush=True)


def _carry_out(request: dict[str, Any]) -> NoReturn:
    """Run `main` as if this process had been started with the request's environment."""
    code = 1
    try:
        for descriptor, file in enumerate((os.devnull, request["output"], request["output"])):
            os.dup2(os.open(file, os.O_RDWR), descriptor)
        os.environ.clear()
        os.environ.update(request["environ"])
        main(*request["words"])
        code = 0
    except BaseException:  # noqa: BLE001 - the test shows it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        main(*sys.argv[1:])
