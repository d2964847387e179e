"""Opens the store of an environment's backups in an archive location."""

from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.core.errors import SettingsError
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.location_settings import Location


def location_store(location: Location, environment: Environment) -> BackupStore:
    """The store of this environment's backups in the location. Nothing is connected to yet."""
    if location.folder:
        return LocalStore(location.folder / environment)
    raise SettingsError(
        f"locations: {location.name}: this version cannot open a location of kind {location.kind}.",
        hint=Hint("Use kind folder until it can."),
    )
