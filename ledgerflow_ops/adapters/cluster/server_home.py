"""The folder of our own PostgreSQL servers, which the account that runs them can reach."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.programs import client_tools
from ledgerflow_ops.adapters.programs.client_tools import Tools
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.adapters.system.server_account import can_reach, server_account

_SHARED = Path("/var/lib/ledgerflow_ops")


@dataclass(frozen=True, slots=True)
class ServerHome:
    """A folder for the data of servers, and the account that runs them (None: ourselves)."""

    root: Path
    account: Account | None

    @property
    def programs_folder(self) -> Path:
        """The folder of fetched programs of other versions."""
        return self.root / "programs"

    def programs(self, tools: Tools) -> Tools:
        """The given programs, or a copy of them below `root` if the account cannot reach the original.

        That is so for a clone below a home folder with mode 0700. The copy is made once per version.
        """
        if can_reach(self.account, tools.folder):
            return tools
        copy = self.root / f"postgresql-{tools.version}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.partial")
            shutil.copytree(tools.folder.parent, unfinished, symlinks=True)
            try:
                unfinished.rename(copy)
            except OSError:  # another process was first; its copy is the same
                shutil.rmtree(unfinished)
        copied = client_tools.find_tools(copy / tools.folder.name, tools.origin)
        return copied or tools


def make_server_home(state_dir: Path) -> ServerHome:
    """The server home of this state folder, created if needed.

    It is inside the state folder, unless we are root and the account that runs servers cannot reach it there
    (for example below /root): then it is below /var/lib, under a name derived from the path of the state
    folder.
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


def find_server_home(state_dir: Path) -> ServerHome | None:
    """The server home of this state folder; None if it does not exist. Nothing is created."""
    account = server_account()
    with translated(state_dir):
        root = _root(state_dir, account)
        return ServerHome(root, account) if root.is_dir() else None


def _root(state_dir: Path, account: Account | None) -> Path:
    if can_reach(account, state_dir):
        return state_dir / "postgres"
    return _SHARED / hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:12]
