"""Asks the application whether it is well: by a command of its own, or at a URL."""

import shlex
import urllib.error
import urllib.request

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import CannotJudge, LedgerError

_TIMEOUT = 60.0
_SCHEMES = ("http://", "https://")


def ask(check: str) -> str:
    """What is wrong with the application; empty when nothing is. `check` is a URL or a command line."""
    return _at_url(check) if check.startswith(_SCHEMES) else _by_command(check)


def _at_url(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - the scheme was looked at
            return "" if answer.status < 400 else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"


def _by_command(line: str) -> str:
    try:
        finished = process.run(shlex.split(line), timeout=_TIMEOUT)
    except (LedgerError, CannotJudge, ValueError) as error:
        return str(getattr(error, "message", error))
    if finished.code == 0:
        return ""
    said = process.last_lines(finished.errors or finished.out.decode("utf-8", "replace"))
    return f"the check ended with {process.ended_by(finished.code)}:\n{said}"
