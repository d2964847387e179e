"""The doctor's checks of archive locations in object stores: are they there, and what protects the copies."""

from collections.abc import Iterator

from ledgerflow_ops.adapters.storage.objects.bucket import Protection
from ledgerflow_ops.adapters.storage.objects.object_store import ObjectStore
from ledgerflow_ops.core.checks import Check, passed, warned
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.location_settings import Location
from ledgerflow_ops.operations.locations import bucket_of


def bucket_checks(location: Location) -> Iterator[Check]:
    """Checks of one location; LedgerError if its server does not answer, or refuses."""
    store = ObjectStore(bucket_of(location), location.prefix)
    store.prepare()
    yield passed("archive", f"{location.name}: {store.location} answers")
    for sentence in store.exposed():
        hint = Hint("Write the location's endpoint with https://.")
        yield warned("archive", "exposed", f"{location.name}: {sentence}.", hint)
    yield from _lock_checks(location, store.protection())


def _lock_checks(location: Location, protection: Protection) -> Iterator[Check]:
    """What keeps whoever has the location's credentials from removing the copies."""
    if location.object_lock == "off" or location.kind != "s3":
        return
    name, kept = location.name, "and keeps" if protection.versioned else "but does not keep"
    if protection.lockable:
        yield passed("archive", f"{name}: new copies are locked until their retention ends")
        return
    text = (
        f"{name}: the server does not say whether the bucket locks objects."
        if protection.lockable is None
        else f"{name}: the bucket has no Object Lock, {kept} older versions: who has the location's "
        "credentials can remove its copies."
    )
    hint = Hint(
        "Use a bucket that was created with Object Lock, let the credentials read its configuration, "
        'or set object_lock = "off" for this location.'
    )
    yield warned("archive", "no lock", text, hint)
