"""What a test needs of the machine. If it is missing the test is skipped with a reason.

On CI (CI=true) a missing requirement fails the test instead, so that a test that never runs does not look
like one that passes.
"""

import os
import pwd
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def program(*names: str) -> Path:
    """The path of the first of these programs that is on the PATH."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing(f"there is no {' or '.join(names)} on the PATH")
    return Path(path)


def root() -> None:
    """Require the rights of root."""
    if os.geteuid() != 0:
        missing("only root may do this")


def account(name: str) -> pwd.struct_passwd:
    """The user account `name`."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        missing(f"there is no user {name}")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it on CI, because a requirement is missing."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}, and on CI nothing may be missing", pytrace=False)
    pytest.skip(reason)
