"""Runs the application's health check: a command or a URL."""

import shlex
import urllib.error
import urllib.request

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import CannotJudge, LedgerError

_TIMEOUT = 60.0
_SCHEMES = ("http://", "https://")


def check_application(check: str) -> str:
    """The problem that the check reports; empty if there is none. `check` is a URL or a command line."""
    return _check_url(check) if check.startswith(_SCHEMES) else _check_command(check)


def _check_url(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - the scheme was checked
            return "" if answer.status < 400 else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"


def _check_command(line: str) -> str:
    try:
        finished = process.run(shlex.split(line), timeout=_TIMEOUT)
    except (LedgerError, CannotJudge, ValueError) as error:
        return str(getattr(error, "message", error))
    if finished.code == 0:
        return ""
    output = process.last_lines(finished.errors or finished.out.decode("utf-8", "replace"))
    return f"the check ended with {process.describe_exit(finished.code)}:\n{output}"
