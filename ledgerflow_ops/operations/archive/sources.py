"""Finds a backup that a person names, in the primary folder or in an archive location."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ledgerflow_ops.core.archive.copies import CopyState
from ledgerflow_ops.core.catalog.naming import BackupName
from ledgerflow_ops.core.errors import LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive.copies import (
    PRIMARY,
    archive_contexts,
    copy_in,
    place_name,
    sound_manifest,
)
from ledgerflow_ops.operations.context import EnvironmentContext

Source = tuple[EnvironmentContext, BackupName]
"""A location, and a backup that it has."""
_SEPARATOR = ":"
_USABLE = (CopyState.GOOD, CopyState.UNPROVEN)


def sources_of(env: EnvironmentContext, file: str | None) -> Iterator[Source]:
    """Where the backup is that `file` names, in the order in which the copies are tried.

    `file` is what `catalog.find` takes, or LOCATION:FILE for one location alone. Otherwise the primary folder
    comes first, then the locations with a copy of it. SettingsError (2) where no location has it.
    """
    place, _, rest = (file or "").partition(_SEPARATOR)
    if rest:
        at = _location(env, place)
        yield at, catalog.find(at, rest)
    elif env.archive or env.location:
        yield env, catalog.find(env, file)
    else:
        yield from _anywhere(env, file)


def first_source(env: EnvironmentContext, file: str | None) -> Source:
    """The first of these; a location other than the primary folder is reported."""
    at, name = next(sources_of(env, file))
    report_source(env, at, name)
    return at, name


def report_source(env: EnvironmentContext, at: EnvironmentContext, name: BackupName) -> None:
    """Say which location a backup is read from, unless it is the primary folder."""
    if at.archive:
        env.ctx.reporter.say(f"{name.dump} is read from the location {place_name(at)}, {at.store.location}")


def _anywhere(env: EnvironmentContext, file: str | None) -> Iterator[Source]:
    """The primary folder's backup and its copies; without one there, what the other locations have."""
    try:
        name = catalog.find(env, file)
    except SettingsError as error:
        found = _elsewhere(env, file)
        if not found:
            raise error from None
        yield from found
        return
    yield env, name
    manifest = sound_manifest(env, name)
    for at in archive_contexts(env):
        copy = copy_in(at, name, manifest.digest if manifest else "")
        if copy.state in _USABLE:
            yield at, name.among(at.store.taken)


def _elsewhere(env: EnvironmentContext, file: str | None) -> list[Source]:
    """What the archive locations have for `file`, the newest recovery point first."""
    found = list[tuple[datetime, Source]]()
    for at in archive_contexts(env):
        try:
            name = catalog.find(at, file) if at.store.reachable() else None
            manifest = catalog.read_manifest(at, name) if name else None
        except SettingsError:
            continue
        except LedgerError as error:
            env.ctx.reporter.say(f"{place_name(at)} cannot be read: {error.message}")
            continue
        if name:
            found.append(
                (manifest.recovery_point if manifest else datetime.min.replace(tzinfo=UTC), (at, name))
            )
    return [source for _, source in sorted(found, key=lambda item: item[0], reverse=True)]


def _location(env: EnvironmentContext, place: str) -> EnvironmentContext:
    """The location of that name; SettingsError (2) where there is none."""
    at = next((at for at in env.locations() if place_name(at) == place), None)
    if at:
        return at
    names = ", ".join([PRIMARY, *map(place_name, archive_contexts(env))])
    raise SettingsError(
        f"{env.environment} has no location {place!r}: it has {names}.",
        hint=Hint("FILE=location:name reads a backup there; ", make("doctor"), " lists the locations."),
    )
