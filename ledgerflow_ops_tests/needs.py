"""What a test needs of the machine. Where it is missing the test is skipped, and says why.

On CI (CI=true) every part is supposed to be there: a missing one fails the test instead, so that a test
that never runs is not taken for one that passes.
"""

import os
import pwd
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def program(*names: str) -> Path:
    """The first of these programs that is on the PATH."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing(f"there is no {' or '.join(names)} on the PATH")
    return Path(found)


def root() -> None:
    """The rights of root."""
    if os.geteuid() != 0:
        missing("only root may do this")


def account(name: str) -> pwd.struct_passwd:
    """The user account `name`."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        missing(f"there is no user {name}")


def missing(reason: str) -> NoReturn:
    """End the test: what it needs is not there."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}, and on CI nothing may be missing", pytrace=False)
    pytest.skip(reason)
