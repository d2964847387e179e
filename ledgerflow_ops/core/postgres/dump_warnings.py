"""The warnings that pg_dump printed, and whether they mean that something is missing from the dump.

pg_dump continues after a warning and exits with 0. An object that it left out is then missing from a backup
that passes every comparison. The lists below hold every warning of pg_dump and pg_dumpall 9.6 to 18
(`pg_log_warning` in src/bin/pg_dump; before 12, messages printed as WARNING). A message in no list is
reported; it counts as a missing object only if its wording says that something was left out.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

from ledgerflow_ops.core.hints import NO_HINT, Hint, joined, make
from ledgerflow_ops.core.models import Record, StoredHint

_MOST = 50
_LONGEST = 1000


class Meaning(StrEnum):
    """What a warning means for the backup."""

    MISSING = "missing"
    """An object of the database, or a part of one, is not in the dump."""
    NOTED = "noted"
    """Nothing is missing: the warning is only reported."""
    UNKNOWN = "unknown"
    """Not in our lists: the warning is only reported."""


class DumpWarning(Record):
    """One warning. `program` printed it: pg_dump, pg_dumpall, or ledgerflow_ops itself."""

    program: str
    text: str
    meaning: Meaning
    hint: StoredHint = NO_HINT

    def within(self, environment: str) -> "DumpWarning":
        """The warning, with `environment` in its hint's commands."""
        return self.model_copy(update={"hint": self.hint.within(environment)})

    @property
    def missing(self) -> bool:
        return self.meaning is Meaning.MISSING

    @property
    def sentence(self) -> str:
        """The program and its message, on one line."""
        return f"{self.program}: {'; '.join(line.strip() for line in self.text.splitlines())}"


AS_SUPERUSER = "Let a superuser take the backup (database_url), or make the account one"
_REPAIR = Hint("Correct or drop that object in the source, then take another backup: ", make("backup"))
_ROLES = Hint("Correct the roles in the source, then take another backup: ", make("backup"))

_MISSING = (
    (r"subscriptions not dumped", Hint(f"{AS_SUPERUSER}.")),
    (r"security labels? not dumped", Hint(f"{AS_SUPERUSER}.")),
    (r"typtype of data type .* appears to be invalid", _REPAIR),
    (r"owner of .* appears to be invalid", _REPAIR),
    (r"invalid type \S+ of access method", _REPAIR),
    (r"bogus (?:value|transform definition)", _REPAIR),
    (r"could not parse \S+ array", _REPAIR),
    (r"could not find operator with OID", _REPAIR),
    (r"could not find function definition", _REPAIR),
    (r"could not find (?:parent|referenced) extension", _REPAIR),
    (r"postfix operators are not supported anymore", _REPAIR),
    (
        r"WITH OIDS is not supported anymore",
        Hint("The column oid is not in the dump: copy it into an ordinary column, then SET WITHOUT OIDS."),
    ),
    (r"don't know how to set owner for object type", _REPAIR),
    (r'role name starting with "?pg_"? skipped', _ROLES),
    (r"could not find a legal dump ordering for memberships in role", _ROLES),
    (r"could not parse ACL list", _ROLES),
)
_NOTED = (
    r"there are circular foreign-key constraints",  # matters for a data-only dump; ours are whole
    r"could not resolve dependency loop",  # the order may not work: the drill shows whether it does
    r"ignoring role grant (?:for|to) missing role",
    r"grant of role .* has invalid grantor",
    r"found orphaned pg_auth_members entry",
    r"requested compression not available",
)
_LEFT_OUT = re.compile(
    r"\bnot (?:be )?dumped\b|\bskip(?:ped|ping)\b|\bomit(?:ted|ting)\b|\bleft out\b|\bno data will be\b"
    r"|\bappears to be invalid\b|\bbogus\b",
    re.IGNORECASE,
)
_TOOL = re.compile(
    r"(?:\S*[/\\])?(?P<program>pg_dump(?:all)?)(?:\.exe)?: (?:\[[^\]]*\] )?"
    r"(?:(?P<level>warning|notice|detail|hint|error|info): +)?(?P<text>.*)",
    re.IGNORECASE,
)
_SERVER = re.compile(r"(?P<level>WARNING|NOTICE|INFO|LOG|DETAIL|HINT|CONTEXT): +(?P<text>.*)")
_MORE = frozenset({"detail", "hint", "context", ""})
"""Lines that continue the message before them; up to version 13 such lines have no level at all."""


def parse_warnings(program: str, output: str) -> tuple[DumpWarning, ...]:
    """The warnings in `program`'s standard error, missing objects first; at most 50.

    A message of the server (WARNING: and the like, without the program's name) concerns the database and not
    the dump: it is only noted.
    """
    warnings = sorted(dict.fromkeys(_messages(program, output)), key=lambda warning: not warning.missing)
    return tuple(warnings[:_MOST])


def _messages(program: str, output: str) -> Iterator[DumpWarning]:
    lines: list[str] = []
    server = False
    for line in output.splitlines():
        tool, notice = _TOOL.fullmatch(line), _SERVER.fullmatch(line)
        match = tool or notice
        level = (match["level"] or "").lower() if match else ""
        text = match["text"].strip() if match else line.strip()
        if lines and (match is None or level in _MORE):
            lines.append(text)
            continue
        yield from _message(program, lines, server)
        # A line without a program's name that continues no message comes from a shell or docker.
        lines, server = ([text], tool is None or level == "notice") if match and text else ([], False)
    yield from _message(program, lines, server)


def _message(program: str, lines: list[str], server: bool) -> Iterator[DumpWarning]:
    if lines:
        text = "\n".join(line for line in lines if line)[:_LONGEST]
        meaning, hint = (Meaning.NOTED, NO_HINT) if server else _meaning(lines[0][:_LONGEST])
        yield DumpWarning(program=program, text=text, meaning=meaning, hint=hint)


def _meaning(text: str) -> tuple[Meaning, Hint]:
    for pattern, hint in _MISSING:
        if re.search(pattern, text, re.IGNORECASE):
            return Meaning.MISSING, hint
    if any(re.search(pattern, text, re.IGNORECASE) for pattern in _NOTED):
        return Meaning.NOTED, NO_HINT
    return (Meaning.MISSING, _REPAIR) if _LEFT_OUT.search(text) else (Meaning.UNKNOWN, NO_HINT)


def missing_objects(warnings: Iterable[DumpWarning] | None) -> str:
    """A sentence that lists what is missing from the dump; empty if nothing is."""
    return "; ".join(warning.sentence for warning in warnings or () if warning.missing)


def missing_remedy(warnings: Iterable[DumpWarning] | None) -> Hint:
    """What to do about the missing objects; empty if nothing is missing."""
    return joined(warning.hint for warning in warnings or () if warning.missing)
