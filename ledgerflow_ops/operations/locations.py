"""Opens the store of an environment's backups in an archive location."""

from ledgerflow_ops.adapters.storage.local_store import LocalStore
from ledgerflow_ops.adapters.storage.objects.bucket import Bucket, CredentialSource
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.core.environments import Environment
from ledgerflow_ops.location_settings import Location


def location_store(location: Location, environment: Environment) -> BackupStore:
    """The store of this environment's backups in the location. Nothing is connected to yet."""
    if location.folder:
        return LocalStore(location.folder / environment, location.rate_limit)
    prefix = f"{location.prefix}/{environment}" if location.prefix else str(environment)
    return ObjectStore(bucket_of(location), prefix)


def bucket_of(location: Location) -> Bucket:
    """The bucket of a location that is not a folder."""
    assert location.kind != "folder"
    return Bucket(
        location.kind,
        location.bucket,
        location.service or location.endpoint or "",
        location.account,
        location.region or "",
        CredentialSource(location.credentials_file, location.credentials == "sdk"),
        location.object_lock,
        location.rate_limit,
    )
