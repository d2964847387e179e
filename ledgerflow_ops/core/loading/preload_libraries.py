"""Which libraries a drill's server loads when it starts, for the extensions that cannot be made without."""

from collections.abc import Collection, Iterable

REQUIRED = frozenset(
    {
        "pg_cron",
        "pgaudit",
        "timescaledb",
        "citus",
        "pglogical",
        "pg_squeeze",
        "pgsodium",
        "pg_net",
        "set_user",
    }
)
"""Extensions that say so themselves: CREATE EXTENSION fails unless the library of that name was preloaded."""


def libraries_needed(extensions: Iterable[str], preloaded: Collection[str] | None) -> tuple[str, ...]:
    """The libraries for these extensions: those that the source preloads, and those known to be required.

    Only libraries that bear the name of an extension: others (passwordcheck, auto_explain, pg_partman_bgw)
    nothing in a dump depends on, and they might act upon the copy.
    """
    return tuple(sorted(name for name in extensions if name in REQUIRED or name in (preloaded or ())))


def preload_settings(libraries: Collection[str], database: str) -> dict[str, str]:
    """The server's settings that load them and let none do anything by itself.

    Without worker processes no library has a process of its own: pg_cron would run the jobs of the copy,
    timescaledb and pg_squeeze would change its tables. pg_cron is made only in the database that it is told.
    """
    if not libraries:
        return {}
    cron = {"cron.database_name": database, "cron.host": "/nonexistent"} if "pg_cron" in libraries else {}
    return {"shared_preload_libraries": ",".join(libraries), "max_worker_processes": "0", **cron}
