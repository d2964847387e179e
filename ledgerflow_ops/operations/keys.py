"""The keys of an environment's backups: creates an identity, and shows which backups an identity opens."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledgerflow_ops.adapters.storage import age_keys
from ledgerflow_ops.adapters.storage.age_codec import HEADER_SIZE, open_header
from ledgerflow_ops.adapters.system.os_errors import translated
from ledgerflow_ops.config import resolved_path
from ledgerflow_ops.core.catalog.backup_keys import BackupKey, Opening, worst_opening
from ledgerflow_ops.core.catalog.catalog import CatalogEntry
from ledgerflow_ops.core.catalog.naming import is_encrypted
from ledgerflow_ops.core.errors import BadBackup, KeyUnavailable, LedgerError, Refused
from ledgerflow_ops.core.hints import Hint
from ledgerflow_ops.operations import catalog
from ledgerflow_ops.operations.archive.copying import data_files
from ledgerflow_ops.operations.context import EnvironmentContext
from ledgerflow_ops.places import absolute_path

_ELSEWHERE = Hint(
    "Set identity_file to a path outside of them: whoever takes the backups must not get their key as well."
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was created: the file of its identity, and its recipient."""

    file: Path
    recipient: str


def identity_path(env: EnvironmentContext) -> Path:
    """Where the identity is, or would be created: `identity_file`, else a folder of the account."""
    default = absolute_path(Path(f"~/.config/ledgerflow/age/{env.environment}.txt"))
    return env.settings.identity_file or default


def create_key(env: EnvironmentContext) -> NewKey:
    """Create an identity with mode 0600, in the form of `age-keygen`, durably.

    Refused (3) where the file exists, and where it would be beside the backups or in files that are backed
    up.
    """
    path = identity_path(env)
    for what, folder in forbidden_folders(env):
        if resolved_path(path).is_relative_to(resolved_path(folder)):
            raise Refused(f"No identity is kept in {what} ({folder}): {path} lies in it.", hint=_ELSEWHERE)
    identity, recipient = age_keys.new_identity()
    text = (
        f"# created: {env.ctx.clock().isoformat(timespec='seconds')}\n# public key: {recipient}\n{identity}\n"
    )
    if os.path.lexists(path):
        raise Refused(
            f"{path} exists already: an identity is never overwritten.",
            hint=Hint("Backups that it opens would be lost. Set identity_file to another path."),
        )
    _write_new(path, text)
    env.ctx.journal("key created", {"environment": env.environment, "recipient": recipient})
    return NewKey(path, recipient)


def backup_keys(env: EnvironmentContext) -> Iterator[BackupKey]:
    """Every retained backup in every location, newest first, by opening the headers of its files.

    SettingsError (2) and KeyUnavailable (5) where an identity is set and cannot be used.
    """
    identities = env.identities.read() if env.identities else None
    for at in env.locations():
        yield from keys_in(at, identities)


def keys_in(at: EnvironmentContext, identities: Sequence[object] | None) -> Iterator[BackupKey]:
    """The retained backups of one location, newest first, and whether the identities open them."""
    opened = dict[str, Opening]()
    for entry in catalog.newest_first(at) if at.store.exists() else ():
        yield _backup_key(at, entry, identities, opened)


def _backup_key(
    at: EnvironmentContext,
    entry: CatalogEntry,
    identities: Sequence[object] | None,
    opened: dict[str, Opening],
) -> BackupKey:
    """One backup. `opened` holds the files that were opened before: several backups may need one archive."""
    manifest, name = entry.manifest, entry.name
    known_files = reversed(data_files(manifest)) if manifest else ()  # the dump first: it is named first
    files = [facts.file for facts in known_files if is_encrypted(facts.file)]
    for file in files:
        if file not in opened:
            opened[file] = _opening(at, file, identities) if entry.local else Opening.UNREAD
    part, opening = worst_opening({file: opened[file] for file in files})
    known = manifest.recipients or () if manifest else ()
    lacks = tuple(one for one in at.settings.all_recipients if one not in known)
    return BackupKey(name.dump, at.store.location, opening, lacks if files else (), part, known)


def _opening(at: EnvironmentContext, file: str, identities: Sequence[object] | None) -> Opening:
    if identities is None:
        return Opening.NO_IDENTITY
    try:
        open_header(at.store.head(file, HEADER_SIZE), identities)
    except KeyUnavailable:
        return Opening.OTHER_KEY
    except BadBackup:
        return Opening.DAMAGED
    except LedgerError:
        return Opening.UNREAD
    return Opening.OPENS


def forbidden_folders(env: EnvironmentContext) -> Iterator[tuple[str, Path]]:
    """The folders in which no identity may be, with what each is."""
    settings = env.ctx.settings
    yield "the backups' folder", settings.backup_root
    for location in settings.all_locations:
        if location.folder:
            yield "an archive location", location.folder
    for environment in settings.environments.values():
        for folder in environment.files:
            yield "a folder that is backed up", folder


def _write_new(path: Path, text: str) -> None:
    """Write a new private file durably; LedgerError where there is one."""
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
