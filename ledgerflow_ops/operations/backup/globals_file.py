"""Reads the roles and globals of a server by pg_dumpall, and compares them with the server's catalogs."""

from dataclasses import dataclass, replace

from ledgerflow_ops.adapters.connection.database import Connection, Database
from ledgerflow_ops.adapters.dump import archive
from ledgerflow_ops.adapters.dump.client import Client
from ledgerflow_ops.adapters.inspection import source
from ledgerflow_ops.adapters.system.process import Finished, describe_exit, last_lines, mask_secrets
from ledgerflow_ops.core.catalog.manifest import RoleFacts
from ledgerflow_ops.core.errors import BadBackup, LedgerError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.postgres import roles_script
from ledgerflow_ops.core.text_encodings import NO_ENCODING

_ATTEMPTS = 4
CREATE_WITHOUT_ENCODING = (
    "CREATE DATABASE without_encoding TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';"
)


@dataclass(frozen=True, slots=True)
class Globals:
    """The roles script, or None and `note` with the reason; its roles, and what pg_dumpall printed."""

    script: bytes | None
    note: str
    facts: dict[str, RoleFacts]
    output: str = ""


def read_globals(
    client: Client, database: Database, encoding: str, sealed: dict[str, RoleFacts], *, passwords: bool
) -> Globals:
    """The roles script, if the account may read the roles.

    pg_dumpall cannot share the snapshot. It is repeated until the script creates the server's roles and two
    runs agree, because the seal does not cover every attribute. BadBackup when that does not happen,
    LedgerError when pg_dumpall fails.
    """
    capable = _capable_client(client, database)
    if isinstance(capable, str):
        return Globals(None, capable, sealed)
    facts, before = sealed, b""
    for _ in range(_ATTEMPTS):
        finished = archive.roles_script(capable, passwords=passwords)
        if finished.code:
            return Globals(None, _denied_note(finished), facts)
        missing = set(facts) ^ _created_roles(finished.out, encoding)
        if not missing and roles_script.same_script(before, finished.out):
            return Globals(finished.out, "", facts, mask_secrets(finished.errors))
        before = finished.out
        with database.connect() as connection:
            facts = source.read_roles(connection)
    difference = f": {', '.join(sorted(missing))}" if missing else ", or keeps changing"
    raise BadBackup(
        f"The roles file does not match the server's roles{difference}.",
        hint=Hint(
            "Nothing was kept. Is pg_dumpall the real one? ", make("doctor"), " shows where it is taken from."
        ),
    )


def unreadable_names(connection: Connection) -> str:
    """Why pg_dumpall cannot print all names of the server; empty where it can."""
    name = source.find_undecodable_name(connection)
    if name is None or source.find_database_without_encoding(connection):
        return ""
    return (
        f"Roles and globals cannot be read: {name} is not valid in the encoding of the database, and there "
        "is no database without an encoding to connect to."
    )


def _capable_client(client: Client, database: Database) -> Client | str:
    """A client whose pg_dumpall can print all names; where none can, the note that says why.

    pg_dumpall queries each role by its name, and a database refuses names that are invalid in its encoding.
    """
    with database.connect() as connection:
        note, place = unreadable_names(connection), source.find_database_without_encoding(connection)
        unreadable = source.find_undecodable_name(connection)
    if note:
        return f"{note} Make one, then back up again: {CREATE_WITHOUT_ENCODING}"
    if unreadable is None or place is None:
        return client
    return replace(
        client, variables={**client.variables, "PGDATABASE": place, "PGCLIENTENCODING": NO_ENCODING}
    )


def _created_roles(script: bytes, encoding: str) -> set[str]:
    """The roles that pg_dumpall's script creates; none where it cannot be read."""
    try:
        return roles_script.created_roles(roles_script.decode_script(script, encoding))
    except roles_script.UnreadableScript:
        return set()


def _denied_note(finished: Finished) -> str:
    """The note in place of roles that the account may not read; LedgerError for any other failure."""
    reason = next(iter(reversed(finished.errors.strip().splitlines())), "")
    if "permission denied" not in reason:
        raise LedgerError(
            f"pg_dumpall failed ({describe_exit(finished.code)}):\n{last_lines(finished.errors)}",
            hint=Hint("Nothing was kept. Fix the cause shown above and run the backup again."),
        )
    return f"roles and globals could not be read: {mask_secrets(reason)}"
