"""One verdict on one aspect of a backup."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ledgerflow_ops.core.hints import NO_HINT, Hint


class Severity(StrEnum):
    """What a failed check means: ERROR stops the steps downstream, WARN is only reported."""

    ERROR = "ERROR"
    WARN = "WARN"


@dataclass(frozen=True, slots=True)
class Check:
    """A named verdict. A failed check always has a hint; `cause` identifies the rule that failed."""

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
        """Whether this verdict makes the backup bad."""
        return not self.passed and self.severity is Severity.ERROR

    def as_json(self, environment: str = "") -> dict[str, Any]:
        """The check as plain values for JSON output and proofs, with `environment` in its hint's commands."""
        return {**asdict(self), "hint": str(self.hint.within(environment)), "severity": str(self.severity)}


def passed(name: str, message: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name=name, passed=True, message=message)


def failed(name: str, cause: str, message: str, hint: Hint) -> Check:
    """A check that found the backup bad."""
    return Check(name=name, passed=False, message=message, hint=hint, cause=cause)


def warned(name: str, cause: str, message: str, hint: Hint) -> Check:
    """A check that reports something which does not make the backup bad."""
    return Check(name=name, passed=False, message=message, hint=hint, severity=Severity.WARN, cause=cause)


def first_fatal(checks: Iterable[Check]) -> Check | None:
    """The first verdict that makes the backup bad, or None."""
    return next((check for check in checks if check.fatal), None)


def merged(checks: Iterable[Check]) -> list[Check]:
    """One verdict per name, in order of first appearance: the worst, and of equally bad ones the last."""
    worst: dict[str, Check] = {}
    for check in checks:
        earlier = worst.get(check.name)
        if earlier is None or _rank(check) >= _rank(earlier):
            worst[check.name] = check
    return list(worst.values())


def _rank(check: Check) -> int:
    return 0 if check.passed else 1 if check.severity is Severity.WARN else 2
