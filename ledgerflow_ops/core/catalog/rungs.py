"""How far a backup has been proven."""

from enum import IntEnum


class Rung(IntEnum):
    """The levels of proof, lowest first. No backup is reported above the rung that it reached."""

    WRITTEN = 1
    """The bytes are in a file."""
    HASHED = 2
    """The file's SHA-256 is that in its manifest."""
    DECRYPTED = 3
    """It could be decrypted (reached at once by a dump that is not encrypted)."""
    READABLE = 4
    """Every byte decoded; table of contents, row counts and content digests agree with the manifest."""
    RESTORED = 5
    """pg_restore loaded all of it into an empty server without an error."""
    EQUAL = 6
    """The restored database equals the seal."""
    VALID = 7
    """The environment's data rules hold in the restored database."""

    @property
    def word(self) -> str:
        """The rung's name as people read it."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> "Rung":
        """The rung called `word` (lower case); KeyError for anything else."""
        return cls[word.upper()]


PROVEN = Rung.VALID
"""The rung from which on a backup counts as proven."""
