"""How a long operation tells where it is, whoever listens."""

from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """The durable steps of the operations, those of each in the order in which they are announced.

    Each is announced just before it is carried out; a process that dies there leaves what the step
    before it had made durable. Those about files are announced only where files are listed.
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
"""Of a restore over a database that holds data; SAFETY stands for a whole backup and its drill."""
ROLLBACK_STEPS = (Step.PLAN, Step.SWAP, Step.JOURNAL)
FILES_STEPS = (
    Step.LAY_OUT,
    Step.HOLD,
    Step.SET_ASIDE,
    Step.PUT_IN_PLACE,
)
"""Of a restore of files; the last two come once for each root."""

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
"""All but the first and the last come once for each backup that goes; REMOVE_COPY for each further copy."""


class Reporter(Protocol):
    """Who is told. The terminal, the Dagster log and the tests each have their own."""

    def step(self, step: Step) -> None:
        """`step` is about to be carried out."""

    def moved(self, done: int, expected: int | None) -> None:
        """`done` bytes of the current step are through, of `expected` where that is known."""

    def counted(self, done: int, of: int, what: str) -> None:
        """`done` of `of` things are through, which `what` names ("backups read"); the last call says all."""

    def say(self, message: str) -> None:
        """Something a person should read."""


class SilentReporter:
    """Tells nobody."""

    def step(self, step: Step) -> None:
        pass

    def moved(self, done: int, expected: int | None) -> None:
        pass

    def counted(self, done: int, of: int, what: str) -> None:
        pass

    def say(self, message: str) -> None:
        pass
