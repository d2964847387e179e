"""Reads the catalog: every dump in an environment's folder, with its manifest and its proof."""

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
from ledgerflow_ops.core.catalog.naming import AGE, DUMP, DUMPS, MANIFEST, BackupName
from ledgerflow_ops.core.catalog.proof import Proof
from ledgerflow_ops.core.errors import BadBackup, LedgerError, SettingsError
from ledgerflow_ops.core.hints import Hint, make
from ledgerflow_ops.core.models import FileFacts
from ledgerflow_ops.operations.context import EnvironmentContext

_CACHED_MANIFESTS = 1_000
"""Number of manifests kept in memory: three environments for most of a year, some 50 KB each."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def entries(env: EnvironmentContext) -> list[CatalogEntry]:
    """Every dump of the environment, by name, and every manifest whose dump is missing."""
    files = set(env.store.names(*DUMPS, MANIFEST))
    names = {BackupName.of(file).among(files.__contains__) for file in files}
    return [entry(env, name) for name in sorted(names, key=lambda name: name.stem)]


def newest_first(env: EnvironmentContext) -> list[CatalogEntry]:
    """The environment's backups, newest recovery point first; dumps without a sound manifest are left out."""
    return backups(entries(env))


def entry(env: EnvironmentContext, name: BackupName, *, remember: bool = True) -> CatalogEntry:
    """The entry of one dump, without reading its bytes.

    Its manifest says whether the dump is encrypted, whatever `name` says. `remember` caches it in memory.
    """
    store, manifest, proof, problem = env.store, None, None, ""
    local = not any(store.evicted(file) for file in (name.dump, name.manifest, name.globals))
    size, unread = store.size(name.dump) or 0, False
    try:
        if not store.evicted(name.manifest):  # reading it would download it
            manifest = read_manifest(env, name, remember=remember)
        if manifest and (committed := committed_name(name, manifest)).encrypted != name.encrypted:
            name, size = committed, store.size(committed.dump) or 0
            local = local and not any(store.evicted(file) for file in (name.dump, name.globals))
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


def committed_name(name: BackupName, manifest: Manifest) -> BackupName:
    """The name that the manifest commits, if it has the same stem: whether the dump was encrypted."""
    return next((other for other in name.both if other.dump == manifest.dump.file), name)


def mismatch(env: EnvironmentContext, name: BackupName, manifest: Manifest) -> str:
    """How the folder contradicts the manifest, by names and sizes only; empty when it does not.

    LedgerError where the files' metadata cannot be read now.
    """
    if manifest.environment is not env.environment:
        return f"{name.manifest} is {manifest.environment}'s"
    if manifest.dump.file != name.dump:
        return f"{name.manifest} commits {manifest.dump.file}, another file"
    if problem := _file_problem(env.store, manifest.dump):
        return f"{name.dump} {problem}"
    if env.store.is_unwritten(name.dump):
        return f"{name.dump} is a file of holes: its {manifest.dump.size} bytes never came to the disk"
    if manifest.globals and (problem := _file_problem(env.store, manifest.globals)):
        return f"{manifest.globals.file}, the roles of {name.stem}, {problem}"
    for facts in manifest.files.archives if manifest.files else ():
        if problem := _file_problem(env.store, facts):
            return f"{facts.file}, which holds files of {name.stem}, {problem}"
    return ""


def _file_problem(store: BackupStore, facts: FileFacts) -> str:
    """What is wrong with a file's kind or size, as a phrase to follow its name; empty when nothing is."""
    if other := store.irregular_kind(facts.file):
        return f"is {other}, not a regular file"
    size = store.size(facts.file)
    if size is None:
        return "is gone"
    return "" if size == facts.size else f"has {size} bytes; its manifest says {facts.size}"


def read_manifest(env: EnvironmentContext, name: BackupName, *, remember: bool = True) -> Manifest | None:
    """The manifest beside a dump, or None; BadBackup when it is damaged."""
    version = env.store.version(name.manifest)
    if version is None:
        return None
    read = _cached_manifest if remember else _cached_manifest.__wrapped__
    return read(env.store, name.manifest, version)


@lru_cache(maxsize=_CACHED_MANIFESTS)
def _cached_manifest(store: BackupStore, file: str, _version: Version) -> Manifest:
    """The manifest at that version of its file, cached because catalogs are read often."""
    return Manifest.decode(store.record(file), file)


def read_proof(env: EnvironmentContext, name: BackupName, manifest: Manifest | None) -> Proof | None:
    """The proof beside a dump if it is about this dump and this manifest; None for a damaged one."""
    if manifest is None or env.store.version(name.proof) is None:
        return None
    try:
        proof = Proof.decode(env.store.record(name.proof), name.proof)
    except BadBackup:
        return None
    return proof if proof.speaks_of(manifest.dump.sha256, manifest.digest) else None


def find(env: EnvironmentContext, file: str | None) -> BackupName:
    """The backup that `file` names; the newest one without it.

    `file` is a bare name, a path into the environment's folder, `latest`, `latest-proven` or a day.
    SettingsError (2) when there is no such backup, or when the path leads elsewhere.
    """
    hint = Hint(make("status"), " lists the backups.")
    if not file:
        latest = newest(entries(env))
        if latest is None:
            raise SettingsError(
                f"There is no backup of {env.environment} in {env.store.location}.",
                hint=Hint("Take one: ", make("backup", env.environment)),
            )
        return latest.name
    if file in (LATEST, LATEST_PROVEN) or _DAY.fullmatch(file):
        if word := select_backup(entries(env), file):
            return word.name
        raise SettingsError(f"{env.environment} has no backup that is {file!r}.", hint=hint)
    return _named(env, file, hint)


def _named(env: EnvironmentContext, file: str, hint: Hint) -> BackupName:
    dump = env.store.name_of(file)
    if dump is None:
        raise SettingsError(
            f"{file} is not in {env.environment}'s folder {env.store.location}.",
            hint=Hint("Name a file of that folder, or copy it there first."),
        )
    if not dump.endswith(DUMPS):
        raise SettingsError(f"{file!r} does not end in {DUMP} or {DUMP}{AGE}.", hint=hint)
    name = BackupName.of(dump).among(env.store.taken)
    if not env.store.taken(name.dump) and not env.store.taken(name.manifest):
        raise SettingsError(f"There is no {dump} in {env.store.location}.", hint=hint)
    return name
