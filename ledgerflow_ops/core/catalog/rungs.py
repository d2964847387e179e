"""How far a backup has been proven."""

from enum import IntEnum


class Rung(IntEnum):
    """The ladder of proof, lowest first. A claim never goes above the rung that was reached."""

    WRITTEN = 1
    """The bytes are in a file."""
    HASHED = 2
    """The file's SHA-256 is the one its manifest committed."""
    DECRYPTED = 3
    """It could be decrypted (reached at once by a dump that is not encrypted)."""
    READABLE = 4
    """Every byte decoded; table of contents, row counts and content digests agree with the manifest."""
    RESTORED = 5
    """pg_restore loaded all of it into an empty server, every error fatal."""
    EQUAL = 6
    """The restored database equals the seal."""
    VALID = 7
    """The environment's data rules hold in it."""

    @property
    def word(self) -> str:
        """The rung's name as people read it."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> "Rung":
        """The rung called `word` (lower case); KeyError for anything else."""
        return cls[word.upper()]


PROVEN = Rung.VALID
"""The rung from which on a backup counts."""
