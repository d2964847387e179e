"""The first error in what pg_restore said, and what is wrong with the source because of it.

The patterns match PostgreSQL's own messages (C locale), because pg_restore reports no SQLSTATE.
"""

import re
from dataclasses import dataclass

from ledgerflow_ops.core.catalog.manifest import Seal
from ledgerflow_ops.core.postgres.qualified_names import QualifiedName, quote

_ERROR = re.compile(
    r"^(?:pg_restore: error: |psql:\S+ )?(?:COPY failed for table (\".*?\"): |could not execute query: )?"
    r"ERROR:  (.*)$",
    re.MULTILINE,
)
_OTHER = re.compile(r"^pg_restore: error: (?!.*ERROR:  )(.*)$", re.MULTILINE)
_PART = r'(?:"(?:[^"]|"")+"|[^\s".(),;]+)'
SQL_NAME = rf"{_PART}(?:\.{_PART})?"
"""A pattern for a name as SQL writes it, with or without its schema."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with the source: a sentence that names the object, and the SQL that finds or fixes it.

    `by_order`: loading the rows in another order may succeed. `by_extension`: another version of an extension
    may be the reason, because the missing object is not one of the source's own.
    """

    cause: str
    sentence: str
    fix: str
    by_order: bool = False
    by_extension: bool = False


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """The first error in pg_restore's output: its message, and `text`, the message with its details."""

    message: str
    table: str
    text: str
    seal: Seal

    @classmethod
    def first_in(cls, errors: str, seal: Seal) -> "LoadFailure | None":
        """The first error in `errors`, which are pg_restore's; None where the server refused nothing."""
        match = _ERROR.search(errors)
        if match is None:
            return None
        rest = errors[match.end() :].split("\npg_restore: error:")[0]
        return cls(match[2], _table(match[1] or "", seal), match[2] + rest, seal)

    @property
    def failing_command(self) -> str:
        """The command that failed, as a sentence of at most 200 characters; empty if none is known."""
        command = self.text.partition("Command was: ")[2].strip().partition("\n\n")[0]
        return f" It fails in: {' '.join(command.split())[:200]}" if command else ""

    @property
    def detail(self) -> str:
        """The server's DETAIL in parentheses; empty if there is none."""
        detail = re.search(r"DETAIL:  (.*)", self.text)
        return f" ({detail[1].rstrip('.')})" if detail else ""


def first_error(errors: str) -> str:
    """The message of the first error, without values of rows; empty if there is none."""
    match = _ERROR.search(errors) or _OTHER.search(errors)
    return match[match.lastindex or 0] if match else ""


def _table(quoted: str, seal: Seal) -> str:
    """The table that a COPY error names, with its schema if only one sealed table has that name."""
    bare = quoted[1:-1]
    known = [key for key in seal.tables if QualifiedName.parse(key).name == bare]
    return known[0] if len(known) == 1 else quote(bare) if bare else ""


def sql_statement(*words: str) -> str:
    """A statement for a person to type; this program never runs it."""
    return " ".join(words) + ";"
