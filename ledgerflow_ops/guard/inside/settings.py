"""PostgreSQL's settings: which of them run commands, move the data or put it at risk."""

import re

from ledgerflow_ops.guard.inside.effects import Finding, changes, destroys, reads
from ledgerflow_ops.guard.inside.options import names

_RUNS = names(
    """
    archive_command restore_command archive_cleanup_command recovery_end_command
    ssl_passphrase_command archive_library dynamic_library_path extension_control_path jit_provider
    standard_conforming_strings
    """
)
_MOVES = names(
    """
    data_directory config_file hba_file ident_file external_pid_file primary_conninfo
    primary_slot_name session_replication_role allow_system_table_mods
    """
)
_RISKS = names(
    """
    fsync full_page_writes zero_damaged_pages ignore_system_indexes ignore_checksum_failure
    synchronous_commit wal_level data_sync_retry recovery_init_sync_method wal_log_hints
    ignore_invalid_pages
    """
)
_SAFE = {
    **dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit"), ("on", "true", "yes", "1")),
    **dict.fromkeys(("zero_damaged_pages", "ignore_system_indexes"), ("off", "false", "no", "0")),
    **dict.fromkeys(("ignore_checksum_failure", "ignore_invalid_pages"), ("off", "false", "no", "0")),
    "wal_level": ("replica", "logical"),
    "session_replication_role": ("origin", "default"),
    "standard_conforming_strings": ("on", "true", "yes", "1"),
}
_LIBRARIES = names(
    """
    pg_stat_statements auto_explain pg_prewarm pgaudit timescaledb pg_cron pg_hint_plan
    passwordcheck
    """
)


def setting(name: str, value: str) -> Finding:
    """What setting `name` to `value` could do, on the server's command line or by SQL."""
    name = name.lower().replace("-", "_")
    if value.strip("'\"").lower() in _SAFE.get(name, ()):
        return reads(f"sets {name} = {value}")
    if name.endswith("preload_libraries"):
        return _libraries(name, value)
    if name in _RUNS:
        return destroys(f"sets {name}, which runs commands or changes how text is read")
    if name in _MOVES or name.startswith("recovery_target"):
        return destroys(f"sets {name}, which points the server at other data")
    if name in _RISKS:
        return changes(f"sets {name} = {value}, which puts the data at risk")
    return reads(f"sets {name} = {value}")


def _libraries(name: str, value: str) -> Finding:
    listed = {entry for entry in re.split(r"[,\s'\"]+", value) if entry}
    unknown = sorted(listed - _LIBRARIES)
    if unknown:
        return destroys(f"{name} loads {', '.join(unknown)} into the server, which is not known here")
    return reads(f"sets {name} = {value}")
