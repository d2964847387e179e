"""The user that a PostgreSQL server of ours runs as. PostgreSQL refuses to run as root."""

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
    """None when we are an ordinary user (servers then run as ourselves); else the user root steps down to."""
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


def reaches(account: Account | None, folder: Path) -> bool:
    """Whether `account` may pass through every folder on the way to `folder` and enter it."""
    if account is None:
        return True
    resolved = folder.resolve()
    return all(_enters(account, part) for part in (resolved, *resolved.parents) if part.exists())


def _enters(account: Account, folder: Path) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & 0o100)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & 0o010)
    return bool(facts.st_mode & 0o001)


def own(account: Account | None, folder: Path) -> None:
    """Make `folder` a private folder of the account."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
