"""The record of how far a backup has been proven, kept beside it."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, ValidationError

from ledgerflow_ops.core.catalog.manifest import decode_sealed, encode_sealed, validation_problems
from ledgerflow_ops.core.catalog.rungs import PROVEN, Rung
from ledgerflow_ops.core.errors import BadBackup
from ledgerflow_ops.core.models import Record

SOURCE = "source"
"""The cause of a check that found the file whole, and the database it was taken of at fault."""
INCOMPLETE = "incomplete"
"""The cause of a check that found the dump to lack something of its database."""


class Verdict(StrEnum):
    """What an examination found."""

    GOOD = "good"
    BAD = "bad"
    UNJUDGED = "unjudged"


class Doubt(Record):
    """A later examination that did not get as far as the bytes: of what they are now it knows nothing."""

    at: AwareDatetime
    message: str
    who: str
    run_id: str


class Proof(Record):
    """One examination of one backup. It speaks only of the dump and the manifest whose digests it names.

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
    """Why it does not count just now; None where nothing came in between, and in earlier versions' proofs."""

    @property
    def proven(self) -> bool:
        """Whether the backup counts."""
        return self.verdict is Verdict.GOOD and self.rung >= PROVEN and self.doubt is None

    @property
    def unrestorable(self) -> str:
        """Why the source cannot be restored by anybody; empty where that is not what was found."""
        return self._failed(SOURCE)[0] if self.verdict is Verdict.BAD else ""

    @property
    def incomplete(self) -> tuple[str, str]:
        """What of the database was found not to be in the dump, and what to do; empty where nothing was."""
        return self._failed(INCOMPLETE)

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
        """The proof in `data`; BadBackup when it was edited or cut."""
        try:
            return cls.model_validate(decode_sealed(data, file))
        except ValidationError as error:
            raise BadBackup(
                f"{file}: not a proof this version can read: {'; '.join(validation_problems(error))}",
                hint="Remove the file and prove the backup again: make restore-test",
            ) from None

    def speaks_of(self, sha256: str, manifest_digest: str) -> bool:
        """Whether it was made for exactly this dump under exactly this manifest."""
        return self.sha256 == sha256 and self.manifest_digest == manifest_digest


def supersedes(new: Proof, old: Proof | None) -> bool:
    """Whether `new` takes the place of `old`.

    An examination that could not judge replaces nothing. A bad verdict always counts.
    A good one counts unless the old one had proven more of the same files; a bad old one only gives way
    to one that got past the place where it failed, or reading a backup would clear what a drill found.
    (A drill does not stop at *readable* on its way, so its rung alone does not tell that place. It asks all
    that reading asks, so that none of its good verdicts clears what it has not looked at.)
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
    """The proof that is kept once `new` was found; None where the old one stays as it is.

    Whoever has read the bytes, and found them to be the committed ones, has answered a doubt: what an earlier
    proof says of these bytes holds again.
    """
    if supersedes(new, old):
        return new
    answered = new.verdict is Verdict.GOOD and new.rung >= Rung.HASHED
    if old is not None and old.doubt is not None and answered:
        return old.model_copy(update={"doubt": None})
    return None
