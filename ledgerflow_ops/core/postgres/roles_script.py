"""Parses the roles script that pg_dumpall writes into statements."""

import re
from collections.abc import Collection

from ledgerflow_ops.core.text_encodings import codec, declared, decode

_STATEMENT = re.compile(r"((?:[^;'\"]++|'[^']*+'|\"[^\"]*+\")++);")
_NOISE = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|\\[^\n]*(?:\n|\Z))*+")
_CREATE = re.compile(r'CREATE ROLE ("(?:[^"]|"")+"|[^\s";]+)\Z')
_BYTES = re.compile(rb"^SET client_encoding = 'SQL_ASCII';$", re.MULTILINE)
_NAME = r'("(?:[^"]|"")+"|[^\s";,]+)'
_OF_ROLE = re.compile(rf"(?:CREATE|ALTER|COMMENT ON) ROLE {_NAME}")
_MEMBERSHIP = re.compile(rf"GRANT {_NAME} TO {_NAME}")
_ENCODING = re.compile(r"SET client_encoding = ")
_TABLESPACES = re.compile(
    r"(?:CREATE|ALTER|COMMENT ON) TABLESPACE |(?:GRANT|REVOKE) .* ON TABLESPACE ", re.DOTALL
)


class UnreadableScript(ValueError):
    """The script ended inside a statement."""


def codec_of(script: bytes, encoding: str) -> str:
    """The codec that a script declares; that of its source's `encoding` if it declares SQL_ASCII."""
    return codec(encoding) if _BYTES.search(script) else declared(script) or "utf-8"


def decode_script(script: bytes, encoding: str) -> str:
    """The script as text; `encoding` is its source's. Invalid bytes are escaped (text_encodings.decode)."""
    return decode(script, codec_of(script, encoding))


def same_script(script: bytes, other: bytes) -> bool:
    """Whether two scripts are byte-identical apart from comments and psql's own commands."""

    def lines(text: bytes) -> list[bytes]:
        return [line for line in text.split(b"\n") if not line.startswith((b"--", b"\\"))]

    return lines(script) == lines(other)


def statements(script: str) -> list[str]:
    """The script's SQL statements in order, without comments and psql's own commands.

    UnreadableScript if it ends inside a statement.
    """
    parts: list[str] = []
    position = 0
    while True:
        position += len(_NOISE.match(script, position)[0])  # type: ignore[index]
        match = _STATEMENT.match(script, position)
        if not match and position < len(script):
            raise UnreadableScript("the roles script ends inside a statement")
        if not match:
            return parts
        parts.append(match[1].strip())
        position = match.end()


def created_roles(script: str) -> set[str]:
    """The names of the roles that the script creates."""
    matches = (_CREATE.match(statement) for statement in statements(script))
    return {_unquoted(match[1]) for match in matches if match}


def replayable(script: str, bootstrap_role: str) -> list[str]:
    """The statements to run in an empty cluster whose first role is `bootstrap_role`.

    Left out: CREATE ROLE for that role, which exists; tablespaces, whose folders are another machine's; and
    the encoding, which the sending session sets.
    """

    def wanted(statement: str) -> bool:
        create = _CREATE.match(statement)
        if create and _unquoted(create[1]) == bootstrap_role:
            return False
        return not (_TABLESPACES.match(statement) or _ENCODING.match(statement))

    return [statement for statement in statements(script) if wanted(statement)]


def statements_about(script: str, names: Collection[str]) -> list[str]:
    """The statements that create, alter or comment on the roles `names`, and their memberships.

    Settings per database (IN DATABASE) are left out: they belong to another database.
    """
    return [statement for statement in statements(script) if _concerns(statement, names)]


def _concerns(statement: str, names: Collection[str]) -> bool:
    if " IN DATABASE " in statement:
        return False
    match = _OF_ROLE.match(statement) or _MEMBERSHIP.match(statement)
    return match is not None and any(_unquoted(name) in names for name in match.groups())


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
