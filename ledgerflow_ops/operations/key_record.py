"""The record of an environment's last key-survival drill, in the state folder (`keys/ENV.json`)."""

from datetime import datetime
from pathlib import Path

from ledgerflow_ops.adapters.storage import durable_record
from ledgerflow_ops.adapters.system import regular_files
from ledgerflow_ops.core.errors import LedgerError
from ledgerflow_ops.core.monitoring.key_survival import KeyDrill
from ledgerflow_ops.operations.context import EnvironmentContext


def read_drill(env: EnvironmentContext) -> KeyDrill | None:
    """The last drill; None where there was none, or its record cannot be read."""
    file = _folder(env) / _name(env)
    try:
        return KeyDrill.decode(regular_files.read_file(file), file.name)
    except (OSError, LedgerError):
        return None


def write_drill(env: EnvironmentContext, drill: KeyDrill) -> None:
    """Keep what a drill found; LedgerError where that cannot be written."""
    durable_record.write(_folder(env), _name(env), drill.encode().decode())


def awaited_drill(env: EnvironmentContext, now: datetime) -> KeyDrill:
    """The last drill. Where there was none, it is recorded that one is awaited since `now`."""
    drill = read_drill(env)
    if drill is None:
        drill = KeyDrill(since=now)
        write_drill(env, drill)
    return drill


def _folder(env: EnvironmentContext) -> Path:
    return env.ctx.settings.state_dir / "keys"


def _name(env: EnvironmentContext) -> str:
    return f"{env.environment}.json"
