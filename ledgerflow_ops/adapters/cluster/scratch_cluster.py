"""A temporary server for a drill: private, fast, and removed afterwards, also after a crash."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import filelock
import psutil

from ledgerflow_ops.adapters.cluster import stray_clusters
from ledgerflow_ops.adapters.cluster.cluster import Cluster
from ledgerflow_ops.adapters.cluster.server_home import ServerHome
from ledgerflow_ops.adapters.cluster.stray_clusters import MEMORY, PREFIX, SOCKETS
from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.adapters.inspection.table_contents import TablePipes
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.safe_path import remove_tree
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import make_owned_folder
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.hints import Hint

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "32MB",
    "max_connections": "20",
    "jit": "off",
}
"""Durability is turned off, because none of the data has to survive a crash."""

_OPTIONS = {"locale": "C", "wal-segsize": "1"}
"""The smallest WAL segments, in MB: the server fills a whole segment with zeros before it uses it."""


_PATIENCE = 180
"""Seconds."""


@dataclass(frozen=True, slots=True)
class ScratchCluster:
    """A running temporary server, a database of its superuser, and pipes to read its tables fast."""

    cluster: Cluster
    server: Database
    pipes: TablePipes


@contextmanager
def scratch_cluster(
    server_home: ServerHome,
    tools: Tools,
    superuser: str,
    encoding: str,
    settings: Mapping[str, str] | None = None,
    *,
    in_memory: bool = False,
) -> Iterator[ScratchCluster]:
    """Create and start a server; stop and remove it when the block ends. `in_memory`: in /dev/shm."""
    drills = server_home.root / "drills"
    drills.mkdir(mode=0o711, exist_ok=True)
    drills.chmod(0o711)
    sweep_dead_clusters(server_home)
    key = secrets.token_hex(4)
    sockets, lock_file = _socket_folder(key), drills / f"{key}.lock"
    home = _memory_folder(key) if in_memory else drills / key
    cluster = Cluster(home / "data", server_home.programs(tools), server_home.account)
    with filelock.FileLock(lock_file, mode=0o600):
        try:
            for folder in (home, sockets):
                folder.mkdir(mode=0o700)
                stray_clusters.mark_folder(folder, lock_file)
                make_owned_folder(server_home.account, folder)
            _copy_template(cluster, server_home, superuser, encoding)
            cluster.start({**_SETTINGS, "unix_socket_directories": str(sockets), **(settings or {})})
            yield ScratchCluster(
                cluster,
                Database({"host": str(sockets), "port": "5432", "user": superuser, "dbname": "postgres"}),
                TablePipes(home, server_home.account),
            )
        finally:
            _remove(cluster, home, sockets)
            lock_file.unlink(missing_ok=True)


def _copy_template(cluster: Cluster, server_home: ServerHome, superuser: str, encoding: str) -> None:
    """Fill a new cluster from a template, which is created once for the same programs, superuser and
    encoding.

    initdb takes ten times as long as copying. The template is never started.
    """
    recipe = json.dumps([cluster.tools.version, str(cluster.tools.folder), superuser, encoding])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    templates = server_home.root / "templates"
    templates.mkdir(mode=0o711, exist_ok=True)
    templates.chmod(0o711)
    template = replace(cluster, data=templates / key / "data")
    with _template_lock(templates / f"{key}.lock"):
        if not template.made:
            template.make(superuser, encoding=encoding, options=_OPTIONS)
    shutil.copytree(template.data, cluster.data, copy_function=partial(_copy, server_home.account))
    for folder in (cluster.data, *(entry for entry in cluster.data.rglob("*") if entry.is_dir())):
        make_owned_folder(server_home.account, folder)


@contextmanager
def _template_lock(file: Path) -> Iterator[None]:
    """One process at a time; LedgerError if another one holds the lock for longer than 180 s."""
    try:
        with filelock.FileLock(file, mode=0o600, timeout=_PATIENCE):
            yield
    except filelock.Timeout:
        raise LedgerError(
            f"Another process has held {file} for {_PATIENCE} s.",
            hint=Hint(
                "It creates the template of a drill's server. End it if it hangs; then run this again."
            ),
        ) from None


def _copy(account: Account | None, source: str, target: str) -> None:
    """Copy one file, by reflink or in the kernel where the system can."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)
    if account:
        os.chown(target, account.uid, account.gid)


def sweep_dead_clusters(server_home: ServerHome) -> list[str]:
    """Stop and remove servers whose drill has died: its lock is free or removed. Returns their keys."""
    drills, swept = server_home.root / "drills", []
    gone = [
        stray.lock_file
        for stray in stray_clusters.find_stray_clusters(server_home.account)
        if stray.lock_file.parent == drills
    ]
    for lock_file in sorted({*drills.glob("*.lock"), *gone}):
        if not drills.is_dir():  # the state folder was removed while they ran
            drills.mkdir(mode=0o711, parents=True)
        lock = filelock.FileLock(lock_file, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            continue
        try:
            for home in (drills / lock_file.stem, _memory_folder(lock_file.stem)):
                _remove(
                    Cluster(home / "data", _NO_TOOLS, server_home.account),
                    home,
                    _socket_folder(lock_file.stem),
                )
            lock_file.unlink(missing_ok=True)
            swept.append(lock_file.stem)
        finally:
            lock.release()
    return swept


def available_memory() -> int:
    """Bytes of memory available for a server's data; 0 if the system has no /dev/shm."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return 0
    return min(disk_space.read_disk_space(MEMORY).free, psutil.virtual_memory().available)


def _memory_folder(key: str) -> Path:
    return MEMORY / f"{PREFIX}{key}"


def _socket_folder(key: str) -> Path:
    """The folder of a server's socket: the path of a socket is limited to 107 bytes (unix(7))."""
    return SOCKETS / f"{PREFIX}{key}"


def _remove(cluster: Cluster, home: Path, sockets: Path) -> None:
    cluster.remove()
    with suppress(OSError):
        remove_tree(home)  # unpacked files may be in read-only folders
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(sockets, ignore_errors=True)


_NO_TOOLS = Tools(Path("/"), "none", "0")
"""For a cluster that is only stopped and removed."""
