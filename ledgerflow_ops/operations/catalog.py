"""Reads the catalog: every dump in an environment's folder with its manifest and its proof."""

import re
from functools import lru_cache
from pathlib import Path

from ledgerflow_ops.adapters.folder import Folder, Version
from ledgerflow_ops.core.catalog import LATEST, LATEST_PROVEN, Entry, backups, chosen, newest
from ledgerflow_ops.core.errors import BadBackup, LedgerError, SettingsError
from ledgerflow_ops.core.manifest import Manifest
from ledgerflow_ops.core.naming import DUMP, MANIFEST, BackupName
from ledgerflow_ops.core.proof import Proof
from ledgerflow_ops.core.record import FileFacts
from ledgerflow_ops.operations.desk import Site

_REMEMBERED = 1_000
"""Manifests kept in memory: those of three environments for most of a year. Each takes some 50 KB."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def entries(site: Site) -> list[Entry]:
    """Every dump of the environment, by name; also those whose dump is gone but whose manifest is there."""
    stems = {BackupName.of(file) for ending in (DUMP, MANIFEST) for file in site.folder.names(ending)}
    return [entry(site, name) for name in sorted(stems, key=lambda name: name.stem)]


def newest_first(site: Site) -> list[Entry]:
    """The environment's backups, newest recovery point first; what has no whole manifest is left out."""
    return backups(entries(site))


def entry(site: Site, name: BackupName, *, remember: bool = True) -> Entry:
    """What is known of one dump without reading its bytes.

    `remember` keeps its manifest in this process's memory, for the next time.
    """
    folder, manifest, proof, problem = site.folder, None, None, ""
    local = not any(folder.evicted(file) for file in (name.dump, name.manifest, name.globals))
    size, unread = folder.size(name.dump) or 0, False
    try:
        if not folder.evicted(name.manifest):  # to read it would fetch it, or read what is not there
            manifest = read_manifest(site, name, remember=remember)
        proof = read_proof(site, name, manifest)
        if manifest and manifest.files:
            local = local and not any(folder.evicted(facts.file) for facts in manifest.files.archives)
        if manifest and not local:
            size = manifest.dump.size
        elif manifest:
            problem = mismatch(site, name, manifest)
    except LedgerError as error:
        problem, unread = error.message, not isinstance(error, BadBackup)
    return Entry(site.environment, name, size, manifest, proof, local, problem, unread)


def mismatch(site: Site, name: BackupName, manifest: Manifest) -> str:
    """What the manifest says that the folder contradicts at a glance; empty when nothing does.

    LedgerError where a glance into the folder's files is not possible just now.
    """
    if manifest.environment is not site.environment:
        return f"{name.manifest} is {manifest.environment}'s"
    if manifest.dump.file != name.dump:
        return f"{name.manifest} commits {manifest.dump.file}, another file"
    if wrong := _wrong(site.folder, manifest.dump):
        return f"{name.dump} {wrong}"
    if site.folder.hollow(name.dump):
        return f"{name.dump} is a file of holes: its {manifest.dump.size} bytes never came to the disk"
    if manifest.globals and (wrong := _wrong(site.folder, manifest.globals)):
        return f"{manifest.globals.file}, the roles of {name.stem}, {wrong}"
    for facts in manifest.files.archives if manifest.files else ():
        if wrong := _wrong(site.folder, facts):
            return f"{facts.file}, which holds files of {name.stem}, {wrong}"
    return ""


def _wrong(folder: Folder, facts: FileFacts) -> str:
    """What is wrong with a file at a glance, to follow its name; empty when nothing is."""
    if other := folder.what(facts.file):
        return f"is {other}, not a regular file"
    size = folder.size(facts.file)
    if size is None:
        return "is gone"
    return "" if size == facts.size else f"has {size} bytes; its manifest says {facts.size}"


def read_manifest(site: Site, name: BackupName, *, remember: bool = True) -> Manifest | None:
    """The manifest beside a dump, or None; BadBackup when it is not whole."""
    version = site.folder.version(name.manifest)
    if version is None:
        return None
    read = _decoded if remember else _decoded.__wrapped__
    return read(site.folder, name.manifest, version)


@lru_cache(maxsize=_REMEMBERED)
def _decoded(folder: Folder, file: str, _version: Version) -> Manifest:
    """A manifest as it was at that version of its file. A catalog is read again and again."""
    return Manifest.decode(folder.record(file), file)


def read_proof(site: Site, name: BackupName, manifest: Manifest | None) -> Proof | None:
    """The proof beside a dump if it speaks of this dump and this manifest; a damaged proof is none."""
    if manifest is None or site.folder.version(name.proof) is None:
        return None
    try:
        proof = Proof.decode(site.folder.record(name.proof), name.proof)
    except BadBackup:
        return None
    return proof if proof.speaks_of(manifest.dump.sha256, manifest.digest) else None


def find(site: Site, file: str | None) -> BackupName:
    """The backup called `file`, or the newest one.

    `file` is a bare name, a path into the environment's folder, latest, latest-proven or a day.
    SettingsError when there is none, or when the path leads elsewhere.
    """
    hint = "make status lists what there is."
    if not file:
        found = newest(entries(site))
        if found is None:
            raise SettingsError(
                f"There is no backup of {site.environment} in {site.folder.path}.",
                hint=f"Take one: LEDGER_ENV={site.environment} make backup",
            )
        return found.name
    if file in (LATEST, LATEST_PROVEN) or _DAY.fullmatch(file):
        if word := chosen(entries(site), file):
            return word.name
        raise SettingsError(f"{site.environment} has no backup that is {file!r}.", hint=hint)
    return _named(site, file, hint)


def _named(site: Site, file: str, hint: str) -> BackupName:
    path = Path(file).expanduser()
    if len(path.parts) > 1 and path.parent.resolve() != site.folder.path.resolve():
        raise SettingsError(
            f"{file} is not in {site.environment}'s folder {site.folder.path}.",
            hint="Name a file of that folder, or copy it there first.",
        )
    if not path.name.endswith(DUMP):
        raise SettingsError(f"{file!r} does not end in {DUMP}.", hint=hint)
    name = BackupName.of(path.name)
    if not site.folder.taken(name.dump) and not site.folder.taken(name.manifest):
        raise SettingsError(f"There is no {name.dump} in {site.folder.path}.", hint=hint)
    return name
