"""A server to restore into and throw away: private, fast, and gone afterwards, also after a crash."""

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
from ledgerflow_ops.adapters.inspection.table_contents import Pipes
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.storage.safe_path import remove
from ledgerflow_ops.adapters.system import disk_space
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import own
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
"""Nothing here must survive a crash: what a default server does for durability is left out."""

_OPTIONS = {"locale": "C", "wal-segsize": "1"}
"""The smallest segments: whole ones are filled with zeros before they are used."""


_PATIENCE = 180


@dataclass(frozen=True, slots=True)
class ScratchCluster:
    """A running throw-away server, its superuser's own database, and a way to read its tables fast."""

    cluster: Cluster
    server: Database
    pipes: Pipes


@contextmanager
def scratch_cluster(
    place: ServerHome,
    tools: Tools,
    superuser: str,
    encoding: str,
    settings: Mapping[str, str] | None = None,
    *,
    in_memory: bool = False,
) -> Iterator[ScratchCluster]:
    """Make and start one; stop and remove it when the block ends. `in_memory` as `memory` has room."""
    drills = place.root / "drills"
    drills.mkdir(mode=0o711, exist_ok=True)
    drills.chmod(0o711)
    sweep(place)
    key = secrets.token_hex(4)
    sockets, lock_file = _sockets(key), drills / f"{key}.lock"
    home = _in_memory(key) if in_memory else drills / key
    cluster = Cluster(home / "data", place.programs(tools), place.account)
    with filelock.FileLock(lock_file, mode=0o600):
        try:
            for folder in (home, sockets):
                folder.mkdir(mode=0o700)
                stray_clusters.mark(folder, lock_file)
                own(place.account, folder)
            _fill(cluster, place, superuser, encoding)
            cluster.start({**_SETTINGS, "unix_socket_directories": str(sockets), **(settings or {})})
            yield ScratchCluster(
                cluster,
                Database({"host": str(sockets), "port": "5432", "user": superuser, "dbname": "postgres"}),
                Pipes(home, place.account),
            )
        finally:
            _remove(cluster, home, sockets)
            lock_file.unlink(missing_ok=True)


def _fill(cluster: Cluster, place: ServerHome, superuser: str, encoding: str) -> None:
    """A new cluster's data: a copy of one that was made for the same programs and words, once.

    initdb takes ten times as long as its copy. Nobody has ever started the one that is copied.
    """
    words = json.dumps([cluster.tools.version, str(cluster.tools.folder), superuser, encoding])
    key = hashlib.sha256(words.encode()).hexdigest()[:12]
    templates = place.root / "templates"
    templates.mkdir(mode=0o711, exist_ok=True)
    templates.chmod(0o711)
    template = replace(cluster, data=templates / key / "data")
    with _made_once(templates / f"{key}.lock"):
        if not template.made:
            template.make(superuser, encoding=encoding, options=_OPTIONS)
    shutil.copytree(template.data, cluster.data, copy_function=partial(_copy, place.account))
    for folder in (cluster.data, *(found for found in cluster.data.rglob("*") if found.is_dir())):
        own(place.account, folder)


@contextmanager
def _made_once(file: Path) -> Iterator[None]:
    """One process at a time; LedgerError when another, which may hang, does not end."""
    try:
        with filelock.FileLock(file, mode=0o600, timeout=_PATIENCE):
            yield
    except filelock.Timeout:
        raise LedgerError(
            f"Another process has held {file} for {_PATIENCE} s.",
            hint=Hint("It makes the template of a drill's server. End it if it hangs; then run this again."),
        ) from None


def _copy(account: Account | None, source: str, target: str) -> None:
    """One file, by the file system itself where it can."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)
    if account:
        os.chown(target, account.uid, account.gid)


def sweep(place: ServerHome) -> list[str]:
    """Stop and remove the servers whose drill has died: its lock is free, or gone. Returns their keys."""
    drills, swept = place.root / "drills", []
    gone = [one.lock_file for one in stray_clusters.found(place.account) if one.lock_file.parent == drills]
    for lock_file in sorted({*drills.glob("*.lock"), *gone}):
        if not drills.is_dir():  # the state folder was removed under them
            drills.mkdir(mode=0o711, parents=True)
        lock = filelock.FileLock(lock_file, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            continue
        try:
            for home in (drills / lock_file.stem, _in_memory(lock_file.stem)):
                _remove(Cluster(home / "data", _NO_TOOLS, place.account), home, _sockets(lock_file.stem))
            lock_file.unlink(missing_ok=True)
            swept.append(lock_file.stem)
        finally:
            lock.release()
    return swept


def memory() -> int:
    """Bytes of memory that a server's data may take; none where the system keeps no files in memory."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return 0
    return min(disk_space.space(MEMORY).free, psutil.virtual_memory().available)


def _in_memory(key: str) -> Path:
    return MEMORY / f"{PREFIX}{key}"


def _sockets(key: str) -> Path:
    """The folder of a server's socket: the path of a socket must be short (107 bytes)."""
    return SOCKETS / f"{PREFIX}{key}"


def _remove(cluster: Cluster, home: Path, sockets: Path) -> None:
    cluster.remove()
    with suppress(OSError):
        remove(home)  # unpacked files may lie in folders that nobody may write into
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(sockets, ignore_errors=True)


_NO_TOOLS = Tools(Path("/"), "none", "0")
"""For a cluster that is only to be stopped and removed."""
