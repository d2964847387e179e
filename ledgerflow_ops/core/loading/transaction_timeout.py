"""A pg_restore from 17 on sets transaction_timeout first of all, which older servers do not have.

PostgreSQL promises nothing of loading into a server older than pg_restore; but an archive of a newer
pg_dump can be read by no older one. The statement is refused before anything is made. So where it is what
ended a load, the same is done again by one job, with errors counted, and it may be the only one.
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
    """Whether this is what ended a load whose first error ends it."""
    return len(_ERROR.findall(errors)) == 1 and bool(_REFUSED.search(errors))


def is_only_error(errors: str) -> bool:
    """Whether the one error that a load went on after is this one, by pg_restore's own count as well.

    Of one job: several write their errors into one another.
    """
    return caused_failure(errors) and _IGNORED.findall(errors) == ["1"]


def without_error(text: str) -> str:
    """What pg_restore said, without it: the errors that remain are those to be told."""
    return _IGNORED.sub("", _REFUSED.sub("", text))


def script_without(script: bytes) -> bytes:
    """The text that pg_restore prints, without that statement in its head; our session sets it by itself."""
    return script.replace(b"\nSET transaction_timeout = 0;\n", b"\n", 1)
