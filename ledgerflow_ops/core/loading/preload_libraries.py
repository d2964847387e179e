"""Which libraries a drill's server preloads, for the extensions that cannot be created otherwise."""

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
"""Extensions whose CREATE EXTENSION fails unless the library of the same name is preloaded."""


def libraries_needed(extensions: Iterable[str], preloaded: Collection[str] | None) -> tuple[str, ...]:
    """The libraries to preload for these extensions: those the source preloads, and those always required.

    Only libraries named like one of the extensions. Nothing in a dump depends on the others (passwordcheck,
    auto_explain, pg_partman_bgw), and they might act on the copy.
    """
    return tuple(sorted(name for name in extensions if name in REQUIRED or name in (preloaded or ())))


def preload_settings(libraries: Collection[str], database: str) -> dict[str, str]:
    """The server settings that preload the libraries and keep them from doing anything by themselves.

    Without background workers no library can start a process: pg_cron would run the copy's jobs, timescaledb
    and pg_squeeze would change its tables. pg_cron can be created only in `cron.database_name`.
    """
    if not libraries:
        return {}
    cron = {"cron.database_name": database, "cron.host": "/nonexistent"} if "pg_cron" in libraries else {}
    return {"shared_preload_libraries": ",".join(libraries), "max_worker_processes": "0", **cron}
