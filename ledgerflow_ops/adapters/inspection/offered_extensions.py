"""The versions of extensions that a server offers."""

from ledgerflow_ops.adapters.connection.database import Database
from ledgerflow_ops.core.loading.extension_versions import OfferedVersions

_OFFERED = """
    SELECT e.name::text, e.default_version, array_agg(v.version) FROM pg_available_extensions e
    JOIN pg_available_extension_versions v ON v.name = e.name GROUP BY 1, 2
"""


def offered_versions(database: Database) -> dict[str, OfferedVersions]:
    """The default version and all versions of each extension on the server of `database`."""
    with database.connect() as connection:
        rows = connection.execute(_OFFERED).fetchall()
    return {name: OfferedVersions(default, frozenset(versions)) for name, default, versions in rows}
