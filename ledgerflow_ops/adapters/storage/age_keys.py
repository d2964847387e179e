"""The keys of age: recipients encrypt, identities decrypt. No identity is kept."""

import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.system import process
from ledgerflow_ops.core.errors import KeyUnavailable, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, command

_OTHERS = 0o077
_COMMAND_SECONDS = 120.0
"""Seconds: a person may have to unlock a store of passwords."""
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where an environment's identities are read from; nowhere if neither is set.

    `name` is what the names of the two settings begin with.
    """

    file: Path | None = None
    command: str = ""
    name: str = "identity"

    def __bool__(self) -> bool:
        return bool(self.file or self.command)

    def read(self) -> list[Any]:
        """The identities, for pyrage. KeyUnavailable (5) where there is none, SettingsError (2) for a file
        that others may read, or that holds no identity."""
        if self.command:
            text, where = _command_output(self.command, self.name), f"the output of {self.name}_command"
        elif self.file:
            text, where = _private_text(self.file, self.name), str(self.file)
        else:
            raise KeyUnavailable("It is encrypted, and no identity is set here.", hint=_missing(self.name))
        return parse_identities(text, where)


def parse_recipient(text: str) -> Any:
    """A recipient, for pyrage; SettingsError if it is none."""
    import pyrage

    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise SettingsError(
            f"The recipient {text[:80]!r} is not usable: {error}.",
            hint=Hint("Correct recipients in ledgerflow.toml: each is a public key of age or SSH."),
        ) from None


def new_identity() -> tuple[str, str]:
    """A new identity and its recipient, as text."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipients_of(identities: Sequence[Any]) -> list[str]:
    """The recipients of X25519 identities; an SSH key does not know its own."""
    return [str(identity.to_public()) for identity in identities if hasattr(identity, "to_public")]


def parse_identities(text: str, where: str) -> list[Any]:
    import pyrage

    try:
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = (line.strip() for line in text.splitlines())
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and line[0] != "#"]
    except (pyrage.IdentityError, ValueError):  # the message of the library could repeat the key
        found = []
    if not found:
        raise SettingsError(
            f"There is no identity of age in {where}.",
            hint=Hint("It begins with AGE-SECRET-KEY-1, or is a private SSH key: docs/encryption.md"),
        )
    return found


def _subject(name: str) -> str:
    """How a sentence on the identity of these settings begins."""
    return "It is encrypted, and the identity" if name == "identity" else "The escrowed identity"


def _missing(name: str) -> Hint:
    """What to do where the identity of these settings is missing."""
    return Hint(
        f"This says nothing about the backup. Set {name}_file or {name}_command of this environment in "
        "ledgerflow.toml; taking backups does not need it."
    )


def _private_text(file: Path, name: str) -> str:
    """The text of a file that nobody else may read."""
    try:
        facts = file.stat()
        if facts.st_mode & _OTHERS or not stat.S_ISREG(facts.st_mode):
            raise SettingsError(
                f"{name}_file: {file} can be read by others than its owner: it was not used.",
                hint=Hint("Make it private, and consider a new key: ", command("chmod", "600", file)),
            )
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise KeyUnavailable(
            f"{_subject(name)} {file} cannot be read: {error.strerror}.", hint=_missing(name)
        ) from None


@lru_cache(maxsize=8)
def _command_output(line: str, name: str) -> str:
    """What the command prints. It runs once in a process: a person may have to confirm each call."""
    words = shlex.split(line)
    try:
        finished = process.run(words, timeout=_COMMAND_SECONDS)
    except LedgerError as error:
        raise KeyUnavailable(
            f"{_subject(name)} cannot be read, {name}_command gave none: {error.message}", hint=_missing(name)
        ) from None
    if finished.code:
        raise KeyUnavailable(
            f"{_subject(name)} cannot be read, {name}_command failed "
            f"({process.describe_exit(finished.code)}):\n{process.last_lines(finished.errors)}",
            hint=_missing(name),
        )
    return finished.out.decode("utf-8", "replace")
