"""A server to restore into and throw away: private, fast, and gone afterwards, also after a crash."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from ledgerflow_ops.adapters.account import own
from ledgerflow_ops.adapters.cluster import Cluster
from ledgerflow_ops.adapters.lodging import Lodging
from ledgerflow_ops.adapters.postgres import Database
from ledgerflow_ops.adapters.tools import Tools

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


@dataclass(frozen=True, slots=True)
class Throwaway:
    """A running throw-away server and its superuser's own database."""

    cluster: Cluster
    server: Database


@contextmanager
def throwaway(
    place: Lodging, tools: Tools, superuser: str, encoding: str, settings: Mapping[str, str] | None = None
) -> Iterator[Throwaway]:
    """Make and start one; stop and remove it when the block ends."""
    drills = place.root / "drills"
    drills.mkdir(mode=0o711, exist_ok=True)
    drills.chmod(0o711)
    sweep(place)
    key = secrets.token_hex(4)
    home, sockets, lock_file = drills / key, _sockets(key), drills / f"{key}.lock"
    cluster = Cluster(home / "data", place.programs(tools), place.account)
    with filelock.FileLock(lock_file, mode=0o600):
        try:
            own(place.account, home)
            sockets.mkdir(mode=0o700)
            own(place.account, sockets)
            cluster.make(superuser, encoding=encoding, locale={"locale": "C"})
            cluster.start({**_SETTINGS, "unix_socket_directories": str(sockets), **(settings or {})})
            yield Throwaway(
                cluster,
                Database({"host": str(sockets), "port": "5432", "user": superuser, "dbname": "postgres"}),
            )
        finally:
            _remove(cluster, home, sockets)
            lock_file.unlink(missing_ok=True)


def sweep(place: Lodging) -> list[str]:
    """Stop and remove the servers whose drill has died: its lock is free. Returns their keys."""
    drills, swept = place.root / "drills", []
    for lock_file in sorted(drills.glob("*.lock")):
        lock = filelock.FileLock(lock_file, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            continue
        try:
            home = drills / lock_file.stem
            _remove(Cluster(home / "data", _NO_TOOLS, place.account), home, _sockets(lock_file.stem))
            lock_file.unlink(missing_ok=True)
            swept.append(lock_file.stem)
        finally:
            lock.release()
    return swept


def _sockets(key: str) -> Path:
    """The folder of a server's socket: the path of a socket must be short (107 bytes)."""
    return Path("/tmp") / f"lf-{key}"  # noqa: S108 - made exclusively, mode 0700


def _remove(cluster: Cluster, home: Path, sockets: Path) -> None:
    cluster.remove()
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(sockets, ignore_errors=True)


_NO_TOOLS = Tools(Path("/"), "none", "0")
"""For a cluster that is only to be stopped and removed."""
