"""Errors of a load whose cause is the machine that loads the archive, not the archive.

The source's server accepted each of these commands once. This machine refuses them because it lacks
something: a library, a locale, a time zone, a file of the installation, a build option. The patterns match
PostgreSQL's own messages (C locale).
"""

import re

_TROUBLE = re.compile(
    r"extension .* is not available|could not open extension control file|could not access file"
    r"|has no installation script|must be loaded via|can only be loaded via|shared_preload_libraries"
    r"|could not load library|could not find function .* in file|incompatible library"
    r"|security label provider .* is not loaded|no security label providers have been loaded"
    r"|could not open (?:[a-z-]+ )?file \"|time zone .* not recognized"
    r"|icu is not supported|not supported in this build|not supported by this build"
    r"|compression method .* not supported|unsupported xml feature"
    r"|could not create locale|could not open collator|collation .* for encoding .* does not exist"
    r"|violates partition constraint"  # with an ICU collation, a hash partition depends on the machine
    r"|no space left on device|out of memory|out of shared memory|server closed the connection"
    r"|could not extend file|could not write|could not connect|connection to server|unsupported version"
    r"|deadlock detected|canceling statement|terminating connection|the database system is"
    r"|stack depth limit exceeded|too many clients|could not fork"
    r"|: (?:cannot allocate memory|input/output error|too many open files(?: in system)?|disk quota exceeded"
    r"|read-only file system|resource temporarily unavailable|structure needs cleaning|stale file handle)$",
)
"""Searched in the message in lower case: compiling it for either case takes twenty times as long."""
_SETTING = re.compile(
    r"invalid value for parameter|unrecognized configuration parameter|invalid configuration parameter name"
)
"""Errors of a command that stores a setting (for a function, a role) whose locale, time zone or library this
machine lacks. If a function changes a setting while rows are loaded, the error is the source's."""
_LOCAL_SCRIPT = "CREATE EXTENSION "
"""This command runs a script of this machine, not of the archive, so its errors are the machine's too."""
_SETS = re.compile(r"(?:CREATE (?:FUNCTION|PROCEDURE)|ALTER (?:ROLE|DATABASE)|GRANT .* ON PARAMETER) ")
_HEAD = re.compile(
    r"ALTER (?:ROLE|DATABASE) .*? SET [^ ]+|SECURITY LABEL FOR .*? ON .*?(?= IS )|GRANT .*", re.DOTALL
)
_SHOWN = 3


def is_machine_trouble(message: str, command: str) -> bool:
    """Whether an error's cause is this machine. `command` is the statement that failed with `message`."""
    if command.startswith(_LOCAL_SCRIPT) or _TROUBLE.search(message.lower()):
        return True
    return bool(_SETS.match(command) and _SETTING.match(message))


def without_value(command: str) -> str:
    """The command without the value it sets, which may be an application's secret."""
    head = _HEAD.match(command)
    return head[0] if head else command.partition(" ")[0]


def left_out_sentence(commands: list[str]) -> str:
    """A sentence that lists the commands left out on this machine; empty if there are none."""
    if not commands:
        return ""
    more = f"; {len(commands) - _SHOWN} more" if len(commands) > _SHOWN else ""
    shown = "; ".join(map(without_value, commands[:_SHOWN]))
    return f"This machine lacks what these need, so they were left out: {shown}{more}."
