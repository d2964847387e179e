"""The chain of entries: whether it is whole, and where copies of it part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.history.entry import Entry, Line, trusted_comment

Verify = Callable[[str, str, str], bool]
"""Whether a signature (third) is a trusted key's over an entry's text (first) and its comment (second)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What contradicts the history. `n` is the first entry that is contradicted or missing, `file` the backup
    that is meant, empty where the history itself is wrong. `kind` is one word for programs."""

    n: int
    kind: str
    message: str
    hint: Hint
    file: str = ""


_EDITED = Hint(
    'See docs/runbooks.md, "An audit found something". Once it is explained: ',
    make("audit", ACCEPT=1, WHY="what happened"),
)


def read_chain(
    lines: Sequence[str], environment: Environment, verify: Verify
) -> tuple[list[Entry], Fault | None]:
    """The entries up to the first that is wrong, and what is wrong with that one."""
    entries, last = list[Entry](), ""
    for n, text in enumerate(lines, 1):
        try:
            line = Line.decode(text)
            entry = Entry.decode(line.text)
        except ValueError as error:
            return entries, _fault(n, "edited", f"Entry {n} of the history cannot be read: {error}.")
        if (entry.n, entry.previous, entry.environment) != (n, last, environment):
            return entries, _fault(n, "order", _misplaced(entry, n, environment))
        if not verify(line.text, trusted_comment(environment, n, line.digest), line.minisig):
            message = f"Entry {n} of the history ({entry.kind} {entry.file}) was changed or forged: "
            return entries, _fault(n, "signature", message + "its signature is not that of a known key.")
        entries.append(entry)
        last = line.digest
    return entries, None


def compare_copy(lines: Sequence[str], copy: Sequence[str], written: int, where: str) -> Fault | None:
    """The first entry in which a copy of the history differs from `lines`; None where it is their beginning.

    `written` is the number of entries that we know to have been written there.
    """
    for n, (ours, theirs) in enumerate(zip(lines, copy, strict=False), 1):
        if ours != theirs:
            return _fault(n, "copy", f"Entry {n} of the history in {where} is not the one that was written.")
    if len(copy) > len(lines):
        n = len(lines) + 1
        return _fault(n, "copy", f"The history in {where} has an entry {n} that was never written.")
    if len(copy) < written:
        n = len(copy) + 1
        message = f"The history in {where} ends before entry {n}, and went on to entry {written}: "
        return _fault(n, "rolled back", message + "the folder was put back to an earlier state, or cut.")
    return None


def _misplaced(entry: Entry, n: int, environment: Environment) -> str:
    if entry.environment is not environment:
        return f"Entry {n} of the history is from the history of {entry.environment}."
    if entry.n != n:
        return f"Where entry {n} of the history was, there is entry {entry.n}: one was removed or moved."
    return f"Entry {n} of the history does not follow the one before it: one of the two was changed."


def _fault(n: int, kind: str, message: str) -> Fault:
    return Fault(n, kind, message, _EDITED)
