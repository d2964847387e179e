"""What the last run of the archive saw of the newest backup's copies, for who must not wait for it."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.core.checks import Check
from ledgerflow_ops.operations.context import EnvironmentContext


@dataclass(frozen=True, slots=True)
class CopiesRecord:
    """The verdicts on one backup's copies: `copied` and `three_two_one`, as they were `at` that time."""

    file: str
    at: str
    copied: bool
    rule: bool
    message: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def write_record(env: EnvironmentContext, file: str, checks: list[Check], now: datetime) -> None:
    """Remember what these checks, `copied` and `three_two_one`, say about a backup."""
    copied, rule = checks
    shown = rule.message if copied.passed else copied.message
    record = CopiesRecord(file, now.isoformat(), copied.passed, rule.passed, shown)
    durable_record.write(_folder(env), _name(env), json.dumps(record.as_json()))


def read_record(env: EnvironmentContext) -> CopiesRecord | None:
    """The last record; None where there is none, or it cannot be read."""
    try:
        return CopiesRecord(**regular_files.read_json(_folder(env) / _name(env)))
    except (OSError, ValueError, TypeError):
        return None


def _folder(env: EnvironmentContext) -> Path:
    return env.ctx.settings.state_dir / "copies"


def _name(env: EnvironmentContext) -> str:
    return f"{env.environment}.json"
