"""What setting an environment variable could do to the programs that see it."""

import re

from ledgerflow_ops.guard.inside.effects import Finding, Surroundings, destroys, opaque, reads, unread
from ledgerflow_ops.guard.inside.options import names

NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TRUSTED = names(
    """
    POSTGRES_USER POSTGRES_DB PGUSER PGDATABASE PGHOST PGPORT
    """
)
"""The container's own variables, whose values are plain words: setting one to anything else is refused."""
_HARMLESS = re.compile(
    r"PGPASSWORD|PGUSER|PGHOST|PGPORT|PGDATABASE|PGAPPNAME|PGCONNECT_TIMEOUT|PGSSLMODE|PGTZ|PGCLIENTENCODING"
    r"|PGDATESTYLE|PGGSSENCMODE|LANG|LANGUAGE|LC_\w+|TZ|TERM|COLUMNS|LINES|NO_COLOR|CI|DEBUG|LOG_LEVEL"
    r"|PYTHON(?:UNBUFFERED|DONTWRITEBYTECODE|UTF8|IOENCODING|HASHSEED|OPTIMIZE|WARNINGS)"
    r"|DJANGO_(?:SETTINGS_MODULE|DEBUG|ENV|LOG_LEVEL)|DATABASE_URL|LEDGER_ENV|HTTPS?_PROXY|NO_PROXY|USER"
    r"|POSTGRES_(?:USER|PASSWORD|DB|HOST_AUTH_METHOD)|DEBIAN_FRONTEND|REDIS_URL|SECRET_KEY|ALLOWED_HOSTS"
)
_LEADS = re.compile(
    r"PATH|LD_\w*|PYTHON\w*|BASH\w*|ENV|IFS|SHELL\w*|PSQL\w*|PAGER|LESS\w*|EDITOR|VISUAL|PGOPTIONS|PGSERVICE\w*"
    r"|PGSYSCONFDIR|PGDATA|PGLOCALEDIR|PERL\w*|RUBY\w*|NODE\w*|GIT\w*|TAR_OPTIONS|RSYNC\w*|CDPATH|PS[0-9]"
    r"|PROMPT_\w+|PROMPT|HOME|POSIXLY_CORRECT|POSTGRES_INITDB\w*|GLOBIGNORE|GCONV_PATH|XDG\w*|DYLD\w*|MALLOC\w*"
)


def variable(assignment: str, around: Surroundings) -> Finding:
    """`NAME=value`: harmless for known names; some variables change what programs do."""
    name, _, value = assignment.partition("=")
    if name in TRUSTED and not re.fullmatch(r"[\w.][\w.-]*", value):
        return destroys(f"sets {name} to something other than a plain word")
    if _HARMLESS.fullmatch(name):
        return reads(f"sets {name}")
    if not NAMES.fullmatch(name) or _LEADS.fullmatch(name):
        return unread(f"sets {name}, which can change what runs")
    return opaque(f"sets {name}, whose use is not known", around)
