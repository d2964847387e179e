"""How a long operation reports its progress, to the terminal, to Dagster's log or to a test."""

from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """The durable steps of all operations; within each operation, in the order they are announced.

    A step is announced just before it is carried out. A process that dies there leaves behind what the
    previous step made durable. Steps for files are announced only if files are configured.
    """

    PREFLIGHT = "preflight"
    SNAPSHOT = "snapshot"
    SEAL = "seal"
    DUMP = "dump"
    FINISH = "finish"
    SYNC = "sync"
    RENAME = "rename"
    GLOBALS = "globals"
    FILES = "files"
    PACK = "pack files"
    KEEP = "keep files"
    COMMIT = "commit"
    READ_BACK = "read back"
    RECORD = "record in history"
    VERIFY = "verify"
    CLUSTER = "cluster"
    ROLES = "roles"
    RESTORE = "restore"
    UNPACK = "unpack files"
    COMPARE = "compare"
    RULES = "data rules"
    CLEAN = "clean"
    PROOF = "proof"
    PLAN = "plan"
    SAFETY = "safety backup"
    CREATE = "create"
    ANALYZE = "analyze"
    CARRY_OVER = "carry over"
    SWAP = "swap"
    AFTERWARDS = "checks afterwards"
    JOURNAL = "journal"
    LAY_OUT = "lay out files"
    HOLD = "compare files"
    SET_ASIDE = "set aside"
    PUT_IN_PLACE = "put in place"
    NOTE = "note what goes"
    RETIRE = "retire manifest"
    FACTS = "keep facts"
    REMOVE = "remove dump"
    REMOVE_REST = "remove what goes with it"
    REMOVE_COPY = "remove copy"
    SETTLE = "settle"
    COPY = "copy to a location"
    COPY_BACK = "read the copy back"
    COPY_PROOF = "copy the proof"
    COPY_COMMIT = "commit the copy"
    EXAMINE = "read both copies"
    READ_OLD = "read the old files"
    ENCRYPT = "encrypt for the recipients"
    DECRYPT_BACK = "decrypt the new file again"
    STORAGE = "start PostgreSQL for Dagster"
    DAEMON = "start the daemon"
    METRICS = "start the metrics"
    WEB_PAGE = "start the web page"


BACKUP_STEPS = (
    Step.PREFLIGHT,
    Step.SNAPSHOT,
    Step.SEAL,
    Step.DUMP,
    Step.FINISH,
    Step.SYNC,
    Step.RENAME,
    Step.GLOBALS,
    Step.FILES,
    Step.PACK,
    Step.KEEP,
    Step.COMMIT,
    Step.READ_BACK,
    Step.RECORD,
)
DRILL_STEPS = (
    Step.VERIFY,
    Step.CLUSTER,
    Step.ROLES,
    Step.RESTORE,
    Step.UNPACK,
    Step.COMPARE,
    Step.RULES,
    Step.CLEAN,
    Step.PROOF,
)
RESTORE_STEPS = (
    Step.PLAN,
    Step.VERIFY,
    Step.SAFETY,
    Step.ROLES,
    Step.CREATE,
    Step.RESTORE,
    Step.COMPARE,
    Step.RULES,
    Step.ANALYZE,
    Step.CARRY_OVER,
    Step.SWAP,
    Step.AFTERWARDS,
    Step.JOURNAL,
)
"""The steps of a restore over a database with data. SAFETY stands for a whole backup and its drill."""
ROLLBACK_STEPS = (Step.PLAN, Step.SWAP, Step.JOURNAL)
FILES_STEPS = (
    Step.LAY_OUT,
    Step.HOLD,
    Step.SET_ASIDE,
    Step.PUT_IN_PLACE,
)
"""The steps of a restore of files. The last two are repeated for each root."""

ROTATION_STEPS = (
    Step.PLAN,
    Step.NOTE,
    Step.RETIRE,
    Step.FACTS,
    Step.REMOVE,
    Step.REMOVE_REST,
    Step.REMOVE_COPY,
    Step.SETTLE,
    Step.JOURNAL,
)
"""All but the first and the last are repeated for each removed backup, REMOVE_COPY for each further copy."""

UP_STEPS = (Step.STORAGE, Step.DAEMON, Step.METRICS, Step.WEB_PAGE)
"""Of `make up`; the last one includes the wait until the page answers."""
QUARANTINE_STEPS = (Step.NOTE, Step.SET_ASIDE, Step.SETTLE)
"""SET_ASIDE comes once for each file; back out of quarantine it is PUT_IN_PLACE."""
ARCHIVE_STEPS = (Step.PLAN, Step.COPY, Step.COPY_BACK, Step.COPY_PROOF, Step.COPY_COMMIT, Step.JOURNAL)
"""COPY and COPY_BACK are repeated for each file, all but the first and the last for each copy."""
REPAIR_STEPS = (
    Step.PLAN,
    Step.EXAMINE,
    Step.SET_ASIDE,
    Step.COPY,
    Step.COPY_BACK,
    Step.SETTLE,
    Step.COPY_PROOF,
    Step.JOURNAL,
)
"""SET_ASIDE, COPY and COPY_BACK are repeated for each bad file."""
REKEY_STEPS = (
    Step.PLAN,
    Step.READ_OLD,
    Step.ENCRYPT,
    Step.DECRYPT_BACK,
    Step.COMMIT,
    Step.PROOF,
    Step.NOTE,
    Step.RETIRE,
    Step.FACTS,
    Step.REMOVE,
    Step.REMOVE_REST,
    Step.SETTLE,
    Step.JOURNAL,
)
"""ENCRYPT and DECRYPT_BACK are repeated for each file, all but the first and the last for each backup. The
old backup is removed from NOTE on."""


class Reporter(Protocol):
    """Receives the progress. The terminal, Dagster's log and the tests each have an implementation."""

    def step(self, step: Step) -> None:
        """`step` is about to be carried out."""

    def moved(self, done: int, expected: int | None) -> None:
        """`done` bytes of the current step are processed, of `expected` if that is known."""

    def counted(self, done: int, of: int, what: str) -> None:
        """`done` of `of` items are processed; `what` names them ("backups read"). In the last call both are
        equal."""

    def say(self, message: str) -> None:
        """Something a person should read."""

    def printed(self, line: str) -> None:
        """A line for the run's log: what pg_dump or pg_restore printed, without secrets, or how it ended."""


class SilentReporter:
    """Reports nothing."""

    def step(self, step: Step) -> None:
        pass

    def moved(self, done: int, expected: int | None) -> None:
        pass

    def counted(self, done: int, of: int, what: str) -> None:
        pass

    def say(self, message: str) -> None:
        pass

    def printed(self, line: str) -> None:
        pass
