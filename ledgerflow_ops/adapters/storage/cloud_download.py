"""Downloads evicted files of a folder that iCloud syncs, with macOS's own program, brctl."""

import shutil

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.system import clock, process
from ledgerflow_ops.core.errors import LedgerError

_PROGRAM = "brctl"
_LOOKS_EVERY = 0.2


def download(store: BackupStore, name: str, patience: float) -> bool:
    """Whether an evicted file is on this machine now: brctl was asked, and the file came within `patience`
    seconds.

    False where there is no brctl, or it fails: the caller then reports how to download the file by hand.
    """
    root, program = store.root(), shutil.which(_PROGRAM)
    if root is None or program is None:
        return False
    try:
        asked = process.run([program, "download", root / name], timeout=patience)
    except LedgerError:
        return False
    if asked.code != 0:
        return False
    until = clock.monotonic() + patience
    while store.evicted(name):
        if clock.monotonic() >= until:
            return False
        clock.pause(_LOOKS_EVERY)
    return True
