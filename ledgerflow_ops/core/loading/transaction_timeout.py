"""The setting transaction_timeout, which pg_restore 17 and later set first and older servers do not know.

PostgreSQL does not promise that an older server can be loaded by a newer pg_restore, but only that one can
read the archive of a newer pg_dump. The server refuses the statement before anything is created. If that is
what ended a load, the load is repeated with one job that goes on after errors, and this one error is allowed.
"""

import re

_STATEMENT = "Command was: SET transaction_timeout = 0;"
_ERROR = re.compile(r"^pg_restore: error: ", re.MULTILINE)
_REFUSED = re.compile(
    r"^pg_restore: (?:while INITIALIZING:\npg_restore: )?error: could not execute query: "
    rf"[^\n]*transaction_timeout[^\n]*\n(?:(?!pg_restore: )[^\n]*\n)*?{_STATEMENT}\n+",
    re.MULTILINE,
)
_IGNORED = re.compile(r"^pg_restore: warning: errors ignored on restore: (\d+)\n?", re.MULTILINE)


def caused_failure(errors: str) -> bool:
    """Whether this statement ended a load that stops at its first error."""
    return len(_ERROR.findall(errors)) == 1 and bool(_REFUSED.search(errors))


def is_only_error(errors: str) -> bool:
    """Whether this is the only error of a load that goes on after errors; pg_restore's count must agree.

    The load must have used one job: the output of several is interleaved.
    """
    return caused_failure(errors) and _IGNORED.findall(errors) == ["1"]


def without_error(text: str) -> str:
    """pg_restore's output without this error."""
    return _IGNORED.sub("", _REFUSED.sub("", text))


def script_without(script: bytes) -> bytes:
    """The SQL script that pg_restore prints, without this statement; our session sets the timeout itself."""
    return script.replace(b"\nSET transaction_timeout = 0;\n", b"\n", 1)
