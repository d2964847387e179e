"""The account that our PostgreSQL servers run as, because PostgreSQL refuses to run as root."""

import os
import pwd
from functools import cache
from pathlib import Path

from ledgerflow_ops.adapters.system.process import Account
from ledgerflow_ops.core.errors import CannotJudge
from ledgerflow_ops.core.hints import Hint

_PREFERRED = ("postgres", "nobody")


@cache
def server_account() -> Account | None:
    """The account for servers if we are root: postgres or nobody. None if we are not root."""
    if os.geteuid() != 0:
        return None
    for name in _PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise CannotJudge(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody.",
        hint=Hint("Create one (useradd --system postgres) or run make as an ordinary user."),
    )


def can_reach(account: Account | None, folder: Path) -> bool:
    """Whether `account` may enter `folder` and all its parents."""
    if account is None:
        return True
    resolved = folder.resolve()
    return all(_can_enter(account, part) for part in (resolved, *resolved.parents) if part.exists())


def _can_enter(account: Account, folder: Path) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & 0o100)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & 0o010)
    return bool(facts.st_mode & 0o001)


def make_owned_folder(account: Account | None, folder: Path) -> None:
    """Create `folder`, with mode 0700 and `account` as its owner."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
