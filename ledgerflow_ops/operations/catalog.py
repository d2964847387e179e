"""Reads the catalog: every dump in an environment's folder with its manifest and its proof."""

import re
from functools import lru_cache

from ledgerflow_ops.adapters.storage.store import BackupStore
from ledgerflow_ops.adapters.storage.stored_file import Version
from ledgerflow_ops.core.catalog.catalog import (
    LATEST,
    LATEST_PROVEN,
    CatalogEntry,
    backups,
    newest,
    select_backup,
)
from ledgerflow_ops.core.catalog.manifest import Manifest
from ledgerflow_ops.core.catalog.naming import DUMP, MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.operations.context import EnvironmentContext

_CACHED_MANIFESTS = 1_000
"""Manifests kept in memory: those of three environments for most of a year. Each takes some 50 KB."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def entries(env: EnvironmentContext) -> list[CatalogEntry]:
    """Every dump of the environment, by name; also those whose dump is gone but whose manifest is there."""
    stems = {BackupName.of(file) for file in env.store.names(DUMP, MANIFEST)}
    return [entry(env, name) for name in sorted(stems, key=lambda name: name.stem)]


def newest_first(env: EnvironmentContext) -> list[CatalogEntry]:
    """The environment's backups, newest recovery point first; what has no whole manifest is left out."""
    return backups(entries(env))


def entry(env: EnvironmentContext, name: BackupName, *, remember: bool = True) -> CatalogEntry:
    """What is known of one dump without reading its bytes.

    `remember` keeps its manifest in this process's memory, for the next time.
    """
    store, manifest, proof, problem = env.store, None, None, ""
    local = not any(store.evicted(file) for file in (name.dump, name.manifest, name.globals))
    size, unread = store.size(name.dump) or 0, False
    try:
        if not store.evicted(name.manifest):  # to read it would fetch it, or read what is not there
            manifest = read_manifest(env, name, remember=remember)
        proof = read_proof(env, name, manifest)
        if manifest and manifest.files:
            local = local and not any(store.evicted(facts.file) for facts in manifest.files.archives)
        if manifest and not local:
            size = manifest.dump.size
        elif manifest:
            problem = mismatch(env, name, manifest)
    except LedgerError as error:
        problem, unread = error.message, not isinstance(error, BadBackup)
    return CatalogEntry(env.environment, name, size, manifest, proof, local, problem, unread)


def mismatch(env: EnvironmentContext, name: BackupName, manifest: Manifest) -> str:
    """What the manifest says that the folder contradicts at a glance; empty when nothing does.

    LedgerError where a glance into the folder's files is not possible just now.
    """
    if manifest.environment is not env.environment:
        return f"{name.manifest} is {manifest.environment}'s"
    if manifest.dump.file != name.dump:
        return f"{name.manifest} commits {manifest.dump.file}, another file"
    if wrong := _file_problem(env.store, manifest.dump):
        return f"{name.dump} {wrong}"
    if env.store.hollow(name.dump):
        return f"{name.dump} is a file of holes: its {manifest.dump.size} bytes never came to the disk"
    if manifest.globals and (wrong := _file_problem(env.store, manifest.globals)):
        return f"{manifest.globals.file}, the roles of {name.stem}, {wrong}"
    for facts in manifest.files.archives if manifest.files else ():
        if wrong := _file_problem(env.store, facts):
            return f"{facts.file}, which holds files of {name.stem}, {wrong}"
    return ""


def _file_problem(store: BackupStore, facts: FileFacts) -> str:
    """What is wrong with a file at a glance, to follow its name; empty when nothing is."""
    if other := store.what(facts.file):
        return f"is {other}, not a regular file"
    size = store.size(facts.file)
    if size is None:
        return "is gone"
    return "" if size == facts.size else f"has {size} bytes; its manifest says {facts.size}"


def read_manifest(env: EnvironmentContext, name: BackupName, *, remember: bool = True) -> Manifest | None:
    """The manifest beside a dump, or None; BadBackup when it is not whole."""
    version = env.store.version(name.manifest)
    if version is None:
        return None
    read = _cached_manifest if remember else _cached_manifest.__wrapped__
    return read(env.store, name.manifest, version)


@lru_cache(maxsize=_CACHED_MANIFESTS)
def _cached_manifest(store: BackupStore, file: str, _version: Version) -> Manifest:
    """A manifest as it was at that version of its file. A catalog is read again and again."""
    return Manifest.decode(store.record(file), file)


def read_proof(env: EnvironmentContext, name: BackupName, manifest: Manifest | None) -> Proof | None:
    """The proof beside a dump if it speaks of this dump and this manifest; a damaged proof is none."""
    if manifest is None or env.store.version(name.proof) is None:
        return None
    try:
        proof = Proof.decode(env.store.record(name.proof), name.proof)
    except BadBackup:
        return None
    return proof if proof.speaks_of(manifest.dump.sha256, manifest.digest) else None


def find(env: EnvironmentContext, file: str | None) -> BackupName:
    """The backup called `file`, or the newest one.

    `file` is a bare name, a path into the environment's folder, latest, latest-proven or a day.
    SettingsError when there is none, or when the path leads elsewhere.
    """
    hint = Hint(make("status"), " lists what there is.")
    if not file:
        found = newest(entries(env))
        if found is None:
            raise SettingsError(
                f"There is no backup of {env.environment} in {env.store.location}.",
                hint=Hint("Take one: ", make("backup", env.environment)),
            )
        return found.name
    if file in (LATEST, LATEST_PROVEN) or _DAY.fullmatch(file):
        if word := select_backup(entries(env), file):
            return word.name
        raise SettingsError(f"{env.environment} has no backup that is {file!r}.", hint=hint)
    return _named(env, file, hint)


def _named(env: EnvironmentContext, file: str, hint: Hint) -> BackupName:
    found = env.store.name_of(file)
    if found is None:
        raise SettingsError(
            f"{file} is not in {env.environment}'s folder {env.store.location}.",
            hint=Hint("Name a file of that folder, or copy it there first."),
        )
    if not found.endswith(DUMP):
        raise SettingsError(f"{file!r} does not end in {DUMP}.", hint=hint)
    name = BackupName.of(found)
    if not env.store.taken(name.dump) and not env.store.taken(name.manifest):
        raise SettingsError(f"There is no {name.dump} in {env.store.location}.", hint=hint)
    return name
