"""What a server says when the machine that an archive is loaded on is at fault, and not the archive.

The source took each of these commands once. What refuses it here is what this machine lacks: a library, a
locale, a time zone, a file beside the server's programs, an option of their build. The texts are those of
PostgreSQL's own messages (C locale).
"""

import re

_TROUBLE = re.compile(
    r"extension .* is not available|could not open extension control file|could not access file"
    r"|has no installation script|must be loaded via|can only be loaded via|shared_preload_libraries"
    r"|could not load library|could not find function .* in file|incompatible library"
    r"|security label provider .* is not loaded|no security label providers have been loaded"
    r"|could not open (?:[a-z-]+ )?file \"|time zone .* not recognized"
    r"|ICU is not supported|not supported in this build|not supported by this build"
    r"|compression method .* not supported|unsupported XML feature"
    r"|could not create locale|could not open collator|collation .* for encoding .* does not exist"
    r"|violates partition constraint"  # where a hash depends on the machine: a collation of ICU
    r"|No space left on device|out of memory|out of shared memory|server closed the connection"
    r"|could not extend file|could not write|could not connect|connection to server|unsupported version"
    r"|deadlock detected|canceling statement|terminating connection|the database system is"
    r"|stack depth limit exceeded|too many clients|could not fork"
    r"|: (?:Cannot allocate memory|Input/output error|Too many open files(?: in system)?|Disk quota exceeded"
    r"|Read-only file system|Resource temporarily unavailable|Structure needs cleaning|Stale file handle)$",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"invalid value for parameter|unrecognized configuration parameter|invalid configuration parameter name"
)
"""Of a command that fixes a setting (a function's, a role's) for a locale, a time zone or a library that is
not here. What a function asks for while rows are loaded is the source's own."""
_ITS_OWN = "CREATE EXTENSION "
"""A command whose script lies on this machine, not in the archive: so does whatever ends it."""
_FIXES = re.compile(r"(?:CREATE (?:FUNCTION|PROCEDURE)|ALTER (?:ROLE|DATABASE)|GRANT .* ON PARAMETER) ")
_HEAD = re.compile(
    r"ALTER (?:ROLE|DATABASE) .*? SET [^ ]+|SECURITY LABEL FOR .*? ON .*?(?= IS )|GRANT .*", re.DOTALL
)
_SHOWN = 3


def is_machine_trouble(message: str, command: str) -> bool:
    """Whether `message` is of trouble with this machine; `command` is what the server was told."""
    if command.startswith(_ITS_OWN) or _TROUBLE.search(message):
        return True
    return bool(_FIXES.match(command) and _SETTING.match(message))


def without_value(command: str) -> str:
    """Such a command without the value it sets, which may be a secret of an application."""
    head = _HEAD.match(command)
    return head[0] if head else command.partition(" ")[0]


def left_out_sentence(commands: list[str]) -> str:
    """The commands that this machine did not run, as a sentence; empty for none."""
    if not commands:
        return ""
    more = f"; {len(commands) - _SHOWN} more" if len(commands) > _SHOWN else ""
    shown = "; ".join(map(without_value, commands[:_SHOWN]))
    return f"This machine lacks what these need, so they were left out: {shown}{more}."
