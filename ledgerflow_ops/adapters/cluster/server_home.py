"""Where our own PostgreSQL servers live: a place that the account they run as can reach."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import reaches, server_account

_SHARED = Path("/var/lib/ledgerflow_ops")


@dataclass(frozen=True, slots=True)
class ServerHome:
    """A folder for servers' data, the account they run as, and the programs as that account reaches them."""

    root: Path
    account: Account | None

    @property
    def shelf(self) -> Path:
        """Where programs of other versions are put that have been fetched."""
        return self.root / "programs"

    def programs(self, wanted: Tools) -> Tools:
        """`wanted`, or a copy of it below `root` where the account cannot reach the original.

        A clone below a home folder with mode 0700 is such a case. The copy is made once per version.
        """
        if reaches(self.account, wanted.folder):
            return wanted
        copy = self.root / f"postgresql-{wanted.version}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.partial")
            shutil.copytree(wanted.folder.parent, unfinished, symlinks=True)
            try:
                unfinished.rename(copy)
            except OSError:  # another process was first; its copy is the same
                shutil.rmtree(unfinished)
        found = client_tools.at(copy / wanted.folder.name, wanted.origin)
        return found or wanted


def home_of(state_dir: Path) -> ServerHome:
    """The lodging for this state folder, made if needed.

    Inside the state folder, unless we are root and the account we step down to cannot get there (it
    may lie below /root): then below /var/lib, under a name that belongs to this state folder alone.
    """
    account = server_account()
    with translated(state_dir):
        state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        root = _root(state_dir, account)
        for folder in (root.parent, root):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o711)
    return ServerHome(root, account)


def existing(state_dir: Path) -> ServerHome | None:
    """The lodging of this state folder, if one was ever made; nothing is made."""
    account = server_account()
    with translated(state_dir):
        root = _root(state_dir, account)
        return ServerHome(root, account) if root.is_dir() else None


def _root(state_dir: Path, account: Account | None) -> Path:
    if reaches(account, state_dir):
        return state_dir / "postgres"
    return _SHARED / hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:12]
