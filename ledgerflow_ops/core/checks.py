"""One verdict on one aspect of a backup."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ledgerflow_ops.core.hints import NO_HINT, Hint


class Severity(StrEnum):
    """What a failed check means: ERROR stops what lies downstream, WARN is told."""

    ERROR = "ERROR"
    WARN = "WARN"


@dataclass(frozen=True, slots=True)
class Check:
    """A named verdict. A failed one always carries a hint; `cause` names what exactly caught it."""

    name: str
    passed: bool
    message: str
    hint: Hint = NO_HINT
    severity: Severity = Severity.ERROR
    cause: str = ""

    def __post_init__(self) -> None:
        if not self.passed and not self.hint:
            raise ValueError(f"the failed check {self.name!r} needs a hint")

    @property
    def fatal(self) -> bool:
        """Whether this verdict makes the backup a bad one."""
        return not self.passed and self.severity is Severity.ERROR

    def as_json(self, environment: str = "") -> dict[str, Any]:
        """The check as the plain values that JSON output and proofs hold, its hint on `environment`."""
        return {**asdict(self), "hint": str(self.hint.within(environment)), "severity": str(self.severity)}


def passed(name: str, message: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name=name, passed=True, message=message)


def failed(name: str, cause: str, message: str, hint: Hint) -> Check:
    """A check that found the backup bad."""
    return Check(name=name, passed=False, message=message, hint=hint, cause=cause)


def warned(name: str, cause: str, message: str, hint: Hint) -> Check:
    """A check that found something to tell, which does not make the backup bad."""
    return Check(name=name, passed=False, message=message, hint=hint, severity=Severity.WARN, cause=cause)


def first_fatal(checks: Iterable[Check]) -> Check | None:
    """The first verdict that makes the backup bad, or None."""
    return next((check for check in checks if check.fatal), None)


def merged(checks: Iterable[Check]) -> list[Check]:
    """One verdict per name, in the order of first appearance: the worst one, or the last that passed."""
    worst: dict[str, Check] = {}
    for check in checks:
        before = worst.get(check.name)
        if before is None or _badness(check) >= _badness(before):
            worst[check.name] = check
    return list(worst.values())


def _badness(check: Check) -> int:
    return 0 if check.passed else 1 if check.severity is Severity.WARN else 2
