"""The record of how far a backup has been proven, kept beside it."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime

from ledgerflow_ops.core.catalog.data_rules import as_said_now
from ledgerflow_ops.core.catalog.manifest import decode_record, encode_sealed
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import Record

VERSION = 1
"""The format this code writes."""
SOURCE = "source"
"""The cause of a check that found the file intact, but its source database not restorable."""
INCOMPLETE = "incomplete"
"""The cause of a check that found objects of the database missing from the dump."""
NO_KEY = "no key"
"""The cause of a check that did not decrypt the backup, because no identity here opens it."""


class Verdict(StrEnum):
    """What an examination found."""

    GOOD = "good"
    BAD = "bad"
    UNJUDGED = "unjudged"


class Doubt(Record):
    """A later examination that could not read the bytes: their present state is unknown."""

    at: AwareDatetime
    message: str
    who: str
    run_id: str


class Proof(Record):
    """One examination of one backup. It is valid only for the dump and the manifest whose digests it names.

    `rto_seconds` is the restore time that the drill measured, or None where nothing was restored.
    """

    version: Literal[1] = 1
    file: str
    sha256: str
    manifest_digest: str
    verdict: Verdict
    rung: Rung
    examined_at: AwareDatetime
    server_version: str | None
    rto_seconds: float | None
    durations: dict[str, float]
    checks: tuple[dict[str, Any], ...]
    who: str
    run_id: str
    doubt: Doubt | None = None
    """Why the proof does not count at present; None without a doubt, and in earlier versions' proofs."""

    @property
    def proven(self) -> bool:
        """Whether it proves the backup valid."""
        return self.verdict is Verdict.GOOD and self.rung >= PROVEN and self.doubt is None

    @property
    def rules_sentence(self) -> str:
        """What it says about the data rules; empty where they were not asked."""
        said = (check for check in self.checks if check.get("passed") and check.get("name") == "data_rules")
        return next((as_said_now(str(check.get("message", ""))) for check in said), "")

    @property
    def unrestorable(self) -> str:
        """Why no server can restore the source; empty where that was not found."""
        return self._failed(SOURCE)[0] if self.verdict is Verdict.BAD else ""

    @property
    def undecrypted(self) -> str:
        """Why nothing beyond its hash is proven: no identity opened it; empty where one did."""
        said = (check for check in self.checks if check.get("cause") == NO_KEY)
        return next((str(check.get("message", "")) for check in said), "")

    @property
    def incomplete(self) -> tuple[str, Hint]:
        """Which objects are missing from the dump, and what to do; both empty where none are."""
        message, hint = self._failed(INCOMPLETE)
        return message, Hint(hint)

    def _failed(self, cause: str) -> tuple[str, str]:
        """Message and hint of the first check that did not pass for this cause; empty where all did."""
        failures = (check for check in self.checks if not check.get("passed") and check.get("cause") == cause)
        return next(
            ((str(first.get("message", "")), str(first.get("hint", ""))) for first in failures), ("", "")
        )

    def encode(self) -> bytes:
        """The proof file's bytes."""
        absent = {"doubt"} if self.doubt is None else set()
        return encode_sealed(self.model_dump(mode="json", exclude=absent))

    @classmethod
    def decode(cls, data: bytes, file: str) -> "Proof":
        """The proof in `data`; BadBackup (exit 4) when it was edited or truncated."""
        hint = Hint("Remove the file and prove the backup again: ", make("restore-test"))
        return decode_record(data, file, cls.model_validate, "a proof this version can read", hint)

    def speaks_of(self, sha256: str, manifest_digest: str) -> bool:
        """Whether it was made for exactly this dump and this manifest."""
        return self.sha256 == sha256 and self.manifest_digest == manifest_digest


def supersedes(new: Proof, old: Proof | None) -> bool:
    """Whether `new` takes the place of `old`.

    An examination without a verdict replaces nothing. A bad verdict always replaces. A good one replaces
    unless the old one had proven more of the same files. A bad verdict is only replaced by an examination
    that got past the point where the bad one failed; otherwise merely reading a backup would clear what a
    drill found. (The rung alone does not show that point, because a drill does not stop at *readable*. A
    drill checks all that reading checks, so its good verdict clears nothing that it has not examined.)
    """
    if new.verdict is Verdict.UNJUDGED:
        return False
    if old is None or not old.speaks_of(new.sha256, new.manifest_digest):
        return True
    if new.verdict is Verdict.BAD:
        return True
    if old.verdict is Verdict.BAD:
        return new.rung > old.rung and (old.server_version is None or new.server_version is not None)
    return new.rung >= old.rung


def updated_proof(new: Proof, old: Proof | None) -> Proof | None:
    """The proof to store after the examination `new`; None where the old one stays as it is.

    An examination that read the bytes and found them to be the committed ones removes a doubt: what the
    earlier proof says of these bytes is valid again.
    """
    if supersedes(new, old):
        return new
    answered = new.verdict is Verdict.GOOD and new.rung >= Rung.HASHED
    if old is not None and old.doubt is not None and answered:
        return old.model_copy(update={"doubt": None})
    return None
